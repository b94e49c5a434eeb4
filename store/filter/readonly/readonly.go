// Package readonly is a filter that lets nobody write.
package readonly

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter"
)

// A Store passes on what reads, and answers [store.ErrReadOnly] to the rest.
type Store struct{ beneath filter.Beneath }

// New returns a filter on s, which it closes with itself.
func New(s store.Store) *Store { return &Store{filter.Over(s)} }

// Unwrap returns the store beneath.
func (s *Store) Unwrap() store.Store { return s.beneath.Store }

// TakesForeign says that leases are passed on, and not looked into.
func (s *Store) TakesForeign() {}

// Info is that of the store beneath, but for ReadOnly.
func (s *Store) Info() store.Info {
	i := s.beneath.Info()
	i.ReadOnly = true
	return i
}

func refuse(what string) error {
	return fmt.Errorf("%s: %w: a filter forbids it", what, store.ErrReadOnly)
}

// ReadAt passes the call on.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	return s.beneath.ReadAt(ctx, into, off)
}

// WriteAt fails with [store.ErrReadOnly].
func (s *Store) WriteAt(context.Context, *buffer.Lease, int64, store.Flags) error {
	return refuse("write")
}

// Flush passes the call on: there may be something from before.
func (s *Store) Flush(ctx context.Context) error { return s.beneath.Flush(ctx) }

// Close closes the store beneath.
func (s *Store) Close() error { return s.beneath.Close() }

// Lend lends for reading.
func (s *Store) Lend(off, n int64, a store.Access) (*buffer.Lease, error) {
	if a != store.ForRead {
		return nil, refuse("lend for writing")
	}
	return s.beneath.Lender.Lend(off, n, a)
}

// TryReadAt passes the call on.
func (s *Store) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	return s.beneath.Tryer.TryReadAt(into, off)
}

// TryWriteAt fails with [store.ErrReadOnly].
func (s *Store) TryWriteAt(*buffer.Lease, int64) (bool, error) { return true, refuse("write") }

// Submit passes on what reads, and flushes; the rest fails with [store.ErrReadOnly].
func (s *Store) Submit(r *store.Request) {
	if r.Op != store.OpRead && r.Op != store.OpFlush {
		r.Done(r, refuse("submitted "+r.Op.String()))
		return
	}
	s.beneath.Submitter.Submit(r)
}

// Cancel passes the call on.
func (s *Store) Cancel(r *store.Request) { s.beneath.Submitter.Cancel(r) }

// Trim fails with [store.ErrReadOnly].
func (s *Store) Trim(context.Context, int64, int64) error { return refuse("trim") }

// Zero fails with [store.ErrReadOnly].
func (s *Store) Zero(context.Context, int64, int64, store.Flags) error { return refuse("zero") }

// Extent passes the call on.
func (s *Store) Extent(ctx context.Context, off, n int64) (store.Extent, error) {
	return s.beneath.Mapper.Extent(ctx, off, n)
}

// CompareAndWrite fails with [store.ErrReadOnly].
func (s *Store) CompareAndWrite(context.Context, *buffer.Lease, *buffer.Lease, int64, store.Flags) error {
	return refuse("compare and write")
}

// Resize passes the call on if it only follows what others have done, and else fails with
// [store.ErrReadOnly].
func (s *Store) Resize(ctx context.Context, size int64) error {
	if size != 0 {
		return refuse("resize")
	}
	return s.beneath.Resizer.Resize(ctx, size)
}

// ResizeLive is as Resize.
func (s *Store) ResizeLive(ctx context.Context, size int64) error {
	if size != 0 {
		return refuse("resize")
	}
	return s.beneath.LiveResizer.ResizeLive(ctx, size)
}
