// Package store says what a place for bytes can do; its folders are such places.
//
// A store knows bytes and offsets. It never sees a CDB, a logical unit or sense. Its bytes may
// lie in memory, on a disk, or behind a network of which the store is a client: then calls take
// as long as that network does, and end early when their context does.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lunette-io/lunette/buffer"
)

// Errors that a device maps to sense data; anything else is a medium error. Stores
// wrap them with what they know (path, offset, the system's error).
var (
	ErrOutOfSpace   = errors.New("out of space")
	ErrReadOnly     = errors.New("read only")
	ErrMedium       = errors.New("medium error")
	ErrNotSupported = errors.New("not supported")
	ErrClosed       = errors.New("store closed")
	// ErrMiscompare is the answer of a [CompareWriter]; a [MiscompareError] says where.
	ErrMiscompare = errors.New("miscompare")
	// ErrUnavailable says that the store cannot be reached for now: a path is down, a cluster
	// has no quorum. The data is not lost, and the same call may succeed later. After a change
	// that ended with it, any part of the range may have changed, as after any error.
	ErrUnavailable = errors.New("unavailable for now")
)

// A MiscompareError says where the store first differs from what was expected. It is an
// [ErrMiscompare].
type MiscompareError struct {
	At int64 // in bytes from the start of the range
}

func (e *MiscompareError) Error() string { return fmt.Sprintf("%v at byte %d", ErrMiscompare, e.At) }

// Is makes it an ErrMiscompare.
func (e *MiscompareError) Is(target error) bool { return target == ErrMiscompare }

// Info describes a store. Nothing in it changes while the store is open, but for Size, which
// only [Resizer.Resize] changes.
type Info struct {
	Size          int64 // bytes
	PhysicalBlock int   // bytes: the unit that is written without a read; a power of two
	ReadOnly      bool
	Volatile      bool // contents do not survive the process: Flush has nothing to do
	Cached        bool // writes are durable only after Flush or with FUA
	Rotational    bool
	// Granularity and Alignment of Trim, in bytes; 0 when the store is no [Trimmer].
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
// Info().Size and multiples of 512 bytes: the caller has checked. All methods may be called by
// many goroutines at a time; Close after the last of them has returned. Calls may block, on
// storage or on the network that leads to it.
//
// A call whose context ends may end early, with an error that wraps that of the context; it
// ends early where it would otherwise wait for something that may never come. What it was to
// change may then have been changed in part. A lease that it borrowed is the caller's again when
// it returns, whatever the reason.
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
