package store

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/buffer"
)

// A Capability is the value that stands for one of the interfaces below.
type Capability uint8

// Capabilities, and the interface that each stands for.
const (
	Lending             Capability = iota // [Lender]
	Trying                                // [Tryer]
	Submitting                            // [Submitter]
	Trimming                              // [Trimmer]
	Zeroing                               // [Zeroer]
	Mapping                               // [Mapper]
	ComparingAndWriting                   // [CompareWriter]
	Resizing                              // [Resizer]
	ResizingLive                          // [LiveResizer]
	TakingForeign                         // [Foreign]
)

// A Chooser has methods of capabilities that it does not have in every case: how a file was
// opened, say, decides it. Can says which of them it has; the answer does not change while the
// store is open. A store that is no Chooser has the capabilities whose methods it has.
type Chooser interface {
	Can(c Capability) bool
}

// As finds the capability T, one of the interfaces of this package, in s. It is the one way to
// ask: the methods of a store alone say nothing.
//
// A filter can intercept a capability of what lies beneath it, never invent one; and a
// capability that a filter does not implement stops there, so that none ever slips past a filter
// that does not know of it.
func As[T any](s Store) (T, bool) {
	var none T
	have, ok := s.(T)
	if !ok {
		return none, false
	}
	if c, chooses := s.(Chooser); chooses && !chosen[T](c) {
		return none, false
	}
	if f, wraps := s.(Filter); wraps {
		if _, beneath := As[T](f.Unwrap()); !beneath {
			return none, false
		}
	}
	return have, true
}

// chosen asks c for the capability whose interface T is; any other interface it has by its
// methods.
func chosen[T any](c Chooser) bool {
	switch any((*T)(nil)).(type) {
	case *Lender:
		return c.Can(Lending)
	case *Tryer:
		return c.Can(Trying)
	case *Submitter:
		return c.Can(Submitting)
	case *Trimmer:
		return c.Can(Trimming)
	case *Zeroer:
		return c.Can(Zeroing)
	case *Mapper:
		return c.Can(Mapping)
	case *CompareWriter:
		return c.Can(ComparingAndWriting)
	case *Resizer:
		return c.Can(Resizing)
	case *LiveResizer:
		return c.Can(ResizingLive)
	case *Foreign:
		return c.Can(TakingForeign)
	}
	return true
}

// A Filter is a store on another store: same interface in, same interface out.
type Filter interface {
	Store
	Unwrap() Store
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

// A CompareWriter compares and writes in one step, which no other write of the range comes
// between, wherever that is made: also by another client of the place that the store is at. Of
// memory that it has lent it knows nothing.
//
// A store whose bytes only this process changes need not have it: the caller keeps its own
// writes apart.
type CompareWriter interface {
	// CompareAndWrite writes with at off if the store holds there what expect has; both
	// are borrowed and of the same length. If the store holds anything else, nothing is
	// changed and the error is a [MiscompareError].
	CompareAndWrite(ctx context.Context, expect, with *buffer.Lease, off int64, f Flags) error
}

// A Resizer can change its size while it is open.
type Resizer interface {
	// Resize gives the store size bytes, a multiple of 512. 0 makes it take the size that
	// its place has by now: that of a device, or of a file which was made larger by others.
	// What is new reads as zeros, unless others have written there; what is cut off is lost.
	// [ErrNotSupported] says that the place cannot have that size. After an error the size is
	// what Info says.
	//
	// No other call but Info is under way, and nothing is lent. The new size is durable when
	// Resize returns.
	Resize(ctx context.Context, size int64) error
}

// A LiveResizer is a [Resizer] that needs no rest for it.
type LiveResizer interface {
	// ResizeLive is [Resizer.Resize] while other calls are under way, and memory is lent: all of
	// them lie inside of the old size and the new one.
	ResizeLive(ctx context.Context, size int64) error
}

// A Foreign store takes foreign leases ([buffer.Lease.Foreign]) in all of its calls: memory that others change meanwhile, or take away. It leaves it to the kernel to read and
// write that memory, and copies it by package guard where it has to; if the memory is gone the call fails, with ErrForeign, and nothing else happens.
type Foreign interface {
	// TakesForeign says so by being there.
	TakesForeign()
}

// ErrForeign: the memory that a call was to read or write is gone.
var ErrForeign = errors.New("store: the initiator's memory is gone")
