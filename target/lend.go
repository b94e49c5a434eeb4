package target

import "github.com/lunette-io/lunette/buffer"

// A Lender is [Services] of a transport that has the initiator's buffers in memory of this process: they are lent to the device server, and nothing is moved.
// What is lent is foreign ([buffer.Lease.Foreign]): the initiator changes it meanwhile, and it may go away. So it is for those alone who leave it to the kernel
// to read and write it (see store.Foreign). [Task.First] is never foreign.
//
// Of a task one lease of each direction is out at a time, and both are back before it ends: by SendDataIn or SendResponse, or released. So the transport can have them in
// what it keeps for the task, and knows them again by their addresses.
type Lender interface {
	Services
	// LendDataIn lends n bytes at off of the initiator's data-in buffer, to be filled; nil: they cannot be lent. The lease goes back by SendDataIn or SendResponse for the
	// same offset, perhaps truncated, which then move nothing, or it is released: then what it was filled with means nothing.
	LendDataIn(t *Task, off, n int64) *buffer.Lease
	// LendDataOut lends n bytes at off of what the initiator has filled; nil: they cannot be lent. The lease is released.
	LendDataOut(t *Task, off, n int64) *buffer.Lease
}

// LendDataIn lends n bytes at off of the initiator's own data-in buffer, to be filled, and then to be taken by SendDataIn or Respond for the same offset, or
// released: then it has what it has, and the initiator is told of an error. One lease at a time is lent. nil: the port does not lend it; [Task.Memory] does. It is
// for device servers that leave it to the kernel to fill it.
func (t *Task) LendDataIn(off, n int64) *buffer.Lease {
	if l := t.channel.lender; l != nil && n <= t.WantIn-off {
		return l.LendDataIn(t, off, n)
	}
	return nil
}

// BorrowDataOut is [Task.ReceiveDataOut] by memory that is the initiator's own, if the port lends it: nothing is copied, and the initiator may change it until the
// task ends. Such data waits for no budget: it is there, and takes no memory. If the port does not lend it, this is ReceiveDataOut, and what comes is not foreign.
func (t *Task) BorrowDataOut(off, n int64, then func(*Task, *buffer.Lease, error)) {
	l := t.lentDataOut(off, n)
	if l == nil {
		t.ReceiveDataOut(off, n, then)
		return
	}
	f := &t.transfer
	f.off, f.n, f.into, f.landing, f.then = off, n, l, false, then
	if t.Aborted() {
		t.dataOutEnds(ErrAborted)
		return
	}
	t.await()
	t.DataOutReceived(nil)
}

// lentDataOut is data-out in the initiator's memory, or nil.
func (t *Task) lentDataOut(off, n int64) *buffer.Lease {
	lender := t.channel.lender
	if lender == nil {
		return nil
	}
	l := lender.LendDataOut(t, off, n)
	if l != nil && t.firstLen > off { // what came along is not needed any more
		t.taken.Store(max(t.taken.Load(), off+n))
	}
	return l
}
