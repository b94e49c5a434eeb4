package iscsi

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A dataOut is the way of a command's data to the device server. What comes unasked comes
// first: immediate data, then Data-Outs up to FirstBurstLength. It goes straight into the
// memory that the device server has asked for it, or is kept until it does. Then R2Ts
// fetch the rest of what was asked for. Everything is guarded by the connection's mu.
type dataOut struct {
	// Unasked data.
	first    int64  // bytes that are to come in all, at most
	got      int64  // bytes that came, from offset 0
	done     bool   // no more comes
	atHand   []byte // immediate data in the mover's memory, until ControlArrived returns
	arriving bool   // immediate data is on its way and has no place yet
	dataSN   uint32
	kept     *buffer.Lease // where it is kept
	un       Transfer      // its way from the mover
	busy     bool          // un is the mover's

	// What the device server asked for.
	into   *buffer.Lease // nil: nothing
	at     int64         // its offset in the command's data
	have   int64         // bytes of into that are there, from its start
	asked  int64         // bytes of into that are there or R2T'd
	out    [maxR2T]Transfer
	flying int // of out with the mover
	used   [maxR2T]bool

	err error
}

func (d *dataOut) init(k *task) {
	d.un.Owner = k
	for i := range d.out {
		d.out[i].Owner = k
	}
}

func (d *dataOut) reset() {
	d.first, d.got, d.done, d.atHand, d.arriving, d.dataSN = 0, 0, false, nil, false, 0
	d.into, d.at, d.have, d.asked, d.err = nil, 0, 0, 0, nil
}

// keepFirst makes a place for unasked data of which the device server has not said yet
// where it goes, and copies what is at hand. c.mu is held.
func (c *Conn) keepFirst(k *task) {
	d := &k.data
	if d.kept == nil && d.err == nil && d.first > 0 {
		l, err := c.node.cfg.Arena.Get(d.first)
		if err != nil {
			d.err = errExhausted
		}
		d.kept = l
	}
	if d.atHand != nil {
		if d.kept != nil {
			d.kept.Copy(0, d.atHand)
			c.copied += int64(len(d.atHand))
		}
		d.got = int64(len(d.atHand))
		d.atHand = nil
		k.First = buffer.Lease{}
	}
}

// settle ends the mover's loan of a command's immediate data: what nobody has used is
// kept, what has not arrived yet gets its place.
func (c *Conn) settle(k *task, p *Arrival) {
	c.mu.Lock()
	d := &k.data
	switch {
	case k.ended:
	case p.Pending == 0:
		if d.atHand != nil {
			c.keepFirst(k)
		}
	default:
		n := int64(p.H.DataSegmentLength())
		d.arriving = false
		if c.place(k, 0, n) {
			c.mu.Unlock()
			c.m.Accept(&d.un) // never done at once: it is pending
			c.mu.Lock()
		}
	}
	k.drop()
	c.mu.Unlock()
}

// place prepares d.un for n unasked bytes at offset off of the command's data. c.mu is held.
func (c *Conn) place(k *task, off, n int64) bool {
	d := &k.data
	d.got = off + n
	x := &d.un
	switch {
	case d.into != nil && d.at == 0:
		x.Data, x.At, x.Len = d.into, off, min(n, d.into.Len()-off)
	default:
		c.keepFirst(k)
		x.Data, x.At, x.Len = d.kept, off, n
	}
	if x.Data == nil || x.Len <= 0 || d.err != nil {
		return false
	}
	d.busy = true
	k.hold()
	return true
}

// unsolicited takes a Data-Out that answers no R2T (11.7).
func (c *Conn) unsolicited(p *Arrival) {
	out, err := pdu.ParseDataOut(p.H)
	c.mu.Lock()
	k := c.tasks.find(out.ITT)
	if k == nil || k.data.done {
		c.mu.Unlock()
		if k == nil && !p.retained && c.sess.retainData(c, p) {
			return
		}
		return // of a task that was aborted, or more than was announced: thrown away
	}
	d := &k.data
	n := int64(p.H.DataSegmentLength())
	off := int64(out.BufferOffset)
	switch {
	case d.err != nil:
	case err != nil || out.DataSN != d.dataSN || off != d.got:
		d.err = ErrDataSequence
	case off+n > d.first || (out.Final && off+n != d.first):
		d.err = ErrDataAmount
	}
	d.dataSN++
	if out.Final {
		d.done = true
	}
	if d.err == nil && n > 0 && c.place(k, off, n) {
		c.mu.Unlock()
		if p.retained {
			c.DataMoved(&d.un, d.un.fill(p))
		} else if done, err := c.m.Accept(&d.un); done {
			c.DataMoved(&d.un, err)
		}
		return
	}
	c.goOn(k)
}

// fill copies the data of a Data-Out that was held.
func (x *Transfer) fill(p *Arrival) error {
	if p.BadDigest {
		return ErrDataDigest
	}
	x.Data.Copy(x.At, p.Data[:x.Len])
	return nil
}

// ReceiveDataOut implements target.Services.
func (s *Session) ReceiveDataOut(t *target.Task, off int64, into *buffer.Lease) {
	k := t.Private.(*task)
	c, d := k.c, &k.data
	c.mu.Lock()
	if c.dead || t.Aborted() {
		c.mu.Unlock()
		t.DataOutReceived(target.ErrAborted)
		return
	}
	d.into, d.at, d.have, d.asked = into, off, 0, 0
	switch {
	case off != 0:
	case d.atHand != nil:
		d.have = min(int64(len(d.atHand)), into.Len())
		into.Copy(0, d.atHand[:d.have])
		c.copied += d.have
		d.got = int64(len(d.atHand))
		d.atHand = nil
	case d.kept != nil && !d.busy:
		c.takeKept(k)
	}
	c.goOn(k)
}

// takeKept moves what was kept to where it was asked for. c.mu is held.
func (c *Conn) takeKept(k *task) {
	d := &k.data
	for n := min(d.got, d.into.Len()); d.have < n; {
		p := d.kept.At(d.have)
		p = p[:min(int64(len(p)), n-d.have)]
		d.have += int64(d.into.Copy(d.have, p))
	}
	c.copied += d.have
	d.kept.Release()
	d.kept = nil
}

// goOn does what can be done next for the data of k: R2Ts, or the device server's next
// step. It is called with c.mu held and returns without.
func (c *Conn) goOn(k *task) {
	d := &k.data
	if k.hasLater && d.done && !d.busy {
		r := k.later
		k.hasLater = false
		c.respond(k, &r)
		c.m.Flush()
		return
	}
	if d.into == nil || d.busy || d.arriving {
		c.mu.Unlock()
		return
	}
	if d.err != nil {
		if d.flying == 0 && d.done {
			c.nextStep(k, dataError(d.err))
			return
		}
		c.mu.Unlock()
		return
	}
	if d.have == d.into.Len() {
		c.nextStep(k, nil)
		return
	}
	if !d.done {
		c.mu.Unlock()
		return
	}
	d.asked = max(d.asked, d.have)
	limit := int(min(c.sess.Params.MaxOutstandingR2T, maxR2T))
	sent := false
	for d.flying < limit && d.asked < d.into.Len() {
		i := 0
		for d.used[i] {
			i++
		}
		x := &d.out[i]
		x.LUN, x.ITT, x.R2TSN, x.Offset = uint64(k.LUN), k.itt, k.r2tSN, uint32(d.at+d.asked)
		x.Data, x.At, x.Len = d.into, d.asked, min(int64(c.sess.Params.MaxBurstLength), d.into.Len()-d.asked)
		x.Window = k.memory.Out
		if !c.m.GetData(x) {
			d.err = ErrTerminated
			break
		}
		d.used[i] = true
		d.flying++
		k.hold()
		k.r2tSN++
		d.asked += x.Len
		sent = true
	}
	if d.err != nil && d.flying == 0 {
		c.nextStep(k, target.ErrAborted)
		return
	}
	c.mu.Unlock()
	if sent {
		c.m.Flush()
	}
}

// nextStep gives the data to the device server. It is called with c.mu held and returns
// without; the task may be gone afterwards.
func (c *Conn) nextStep(k *task, err error) {
	k.data.into = nil
	c.mu.Unlock()
	k.DataOutReceived(err)
}

func (c *Conn) dataOutArrived(k *task, x *Transfer, err error) {
	c.mu.Lock()
	d := &k.data
	if err != nil && d.err == nil {
		d.err = err
	}
	if x == &d.un {
		d.busy = false
		if x.Data == d.into {
			d.have = x.At + x.Len
		} else if d.into != nil && d.at == 0 && d.err == nil {
			c.takeKept(k)
		}
	} else {
		for i := range d.out {
			if x == &d.out[i] {
				d.used[i] = false
			}
		}
		d.flying--
		d.have += x.Len
	}
	x.Data = nil
	if k.ended {
		d.forget()
	}
	k.hold() // goOn may end the task
	k.drop() // the transfer's
	c.goOn(k)
	k.drop()
}

// forget gives back the memory in which unasked data was kept, unless it still arrives there.
// The task has ended. c.mu is held.
func (d *dataOut) forget() {
	if d.kept != nil && !d.busy {
		d.kept.Release()
		d.kept = nil
	}
}

// cancelUnsolicited takes back the transfers of k. When it returns none touches memory of
// k, and a step of the device server that waits for data has been called; or the last
// transfer that cannot be stopped calls it, and the task does not end before.
func (c *Conn) cancelUnsolicited(k *task) {
	c.mu.Lock()
	k.hold()
	if k.paced {
		k.paced = false
		c.mu.Unlock()
		k.DataInSent()
		c.mu.Lock()
	}
	d := &k.data
	if d.busy && c.m.Cancel(&d.un) {
		d.busy = false
		k.drop()
	}
	for i := range d.out {
		if d.used[i] && c.m.Cancel(&d.out[i]) {
			d.used[i] = false
			d.flying--
			k.drop()
		}
	}
	if d.into != nil && d.flying == 0 && !d.busy {
		c.nextStep(k, target.ErrAborted)
		c.mu.Lock()
	} else if d.into != nil {
		d.err = target.ErrAborted // whoever gives the last transfer back goes on
		d.done = true
	}
	k.drop()
	c.mu.Unlock()
}

// TerminateTransfers implements target.Services.
func (s *Session) TerminateTransfers(t *target.Task) {
	k := t.Private.(*task)
	k.c.cancelUnsolicited(k)
}

// Keep implements target.Services.
func (s *Session) Keep(t *target.Task) error {
	k := t.Private.(*task)
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if k.data.atHand != nil {
		k.c.keepFirst(k)
	}
	return k.data.err
}
