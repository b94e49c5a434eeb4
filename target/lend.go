package target

import "github.com/lunette-io/lunette/buffer"

// A Lender is [Services] of a transport that has the initiator's buffers in memory of this process: they are lent to the device server, and nothing is moved.
// What is lent is foreign ([buffer.Lease.Foreign]): the initiator changes it meanwhile, and it may go away. So it is for those alone who leave it to the kernel
// to read and write it (see store.Foreign).
type Lender interface {
	Services
	// LendDataIn lends n bytes at off of the initiator's data-in buffer, to be filled; nil: they cannot be lent. The lease goes back by SendDataIn or SendResponse for the
	// same offset, which then move nothing, or it is released. All of it is back before the task ends.
	LendDataIn(t *Task, off, n int64) *buffer.Lease
	// LendDataOut lends n bytes at off of what the initiator has filled; nil: they cannot be lent. It is released before the task ends.
	LendDataOut(t *Task, off, n int64) *buffer.Lease
}

// DataInMemory lends memory for n bytes of data-in at off: the initiator's own, if the port lends it, else as [Task.Memory] does. For device servers that leave it to the kernel to fill it.
func (t *Task) DataInMemory(off, n int64) (*buffer.Lease, error) { panic("contract") }

// BorrowDataOut is [Task.ReceiveDataOut] by memory that is the initiator's own, if the port lends it: nothing is copied, and the initiator may change it until the task ends.
func (t *Task) BorrowDataOut(off, n int64, then func(*Task, *buffer.Lease, error)) { panic("contract") }
