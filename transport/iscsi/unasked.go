package iscsi

import (
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Unasked data: where it goes as it comes.

// segment takes the n bytes of the command's own data segment, which is still arriving: the device
// server had the opportunity to say where it goes.
func (d *dataOut) segment(n int64) {
	d.mu.Lock()
	d.place(d.from, n)
	d.account()
	d.mu.Unlock()
	d.k.c.m.Accept(&d.unasked) // not done at once: it is pending
}

// take takes a Data-Out that answers no R2T (11.7). One that nobody waits for is thrown away: its
// task was aborted, or it is more than was announced.
func (d *dataOut) take(out pdu.DataOut, wrong error, p *Arrival) {
	c := d.k.c
	n, off := int64(p.H.DataSegmentLength()), int64(out.BufferOffset)
	d.mu.Lock()
	if d.final {
		d.mu.Unlock()
		return
	}
	switch {
	case d.err != nil:
	case wrong != nil || out.DataSN != d.nextSN || off != d.got:
		d.err = ErrDataSequence
	case off+n > d.most || (out.Final && off+n != d.most):
		d.err = ErrDataAmount
	}
	d.nextSN++
	d.final = out.Final
	if n == 0 {
		f, err := d.next()
		d.account()
		d.mu.Unlock()
		d.follow(c, f, err)
		return
	}
	d.place(off, n)
	d.account()
	d.mu.Unlock()
	x := &d.unasked
	if p.retained {
		d.arrived(x, x.fill(p))
	} else if done, err := c.m.Accept(x); done {
		d.arrived(x, err)
	}
}

// place finds a place for n unasked bytes at offset off of the command's data; what nobody wants
// has none, and the mover only tells when it has come. The transfer has a reference to the task.
// d.mu is held.
func (d *dataOut) place(off, n int64) {
	d.got = off + n
	d.busy = true
	d.k.hold()
	x := &d.unasked
	x.Data, x.At, x.Len = nil, 0, 0
	switch {
	case d.err != nil, d.ended, d.state == dataWithheld:
	case d.into != nil && d.off == 0:
		if room := d.into.Len() - off; room > 0 {
			if d.err = d.into.Fill(); d.err != nil {
				return
			}
			x.Data, x.At, x.Len = d.into, off, min(n, room)
		}
	default:
		if d.retained == nil {
			l, err := d.k.Memory(d.most - d.from)
			if err != nil {
				d.err = err
				return
			}
			d.retained = l
		}
		x.Data, x.At, x.Len = d.retained, off-d.from, n
	}
}

// fill copies the data of a Data-Out that came before its turn.
func (x *Transfer) fill(p *Arrival) error {
	if p.BadDigest {
		return ErrDataDigest
	}
	if x.Len > 0 {
		x.Data.Copy(x.At, p.Data[:x.Len])
	}
	return nil
}

// useRetained copies what was retained to where it was asked for. d.mu is held.
func (d *dataOut) useRetained() {
	if d.retained == nil || d.into == nil || d.off != 0 {
		return
	}
	if err := d.into.Fill(); err != nil {
		d.err = err
		d.release()
		return
	}
	for n := min(d.got, d.into.Len()); d.have < n; {
		p := d.retained.At(d.have - d.from)
		p = p[:min(int64(len(p)), n-d.have)]
		m := int64(d.into.Copy(d.have, p))
		d.have += m
		d.k.c.copied.Add(m)
	}
	d.release()
}

// release gives back what was retained. d.mu is held, and unasked is not the mover's.
func (d *dataOut) release() {
	if d.retained != nil {
		d.retained.Release()
		d.retained = nil
	}
}
