package iscsi

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A piece is data-in that goes ahead of the response. It belongs to the connection's
// free list.
type piece struct {
	Transfer
	k    *task
	next *piece
}

// taskOf is the task whose data-in a transfer has.
func taskOf(owner any) *task {
	if p, ok := owner.(*piece); ok {
		return p.k
	}
	return owner.(*task)
}

// SendDataIn implements target.Services.
func (s *Session) SendDataIn(t *target.Task, off int64, data *buffer.Lease) bool {
	k := t.Private.(*task)
	c := k.c
	c.mu.Lock()
	p := c.pieces
	if p != nil {
		c.pieces = p.next
	} else {
		p = new(piece)
		p.Owner = p
	}
	p.k = k
	k.hold()
	k.unsent++
	ok := c.put(k, &p.Transfer, off, data)
	c.mu.Unlock()
	if !ok {
		c.pieceSent(p)
		return true // the task is aborted soon
	}
	c.m.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	k.paced = k.unsent >= maxUnsent && !c.dead && !t.Aborted()
	return !k.paced
}

// maxUnsent is how many pieces of a task's data-in wait to be sent at a time: one that is
// being sent, one to follow it at once.
const maxUnsent = 2

func (c *Conn) pieceSent(p *piece) {
	p.Data.Release()
	p.Data = nil
	c.mu.Lock()
	k := p.k
	p.k = nil
	p.next = c.pieces
	c.pieces = p
	k.unsent--
	more := k.paced && k.unsent < maxUnsent
	if more {
		k.paced = false
	}
	k.drop()
	c.mu.Unlock()
	if more {
		k.DataInSent() // the device server has it: it has not ended yet
	}
}

// put queues data-in. c.mu is held.
func (c *Conn) put(k *task, x *Transfer, off int64, data *buffer.Lease) bool {
	x.LUN, x.ITT, x.Offset = uint64(k.LUN), k.itt, uint32(off)
	x.Data, x.At, x.Len, x.Put, x.Window = data, 0, data.Len(), true, k.memory.In
	k.sentIn = true
	return c.m.PutData(x)
}

// SendResponse implements target.Services.
func (s *Session) SendResponse(t *target.Task, r *target.Response) {
	k := t.Private.(*task)
	c := k.c
	c.mu.Lock()
	if (!k.data.done || k.data.busy) && !c.dead {
		// Unasked data is still to come: the response waits for the end of it, so that the
		// initiator's last Data-Out does not meet a tag that is free again (RFC 7143 11.4.3).
		k.later, k.hasLater = *r, true
		k.later.Run = nil // it is over by then
		c.mu.Unlock()
		return
	}
	run, n := r.Run, int64(pdu.HeaderLen)
	if r.DataIn != nil {
		n += r.DataIn.Len()
	}
	c.respond(k, r)
	if run != nil {
		run.Add(c.m, n)
	} else {
		c.m.Flush()
	}
}

// respond queues the end of a command. It is called with c.mu held and returns without.
func (c *Conn) respond(k *task, r *target.Response) {
	collapse := r.DataIn != nil && r.Status != scsi.CheckCondition && c.traits.PhaseCollapse
	data := r.DataIn
	if data != nil {
		x := &k.in
		x.Status = collapse
		x.SCSI = byte(r.Status)
		x.Overflow, x.Underflow, x.Residual = residual(r.Residual)
		k.hold()
		if c.put(k, x, r.At, data) {
			data = nil
		} else {
			x.Data = nil
			k.drop()
			collapse = true // the connection has ended
		}
	}
	if !collapse {
		c.status(k, r)
	}
	wait := c.finish(k)
	c.mu.Unlock()
	if data != nil {
		data.Release()
	}
	if wait {
		c.unblock()
	}
}

// status queues a SCSI Response. c.mu is held.
func (c *Conn) status(k *task, r *target.Response) {
	p := c.m.Control()
	x := pdu.SCSIResponse{Status: uint8(r.Status), ITT: k.itt}
	x.Overflow, x.Underflow, x.Residual = residual(r.Residual)
	x.Put(&p.BHS)
	p.Memory = k.memory
	if k.sentIn && !c.traits.RDMA { // ExpDataSN is known when the last Data-In has been cut
		k.hold() // until Stamp
		p.Owner = k
	}
	if r.Status == scsi.CheckCondition {
		b := p.Room[:2]
		if r.Descriptor {
			b = r.Sense.AppendDescriptor(b)
		} else {
			b = r.Sense.AppendFixed(b)
		}
		n := len(scsi.CutSense(b[2:], int(c.params.Load().MaxSendDataSegmentLength)-2))
		b[0], b[1] = byte(n>>8), byte(n)
		p.Data = b[:2+n]
	}
	c.m.SendControl(p)
}

// residual splits a residual into the fields of the PDUs (11.4.5): the count is unsigned.
func residual(n int64) (over, under bool, count uint32) {
	switch {
	case n < 0:
		return true, false, uint32(min(-n, 1<<32-1))
	case n > 0:
		return false, true, uint32(min(n, 1<<32-1))
	}
	return false, false, 0
}

// finish takes k out of the books: its tag is free, its window slot too. c.mu is held. It reports
// that tasks wait, for which there may be room now: then the caller unblocks them. One
// that comes later sees what k has left.
func (c *Conn) finish(k *task) bool {
	c.tasks.remove(k)
	c.solicited -= k.budget
	k.budget = 0
	k.ended = true
	k.data.done = true
	k.data.forget()
	if k.immediate {
		c.immediate--
	} else {
		c.sess.window.advanceMaxCmdSN()
	}
	k.drop()
	return len(c.waiting) > 0
}

// Dropped implements target.Services.
func (s *Session) Dropped(t *target.Task) {
	k := t.Private.(*task)
	c := k.c
	c.mu.Lock()
	wait := c.finish(k)
	c.mu.Unlock()
	if wait {
		c.unblock()
	}
}

func (c *Conn) dataInSent(k *task, x *Transfer) {
	data := x.Data
	x.Data = nil
	data.Release()
	k.drop()
}

// dropLaterIf forgets the responses that wait for the end of unasked data, of the tasks
// that match, and returns how many they were.
func (c *Conn) dropLaterIf(match func(*task) bool) int {
	c.mu.Lock()
	var late []*task
	c.tasks.each(func(k *task) {
		if k.hasLater && match(k) {
			late = append(late, k)
		}
	})
	for _, k := range late {
		k.hasLater = false
		if k.later.DataIn != nil {
			k.later.DataIn.Release()
			k.later.DataIn = nil
		}
		if k.data.busy && c.m.Cancel(&k.data.un) {
			k.data.busy = false
			k.data.un.Data = nil
			k.drop()
		}
		c.finish(k)
	}
	c.mu.Unlock()
	if len(late) > 0 {
		c.unblock()
	}
	return len(late)
}
