// Package store says what a place for bytes can do; its folders are such places.
//
// A store knows bytes and offsets. It never sees a CDB, a logical unit or sense.
package store

import (
	"context"
	"errors"
	"io"

	"github.com/lunette-io/lunette/buffer"
)

// Errors that a device maps to sense data; anything else is a medium error. Stores
// wrap them with what they know (path, offset, the system's error).
var (
	ErrOutOfSpace   = errors.New("out of space")
	ErrReadOnly     = errors.New("read only")
	ErrMedium       = errors.New("medium error")
	ErrMiscompare   = errors.New("miscompare")
	ErrNotSupported = errors.New("not supported")
	ErrClosed       = errors.New("store closed")
)

// Info describes a store. It does not change while the store is open, except Size
// of a store that is a [Resizer].
type Info struct {
	Size          int64 // bytes
	PhysicalBlock int   // bytes: the unit that is written without a read; a power of two
	ReadOnly      bool
	Volatile      bool // contents do not survive the process: Flush has nothing to do
	Cached        bool // writes are durable only after Flush or with FUA
	Rotational    bool
	// Granularity and Alignment of Trim, in bytes; 0 when there is no Trimmer.
	Granularity, Alignment int64
	// Concurrency is how many calls that block are worth having at a time.
	Concurrency int
}

// Flags of a write.
type Flags uint8

const (
	// FUA: the data is durable when the call returns without an error.
	FUA Flags = 1 << iota
	// MayTrim lets Zero give the space back instead of writing zeros.
	MayTrim
)

// A Store is the least that a backing store can do. Offsets and lengths are inside
// Info().Size: the caller has checked. All methods may be called by many goroutines
// at a time; Close after the last of them has returned. Calls may block on storage,
// never on a network peer of ours. A canceled ctx may end a call early.
type Store interface {
	Info() Info
	// ReadAt fills into, which it borrows, from off. It fills all of it or fails.
	ReadAt(ctx context.Context, into *buffer.Lease, off int64) error
	// WriteAt writes from, which it borrows, at off. After an error any part of
	// the range may have been written, and nothing outside it.
	WriteAt(ctx context.Context, from *buffer.Lease, off int64, f Flags) error
	// Flush makes every write that has returned before it durable.
	Flush(ctx context.Context) error
	io.Closer
}

// Access says what a lent range is for.
type Access uint8

// What a lent range can be for.
const (
	ForRead Access = iota
	ForWrite
)

// A Lender has its bytes in memory and lends that memory itself: reading the lease
// reads the store, filling a lease that was lent ForWrite writes it. The caller
// releases it. Whoever writes keeps two writers of one range apart if it cares.
type Lender interface {
	Lend(off, n int64, a Access) (*buffer.Lease, error)
}

// A Tryer does what can be done without waiting for storage. done is false, with
// nothing changed, when the call would wait (or cannot tell): use ReadAt or WriteAt.
type Tryer interface {
	TryReadAt(into *buffer.Lease, off int64) (done bool, err error)
	TryWriteAt(from *buffer.Lease, off int64) (done bool, err error)
}

// An Op is what a [Request] does.
type Op uint8

// What a request can do.
const (
	OpRead  Op = iota // fills Data
	OpWrite           // writes Data
)

// A Request is a call that ends later. The caller makes it once and uses it again and
// again: a call allocates nothing. From Submit to Done it is the store's, and the store
// borrows Data.
type Request struct {
	Op    Op
	Flags Flags         // of a write
	Off   int64         // bytes
	Data  *buffer.Lease // all of it is moved, or the call fails
	// Done is called once, with what ReadAt or WriteAt would have returned: before Submit
	// returns or later, on a goroutine of the store, which must not be kept waiting.
	Done func(r *Request, err error)
	// Owner is the caller's.
	Owner any
	// Run is nil when r is submitted. The store may set it before Done: r is one of several
	// that end now.
	Run *Run

	// Link and Moved are the store's.
	Link  *Request
	Moved int64
}

// A Submitter starts reads and writes that wait for storage, and does not wait itself.
// It is worth asking when a Tryer would have waited, or where there is none: ReadAt and
// WriteAt do the same work for a goroutine that waits.
type Submitter interface {
	// Submit starts r. Everything that was submitted has ended before Close is called.
	Submit(r *Request)
}

// A Trimmer gives space back. The range reads as zeros afterwards.
type Trimmer interface {
	Trim(ctx context.Context, off, n int64) error
}

// A Zeroer writes zeros faster than WriteAt would.
type Zeroer interface {
	Zero(ctx context.Context, off, n int64, f Flags) error
}

// An Extent is a range of one kind: with data, or without (it reads as zeros).
type Extent struct {
	Off, Len int64
	Mapped   bool
}

// A Mapper knows which ranges hold data.
type Mapper interface {
	// Extent returns the extent that off lies in, from off on: no longer than n,
	// and at least one byte.
	Extent(ctx context.Context, off, n int64) (Extent, error)
}

// A Resizer can grow or shrink while it is open. Resized yields the new size; the
// channel is closed with the store.
type Resizer interface {
	Resized() <-chan int64
}

// A Filter is a store on another store: same interface in, same interface out.
type Filter interface {
	Store
	Unwrap() Store
}

// As finds the capability T in s. A filter can intercept a capability of what lies
// beneath it, never invent one; and a capability that a filter does not implement
// stops there, so that none ever slips past a filter that does not know of it.
func As[T any](s Store) (T, bool) {
	var none T
	c, ok := s.(T)
	if !ok {
		return none, false
	}
	if f, wraps := s.(Filter); wraps {
		if _, beneath := As[T](f.Unwrap()); !beneath {
			return none, false
		}
	}
	return c, true
}
