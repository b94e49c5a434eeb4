package store

import (
	"context"

	"github.com/lunette-io/lunette/buffer"
)

// An Op is what a [Request] does.
type Op uint8

// What a request can do: each what the method does that is named with it.
const (
	OpRead  Op = iota // ReadAt: fills Data
	OpWrite           // WriteAt: writes Data
	OpFlush           // Flush: of every write that has ended before Submit
	OpTrim            // [Trimmer].Trim, of Len bytes
	OpZero            // [Zeroer].Zero, of Len bytes
)

// String is the name of the operation, in lower case.
func (o Op) String() string {
	switch o {
	case OpRead:
		return "read"
	case OpWrite:
		return "write"
	case OpFlush:
		return "flush"
	case OpTrim:
		return "trim"
	case OpZero:
		return "zero"
	}
	return "unknown request"
}

// Changes reports that the operation changes what the store holds.
func (o Op) Changes() bool { return o == OpWrite || o == OpTrim || o == OpZero }

// A Request is a call that ends later. The caller makes it once and uses it again and
// again: a call allocates nothing. From Submit to Done it belongs to the store, and the store
// borrows Data.
type Request struct {
	Op    Op
	Flags Flags         // of a write, or of zeros
	Off   int64         // in bytes
	Data  *buffer.Lease // of a read or a write: all of it is moved, or the call fails
	Len   int64         // of a trim or of zeros, in bytes
	// Context is that of the call: when it has ended the request may end early. The store
	// looks at it between steps, and when it is told to: see [Submitter.Cancel]. nil is a
	// request that nobody cancels.
	Context context.Context
	// Done is called once, with what the method would have returned: before Submit
	// returns or later, on a goroutine of the store, which must not be kept waiting.
	Done func(r *Request, err error)
	// Owner is for the caller.
	Owner any
	// Batch is nil when r is submitted. The store may set it before Done: r is one of several
	// that end now.
	Batch *Batch

	// Link and Moved are for the store.
	Link  *Request
	Moved int64
}

// Size is how many bytes the request is about.
func (r *Request) Size() int64 {
	if r.Data != nil {
		return r.Data.Len()
	}
	return r.Len
}

// Ctx is the context of the request; where there is none, one that never ends.
func (r *Request) Ctx() context.Context {
	if r.Context == nil {
		return context.Background()
	}
	return r.Context
}

// Canceled is the error of the request's context: not nil when nobody waits for the request any
// more.
func (r *Request) Canceled() error {
	if r.Context == nil {
		return nil
	}
	return r.Context.Err()
}

// A Submitter starts calls that wait for storage, and does not wait itself. It is worth asking
// when a Tryer would have waited, or where there is none: the methods that block do the same
// work for a goroutine that waits.
type Submitter interface {
	// Submit starts r. It takes every Op whose method the store has; to what it cannot do
	// the answer is [ErrNotSupported]. It looks at the context of r when Cancel can find r,
	// so that it misses none that ends meanwhile. Everything that was submitted has ended
	// before Close is called.
	Submit(r *Request)

	// Cancel tells the store that the context of r has ended, so that it may end r soon. It
	// is a hint: r ends by Done, once, with or without an error, and its memory is borrowed
	// until then. Where the storage cannot take back what it has begun, r ends when that
	// does.
	//
	// Cancel may be called on any goroutine, also when r has not been submitted yet or has
	// just ended: then it does nothing. But r is not changed, nor submitted again, before
	// Cancel has returned. It does not wait, and it never calls Done itself.
	Cancel(r *Request)
}
