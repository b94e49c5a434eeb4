package srp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// of is SRP's side of a task of the target.
func of(t *target.Task) *task { return t.Private.(*task) }

// SendDataIn implements target.Services: RDMA Writes ahead of the response.
func (c *channel) SendDataIn(t *target.Task, off int64, data *buffer.Lease) {
	k := of(t)
	k.mu.Lock()
	if !k.Aborted() {
		x := k.piece()
		x.start(data, 0, off)
		data, _ = x.take() // at once, if the connection has ended
	}
	k.mu.Unlock()
	if data != nil {
		data.Release()
		k.DataInSent()
		return
	}
	c.link.conn.Flush()
}

// ReceiveDataOut implements target.Services: RDMA Reads. Immediate data is all in Task.First.
func (c *channel) ReceiveDataOut(t *target.Task, off int64, into *buffer.Lease, have int64) {
	k := of(t)
	err := target.ErrAborted
	k.mu.Lock()
	if !k.Aborted() {
		k.get.start(into, have, off+have)
		into, err = k.get.take() // at once, if the connection has ended, or the initiator has no more
	}
	k.mu.Unlock()
	if into != nil {
		k.DataOutReceived(err)
		return
	}
	c.link.conn.Flush()
}

// TerminateTransfers implements target.Services. A Read that the initiator has been asked for cannot
// be stopped: then the device server hears of the abort when that has ended. Nor can a Write.
func (c *channel) TerminateTransfers(t *target.Task) {
	k := of(t)
	k.refs.Add(1) // the task ends in here, perhaps
	k.mu.Lock()
	if k.answer == waiting {
		k.answer = withdrawn
		k.settled.Store(true)
	}
	// The response of a task that was not aborted may be just coming: then all of its data goes too.
	if k.answer == withdrawn || k.Aborted() {
		k.stopDataIn()
		k.get.cancel()
	}
	into, err := k.get.take()
	k.mu.Unlock()
	if into != nil {
		k.DataOutReceived(err)
	}
	k.drop()
}

// Ended implements target.Services.
func (c *channel) Ended(t *target.Task) {
	k := of(t)
	if k.Aborted() || k.answer == withdrawn { // nobody changes that any more
		c.requests.drop(k.tag)
		c.giveCredits()
	}
	k.drop()
}

// SendResponse implements target.Services. It always reports that the response waits: the task ends
// when all that was posted for it has left, since until then the initiator's memory is in use, and
// another channel of the nexus may ask for its end.
func (c *channel) SendResponse(t *target.Task, r *target.Response) bool {
	of(t).respond(r)
	return false
}

// respond ends a command: the last data-in, and the response as soon as all data-in is posted. It
// takes r.DataIn.
func (k *task) respond(r *target.Response) {
	conn, batch, data := k.c.link.conn, r.Batch, r.DataIn
	n := int64(iu.ResponseLen)
	k.refs.Add(1)
	k.mu.Lock()
	k.put(r)
	if data != nil {
		n += data.Len()
		k.last.start(data, 0, r.At)
		data, _ = k.last.take() // at once, if the connection has ended
	}
	k.answer = waiting
	k.conclude()
	k.mu.Unlock()
	if data != nil {
		data.Release()
	}
	k.drop() // before the response leaves: its end must not wait for us
	if batch != nil {
		batch.Add(conn, n)
	} else {
		conn.Flush()
	}
}

// put writes the response; its request limit delta comes when it is posted. k.mu is held.
func (k *task) put(r *target.Response) {
	x := iu.Response{Solicited: k.notify.Wants(r.Status == scsi.Good), Tag: k.tag, Status: uint8(r.Status)}
	x.OutResidual, x.InResidual = residuals(r.Residual, k.HaveOut, k.WantIn)
	if r.Status == scsi.CheckCondition {
		b := r.AppendSense(k.head[:iu.ResponseLen])
		x.Sense = scsi.CutSense(b[iu.ResponseLen:], maxOut-iu.ResponseLen)
	}
	k.send.Head = x.Append(k.head[:0])
	k.send.Solicited = x.Solicited
}

// residuals are the two that SRP has, of the one that SAM-5 has: what is left over of a command with
// two buffers is of the data-in buffer first.
func residuals(n, out, in int64) (int64, int64) {
	switch {
	case in == 0 && out > 0:
		return n, 0
	case n > in:
		return n - in, in
	}
	return 0, n
}

// conclude posts the response if there is one and nothing has to be posted before it. It reports
// that it has. The caller has a reference to the task. k.mu is held.
func (k *task) conclude() bool {
	if k.answer != waiting || !k.allPosted() {
		return false
	}
	k.answer = placed
	iu.SetDelta(k.send.Head, k.c.requests.answer(k.tag))
	k.settled.Store(k.refusal == nil) // the target does not know a command that was refused
	k.refs.Add(1)
	if !k.c.link.conn.Post(&k.send) {
		k.refs.Add(-1)
		return false
	}
	return true
}
