package iscsi

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A remote is what is exposed for a command.
type remote struct {
	in, out     exposed
	taken       rdma.Key // what the target has invalidated
	invalidated bool
}

// An exposed is memory that the target may reach.
type exposed struct {
	lease buffer.Lease
	at    rdma.Remote
	valid bool
}

// expose lets the target reach b. An error is found when the connection is used again.
func (l *messages) expose(x *exposed, b []byte, a rdma.Access) {
	if len(b) == 0 {
		return
	}
	x.lease.Init(nil, buffer.Segment{Mem: b})
	var err error
	if x.at, err = l.conn.Expose(&x.lease, a); err != nil {
		_ = l.c.fail(err)
		return
	}
	x.valid = true
}

// command queues a SCSI Command with its immediate and unsolicited data, and advertises the
// memory for the rest (RFC 7145 7.3.1).
func (l *messages) command(k *Command) {
	now, unasked := l.c.unasked(k)
	l.expose(&k.remote.in, k.In, rdma.RemoteWrite)
	if unasked < len(k.Out) {
		l.expose(&k.remote.out, k.Out, rdma.RemoteRead)
	}
	h := iser.Header{
		Kind: iser.Control, Read: k.remote.in.at, ReadValid: k.remote.in.valid,
		Write: k.remote.out.at, WriteValid: k.remote.out.valid,
	}
	if l.buffer != WholeBuffer {
		h.Write.Addr += uint64(unasked)
	}
	var bhs pdu.BHS
	ahs := k.header(&bhs, unasked == now)
	l.put(h, &bhs, ahs, k.Out[:now])
	if unasked > now {
		l.dataOut(k, pdu.NoTag, now, unasked-now)
	}
}

// dataOut queues one sequence of Data-Outs. Nothing is asked for by R2T here.
func (l *messages) dataOut(k *Command, ttt uint32, off, n int) {
	if ttt != pdu.NoTag {
		_ = l.c.fail(violation("an R2T on RDMA"))
		return
	}
	for sn := uint32(0); n > 0; sn++ {
		seg := min(n, int(l.c.params.MaxSendDataSegmentLength))
		var h pdu.BHS
		pdu.DataOut{Final: seg == n, LUN: uint64(k.LUN), ITT: k.tag, TTT: ttt, DataSN: sn, BufferOffset: uint32(off)}.Put(&h)
		l.put(iser.Header{Kind: iser.Control}, &h, nil, k.Out[off:off+seg])
		off += seg
		n -= seg
	}
}

func (l *messages) queue(h *pdu.BHS, data []byte) {
	b := *h
	l.put(iser.Header{Kind: iser.Control}, &b, nil, data)
}

// put queues a PDU.
func (l *messages) put(i iser.Header, h *pdu.BHS, ahs, data []byte) {
	if l.c != nil {
		h.SetExpStatSN(l.c.expSN)
	}
	h.SetTotalAHSLength(len(ahs))
	h.SetDataSegmentLength(len(data))
	o := l.take()
	o.b = append(append(i.Append(o.b), h[:]...), ahs...)
	o.b = append(append(o.b, data...), pdu.Padding(len(data))...)
	l.post(o)
}

// Send implements exchanger.
func (l *messages) Send(h *pdu.BHS, ahs, data []byte) error {
	l.put(iser.Header{Kind: iser.Control}, h, ahs, data)
	l.conn.Flush()
	return nil
}

// Receive implements exchanger.
func (l *messages) Receive() (*Received, error) {
	m, err := l.next()
	if err != nil {
		return nil, err
	}
	h, data, err := l.parse(m)
	if err != nil {
		return nil, err
	}
	return &Received{BHS: *h, Data: data}, nil
}

// parse finds the PDU in a message: those of a target have a plain header (RFC 7145 9.2) and
// no additional ones.
func (l *messages) parse(m received) (*pdu.BHS, []byte, error) {
	h, err := iser.ParseHeader(m.b)
	if err != nil {
		return nil, nil, err
	}
	if h != (iser.Header{Kind: iser.Control}) || len(m.b) < iser.HeaderLen+pdu.HeaderLen {
		return nil, nil, violation("%v of %d bytes, with tags %v, %v", h.Kind, len(m.b), h.ReadValid, h.WriteValid)
	}
	b := m.b[iser.HeaderLen:]
	bhs := (*pdu.BHS)(b[:pdu.HeaderLen])
	n := bhs.DataSegmentLength()
	if b = b[pdu.HeaderLen:]; bhs.TotalAHSLength() != 0 || len(b) < n || len(b) > pdu.Padded(n) {
		return nil, nil, violation("%v with %d bytes of data in %d", bhs.Opcode(), n, len(b))
	}
	if n > l.most {
		return nil, nil, violation("%v with %d bytes of data, there is room for %d", bhs.Opcode(), n, l.most)
	}
	return bhs, b[:n], nil
}

func (l *messages) receive(wait bool) error {
	if l.caller != nil && !wait {
		if err := l.serve(false); err != nil {
			return err
		}
	}
	for {
		all, err := l.batch()
		for i, m := range all {
			if err := l.handle(m); err != nil {
				return err
			}
			l.handled(all[i])
		}
		if len(all) > 0 || err != nil || !wait {
			return err
		}
		if err := l.wait(); err != nil {
			return err
		}
	}
}

// handle handles one message.
func (l *messages) handle(m received) error {
	h, data, err := l.parse(m)
	if err != nil {
		return err
	}
	if e := l.c.events.Arrived; e != nil {
		e(h)
	}
	switch h.Opcode() {
	case pdu.OpDataIn, pdu.OpR2T: // RFC 7145 7.3.5, 7.3.6: never on the wire
		return violation("%v on RDMA", h.Opcode())
	case pdu.OpSCSIResponse:
		if err := l.responded(h, m); err != nil {
			return err
		}
	default:
		if m.invalidates {
			return violation("%v invalidates a tag", h.Opcode())
		}
	}
	return l.c.arrived(h, data)
}

// responded checks what a response has taken back, and notes how much data has come.
func (l *messages) responded(h *pdu.BHS, m received) error {
	k := l.c.find(h.ITT())
	if k == nil {
		return nil // arrived says what is wrong
	}
	r := &k.remote
	want := &r.out
	if r.in.valid {
		want = &r.in
	}
	switch {
	case m.invalidates != (want.valid && l.invalidate):
		return violation("a response that invalidates: %v, with tags: %v, allowed: %v", m.invalidates, want.valid, l.invalidate)
	case m.invalidates && m.invalidated != want.at.Key:
		return violation("a response invalidates the tag of something else")
	}
	r.taken, r.invalidated = m.invalidated, m.invalidates
	if x, err := pdu.ParseSCSIResponse(h); err == nil && len(k.In) > 0 {
		k.Received = len(k.In)
		if x.Underflow {
			k.Received -= min(len(k.In), int(x.Residual))
		}
	}
	return nil
}

// ended ends what is exposed for k.
func (l *messages) ended(k *Command) {
	r := &k.remote
	for _, x := range []*exposed{&r.in, &r.out} {
		if x.valid && (!r.invalidated || r.taken != x.at.Key) {
			l.conn.Revoke(x.at.Key)
		}
	}
	r.in.valid, r.out.valid, r.invalidated = false, false, false
}

// Forget ends what is exposed for k, which is under way: what no initiator should do.
func (c *Conn) Forget(k *Command) { c.link.ended(k) }
