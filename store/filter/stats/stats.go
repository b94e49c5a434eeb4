// Package stats is a filter that counts what passes through it.
package stats

import (
	"context"
	"errors"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter"
)

// A Store passes every call on and counts it.
type Store struct {
	beneath filter.Beneath
	shards  []shard
	pool    pool
}

// New returns a filter on s, which it closes with itself.
func New(s store.Store) *Store {
	f := &Store{beneath: filter.Over(s), shards: newShards()}
	f.pool.done = f.ended
	return f
}

// Unwrap returns the store beneath.
func (s *Store) Unwrap() store.Store { return s.beneath.Store }

// TakesForeign says that leases are passed on, and not looked into.
func (s *Store) TakesForeign() {}

// Info is that of the store beneath.
func (s *Store) Info() store.Info { return s.beneath.Info() }

// Close closes the store beneath. What was counted can still be read.
func (s *Store) Close() error { return s.beneath.Close() }

// ReadAt is a Read that may block.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	start := time.Now()
	err := s.beneath.ReadAt(ctx, into, off)
	s.timed(Read, into.Len(), start, err)
	return err
}

// WriteAt is a Write that may block.
func (s *Store) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	start := time.Now()
	err := s.beneath.WriteAt(ctx, from, off, f)
	s.timed(Write, from.Len(), start, err)
	return err
}

// Flush is a Flush.
func (s *Store) Flush(ctx context.Context) error {
	start := time.Now()
	err := s.beneath.Flush(ctx)
	s.timed(Flush, 0, start, err)
	return err
}

// Trim is a Trim.
func (s *Store) Trim(ctx context.Context, off, n int64) error {
	start := time.Now()
	err := s.beneath.Trimmer.Trim(ctx, off, n)
	s.timed(Trim, n, start, err)
	return err
}

// Zero is a Zero.
func (s *Store) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	start := time.Now()
	err := s.beneath.Zeroer.Zero(ctx, off, n, f)
	s.timed(Zero, n, start, err)
	return err
}

// Extent is a Map.
func (s *Store) Extent(ctx context.Context, off, n int64) (store.Extent, error) {
	start := time.Now()
	e, err := s.beneath.Mapper.Extent(ctx, off, n)
	s.timed(Map, e.Len, start, err)
	return e, err
}

// Lend is a Read or a Write of what is lent, without a time: whether the holder uses
// all of it nobody knows.
func (s *Store) Lend(off, n int64, a store.Access) (*buffer.Lease, error) {
	l, err := s.beneath.Lender.Lend(off, n, a)
	op := Read
	if a == store.ForWrite {
		op = Write
	}
	s.count(op, n, err)
	return l, err
}

// TryReadAt is a Read if it is done; else only a miss, since ReadAt follows.
func (s *Store) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	done, err := s.beneath.Tryer.TryReadAt(into, off)
	s.tried(Read, into.Len(), done, err)
	return done, err
}

// TryWriteAt is a Write if it is done; else only a miss, since WriteAt follows.
func (s *Store) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	done, err := s.beneath.Tryer.TryWriteAt(from, off)
	s.tried(Write, from.Len(), done, err)
	return done, err
}

// CompareAndWrite is a Compare, whose bytes are those that were written. A miscompare is no error
// of the store.
func (s *Store) CompareAndWrite(ctx context.Context, expect, with *buffer.Lease, off int64, f store.Flags) error {
	start := time.Now()
	err := s.beneath.CompareWriter.CompareAndWrite(ctx, expect, with, off, f)
	if errors.Is(err, store.ErrMiscompare) {
		s.timed(Compare, 0, start, nil)
	} else {
		s.timed(Compare, with.Len(), start, err)
	}
	return err
}

// Resize passes the call on, uncounted.
func (s *Store) Resize(ctx context.Context, size int64) error {
	return s.beneath.Resizer.Resize(ctx, size)
}

// ResizeLive passes the call on, uncounted.
func (s *Store) ResizeLive(ctx context.Context, size int64) error {
	return s.beneath.LiveResizer.ResizeLive(ctx, size)
}
