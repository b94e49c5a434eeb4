package virtio

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

var _ target.Lender = (*nexus)(nil)

// SendDataIn implements target.Services: the data is in its place when it returns.
func (nx *nexus) SendDataIn(t *target.Task, off int64, data *buffer.Lease) {
	of(t).fill(off, data)
	t.DataInSent()
}

// fill puts data in, which it takes, where it belongs. What was lent is there already.
func (k *request) fill(off int64, data *buffer.Lease) {
	at := iu.ResponseLen + off
	n := data.Len()
	if room := k.WantIn - off; n > room { // what the initiator has no room for
		n = max(room, 0)
		data.Truncate(n)
	}
	var err error
	if !data.Foreign() {
		for i := 0; i < data.Segments() && err == nil; i++ {
			p := data.Segment(i).Mem
			err = k.chain.Write(at, p)
			at += int64(len(p))
		}
	}
	data.Release()
	if err != nil {
		k.fault(err)
		return
	}
	k.written = max(k.written, iu.ResponseLen+off+n)
}

// ReceiveDataOut implements target.Services: the data is there when it returns.
func (nx *nexus) ReceiveDataOut(t *target.Task, off int64, into *buffer.Lease, have int64) {
	t.DataOutReceived(of(t).get(off, into, have))
}

// get fills into[have:] from data-out at off+have.
func (k *request) get(off int64, into *buffer.Lease, have int64) error {
	if err := k.chain.ReadInto(into, have, iu.RequestLen+off+have); err != nil {
		k.fault(err)
		return errGone
	}
	return nil
}

// errGone is the end of a command whose data-out is gone.
var errGone = &target.DataError{Sense: scsi.AbortedCommand(scsi.ASCDataOutBufferError)}

// LendDataIn implements target.Lender.
func (nx *nexus) LendDataIn(t *target.Task, off, n int64) *buffer.Lease {
	x := &of(t).in
	if off < 0 || n <= 0 || n > t.WantIn-off || !x.begin() {
		return nil
	}
	x.k.chain.LendWritable(&x.Lease, x, iu.ResponseLen+off, n)
	return &x.Lease
}

// LendDataOut implements target.Lender.
func (nx *nexus) LendDataOut(t *target.Task, off, n int64) *buffer.Lease {
	x := &of(t).out
	if off < 0 || n <= 0 || n > t.HaveOut-off || !x.begin() {
		return nil
	}
	x.k.chain.LendReadable(&x.Lease, x, iu.RequestLen+off, n)
	return &x.Lease
}

// SendResponse implements target.Services. The chain is given back here, and not when the target has forgotten the task, so that those of a batch can be seen together.
func (nx *nexus) SendResponse(t *target.Task, r *target.Response) bool {
	k := of(t)
	q, n := k.q, int64(iu.ResponseLen)
	if data := r.DataIn; data != nil {
		n += data.Len()
		k.fill(r.At, data)
	}
	x := iu.Response{Status: uint8(r.Status)}
	if r.Residual > 0 {
		x.Residual = uint32(min(r.Residual, 1<<32-1))
	}
	switch {
	case r.Status == scsi.CheckCondition:
		b := r.AppendSense(k.reply[iu.ResponseLen-iu.SenseLen : iu.ResponseLen-iu.SenseLen])
		x.Sense = scsi.CutSense(b, iu.SenseLen)
	case r.Status == scsi.Good && r.Residual < 0:
		x.Code = iu.CodeOverrun
	}
	k.put(&x)
	k.state.Store(answered)
	batch := r.Batch
	if !k.drop() {
		return false // what is lent comes back first
	}
	if batch != nil {
		batch.Add(q.vq, n)
	} else {
		q.returned(n)
	}
	return true
}

// TerminateTransfers implements target.Services: none is ever on its way.
func (nx *nexus) TerminateTransfers(*target.Task) {}

// Ended implements target.Services. A command without an answer was aborted: its driver has it back as one, since it waits for each.
func (nx *nexus) Ended(t *target.Task) {
	k := of(t)
	q := k.q
	if k.state.Load() == answered {
		q.recycle(k)
		return
	}
	k.put(&iu.Response{Code: nx.endCode(t)})
	k.state.Store(dropped)
	if k.drop() {
		q.returned(iu.ResponseLen)
		q.recycle(k)
	}
}

// Overdue implements target.Services: a guest owes nothing, since its data is there.
func (nx *nexus) Overdue(_ *target.Task, why error) { nx.guest.broken(why) }
