package fcp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// of is FCP's side of a task of the target.
func of(t *target.Task) *task { return t.Private.(*task) }

// SendDataIn implements target.Services: a sequence of FCP_DATA ahead of the response.
func (c *channel) SendDataIn(t *target.Task, off int64, data *buffer.Lease) {
	k := of(t)
	k.mu.Lock()
	posted := !k.Aborted() && k.postData(k.piece(), off, data)
	k.mu.Unlock()
	if !posted {
		data.Release()
		k.DataInSent()
		return
	}
	c.flush()
}

// ReceiveDataOut implements target.Services: FCP_XFER_RDY, when it is its turn.
func (c *channel) ReceiveDataOut(t *target.Task, off int64, into *buffer.Lease, have int64) {
	k := of(t)
	err, share := target.ErrAborted, int64(0)
	k.mu.Lock()
	if !k.Aborted() && k.state == open {
		share, err = k.receive(off, into, have)
	}
	k.mu.Unlock()
	if err != nil {
		k.DataOutReceived(err)
		c.asks.give(c, share)
		return
	}
	c.flush()
}

// TerminateTransfers implements target.Services. What the network has taken already is sent or given back: that is never long.
func (c *channel) TerminateTransfers(t *target.Task) {
	k := of(t)
	k.mu.Lock()
	if !k.Aborted() { // its response has its place: all of it goes
		k.mu.Unlock()
		return
	}
	k.hold() // the task ends in here, perhaps
	k.cancel()
	pending, share := k.stopReceiving()
	k.mu.Unlock()
	if pending {
		k.DataOutReceived(target.ErrAborted)
	}
	c.asks.give(c, share)
	c.flush() // gives back what is cancelled
	k.drop()
}

// Ended implements target.Services.
func (c *channel) Ended(t *target.Task) {
	k := of(t)
	k.mu.Lock()
	k.with = false
	k.mu.Unlock()
	k.drop()
}

// SendResponse implements target.Services: the last data-in and FCP_RSP, which leave one behind the other and behind all that was
// posted before. So the response has its place at once. What is lent goes on being lent until it has been sent.
func (c *channel) SendResponse(t *target.Task, r *target.Response) bool {
	k := of(t)
	data, n := r.DataIn, int64(iu.MaxResponseLen)
	k.mu.Lock()
	answers := k.state == open
	if answers {
		if data != nil {
			n += data.Len()
			k.lastAt = r.At
			if k.postData(&k.last, r.At, data) {
				data = nil
			}
		}
		k.put(r)
		k.placed(k.wantsConfirm(r))
	}
	k.mu.Unlock()
	if data != nil {
		data.Release()
	}
	if answers {
		k.wire.Finish()
	}
	if r.Batch != nil {
		r.Batch.Add(c.port, n)
	} else {
		c.flush()
	}
	return true
}

// put writes the response. k.mu is held.
func (k *task) put(r *target.Response) {
	x := iu.Response{Status: uint8(r.Status), Residual: k.residual(r)}
	if r.Status == scsi.CheckCondition {
		b := r.AppendSense(k.head[:iu.ResponseLen])
		x.Sense = scsi.CutSense(b[iu.ResponseLen:], iu.MaxResponseLen-iu.ResponseLen-iu.InfoLen)
	}
	k.rsp.Head = x.Append(k.head[:0])
}

// residual is FCP_RESID, above zero an underrun: FCP counts what was moved in FCP_DATA (FCP-4 9.4.8), and SAM-5 what the
// command moves. They differ for a command that fails after its data was moved: hosts compare with what they have seen.
func (k *task) residual(r *target.Response) int64 {
	if r.Status == scsi.Good {
		return r.Residual
	}
	return min(r.Residual, k.WantIn+k.HaveOut-k.sent-k.taken)
}

// placed posts the response, which is in its place, as one that asks for FCP_CONF or not. k.mu is held.
func (k *task) placed(confirm bool) {
	k.answer, k.state = true, kept
	k.confirming = confirm
	k.rsp.Header = fc.Header{RCtl: fc.RCtlStatus, Type: fc.TypeFCP, FCtl: fc.FCtlEndSequence | fc.FCtlLastSequence}
	if confirm {
		k.rsp.Header.FCtl = fc.FCtlEndSequence | fc.FCtlSequenceInitiative
		k.rsp.Head[flagsAt] |= flagConfirm
	}
	if !k.post(&k.rsp) {
		k.state = let
	}
}

// Where the flags of an FCP_RSP are, and FCP_CONF_REQ in them.
const (
	flagsAt     = 10
	flagConfirm = 0x10
)
