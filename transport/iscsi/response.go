package iscsi

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A Conn is the services of its channel (target.Services): whatever moves for a task goes by the
// connection to which the task has allegiance.

// SendDataIn implements target.Services.
func (c *Conn) SendDataIn(t *target.Task, off int64, data *buffer.Lease) {
	k := taskOf(t)
	x := k.piece()
	if !c.put(k, x, off, data) {
		c.pieceMoved(k, x) // the task is aborted soon
		return
	}
	c.m.Flush()
}

// piece takes a free one of the task's. The target lets no more of them be on their way than there
// are; if it did there would be one more.
func (k *task) piece() *Transfer {
	for i := range k.pieces {
		if p := &k.pieces[i]; p.state.CompareAndSwap(pieceFree, pieceQueued) {
			return &p.Transfer
		}
	}
	return &Transfer{Owner: k}
}

// pieceMoved takes a piece of data-in back from the mover.
func (c *Conn) pieceMoved(k *task, x *Transfer) {
	data := x.Data
	x.Data = nil
	data.Release()
	told := false
	for i := range k.pieces {
		if p := &k.pieces[i]; x == &p.Transfer {
			told = p.state.Swap(pieceFree) == pieceGivenUp
		}
	}
	if !told {
		k.DataInSent()
	}
	k.drop() // the transfer's
}

// giveUpPieces lets the end of an aborted task not wait for data-in that is queued in a stream: the
// initiator throws away what still comes of it. (By RDMA it is written to memory that the
// initiator would use for something else, so that there the end has to wait.)
func (k *task) giveUpPieces() {
	for i := range k.pieces {
		if k.pieces[i].state.CompareAndSwap(pieceQueued, pieceGivenUp) {
			k.DataInSent()
		}
	}
}

// put gives data-in to the mover, with a reference to the task. If the connection has ended it
// reports false; the reference is there nevertheless.
func (c *Conn) put(k *task, x *Transfer, off int64, data *buffer.Lease) bool {
	k.hold()
	k.sentIn = true
	x.LUN, x.ITT, x.Offset = uint64(k.LUN), k.itt, uint32(off)
	x.Data, x.At, x.Len, x.Put, x.Window = data, 0, data.Len(), true, k.memory.In
	return c.m.PutData(x)
}

// ReceiveDataOut implements target.Services.
func (c *Conn) ReceiveDataOut(t *target.Task, off int64, into *buffer.Lease, have int64) {
	taskOf(t).out.receive(off, into, have)
}

// SendResponse implements target.Services.
func (c *Conn) SendResponse(t *target.Task, r *target.Response) bool {
	k := taskOf(t)
	if k.unasked && k.out.withhold(r) {
		return false
	}
	batch, n := r.Batch, int64(pdu.HeaderLen)
	if r.DataIn != nil {
		n += r.DataIn.Len()
	}
	c.respond(k, r)
	if batch != nil {
		batch.Add(c.m, n)
	} else {
		c.m.Flush()
	}
	return true
}

// respond queues the end of a command: the last data-in, and the status with it or behind it.
func (c *Conn) respond(k *task, r *target.Response) {
	k.vacate()
	collapse := r.DataIn != nil && r.Status != scsi.CheckCondition && c.traits.PhaseCollapse
	if data := r.DataIn; data != nil {
		x := &k.last
		x.Status = collapse
		x.SCSI = byte(r.Status)
		x.Overflow, x.Underflow, x.Residual = residual(r.Residual)
		if !c.put(k, x, r.At, data) { // the connection has ended
			c.lastSent(k)
			return
		}
	}
	if !collapse {
		c.status(k, r)
	}
}

// lastSent tells that the data-in is on its way which came with the response.
func (c *Conn) lastSent(k *task) {
	data := k.last.Data
	k.last.Data = nil
	data.Release()
	k.drop() // the transfer's
}

// status queues a SCSI Response (11.4).
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
		b := r.AppendSense(p.Room[:2])
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

// TerminateTransfers implements target.Services.
func (c *Conn) TerminateTransfers(t *target.Task) {
	k := taskOf(t)
	k.hold() // it may end inside
	defer k.drop()
	if !c.traits.RDMA && t.Aborted() {
		k.giveUpPieces()
	}
	k.out.terminate()
}

// Ended implements target.Services.
func (c *Conn) Ended(t *target.Task) {
	k := taskOf(t)
	k.vacate() // if it was aborted
	if k.unasked {
		k.out.end()
	}
	k.drop() // the target's
}

// Overdue implements target.Services: the initiator owes something for which others wait.
func (c *Conn) Overdue(t *target.Task, why error) {
	if c.overdue.Swap(true) {
		return // of its other tasks nothing more is to be said
	}
	c.node.doors.debts.Warn(c.node.log, "connection ended: others wait for the initiator", c.sess.Initiator,
		"remote", c.traits.Remote, "target", c.sess.Target, "lun", t.LUN, "why", why)
	c.m.Terminate(why)
}
