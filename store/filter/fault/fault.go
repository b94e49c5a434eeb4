// Package fault is a filter that fails by rule, to test what relies on a store.
package fault

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter"
)

// A Store passes calls on, but for those that its rules make fail. It has no Submit: calls
// that wait do the same, and fail in an order that a test can rely on.
type Store struct {
	beneath filter.Beneath
	state   state
}

// New returns a filter on s, which it closes with itself. The same seed, rules and
// order of calls give the same failures.
func New(s store.Store, seed uint64, rules ...Rule) *Store {
	f := &Store{beneath: filter.Over(s)}
	f.state.rand = rand.New(rand.NewPCG(seed, 0))
	f.state.set(rules)
	return f
}

// Set replaces the rules, and counts from 0 again. Calls that have begun are not
// affected.
func (s *Store) Set(rules ...Rule) { s.state.set(rules) }

// Hits says how many calls each rule has made fail.
func (s *Store) Hits() []int64 {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	return append([]int64(nil), s.state.hits...)
}

// apply makes the call do, unless a rule says otherwise.
func (s *Store) apply(what string, op Op, off, n int64, do func() error) error {
	late, err := s.state.judge(op, off, n)
	if err == nil {
		return do()
	}
	if late {
		if done := do(); done != nil {
			return done
		}
	}
	return fmt.Errorf("%s %d bytes at %d: %w: injected", what, n, off, err)
}

// Unwrap returns the store beneath.
func (s *Store) Unwrap() store.Store { return s.beneath.Store }

// TakesForeign says that leases are passed on, and not looked into.
func (s *Store) TakesForeign() {}

// Info is that of the store beneath.
func (s *Store) Info() store.Info { return s.beneath.Info() }

// ReadAt is a Read.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	return s.apply("read", Read, off, into.Len(), func() error { return s.beneath.ReadAt(ctx, into, off) })
}

// WriteAt is a Write.
func (s *Store) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	return s.apply("write", Write, off, from.Len(), func() error { return s.beneath.WriteAt(ctx, from, off, f) })
}

// Flush is a Flush.
func (s *Store) Flush(ctx context.Context) error {
	return s.apply("flush", Flush, 0, s.Info().Size, func() error { return s.beneath.Flush(ctx) })
}

// Close closes the store beneath.
func (s *Store) Close() error { return s.beneath.Close() }

// Lend is a Read or a Write. Late means nothing here: what was not lent is not used.
func (s *Store) Lend(off, n int64, a store.Access) (l *buffer.Lease, err error) {
	op := Read
	if a == store.ForWrite {
		op = Write
	}
	err = s.apply("lend", op, off, n, func() (err error) {
		l, err = s.beneath.Lender.Lend(off, n, a)
		return err
	})
	if err != nil && l != nil {
		l.Release()
		l = nil
	}
	return l, err
}

// TryReadAt is a Read. If it cannot be done without waiting, ReadAt follows, which
// counts again.
func (s *Store) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	return s.try("read", Read, into, off, s.beneath.Tryer.TryReadAt)
}

// TryWriteAt is a Write, like TryReadAt.
func (s *Store) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	return s.try("write", Write, from, off, s.beneath.Tryer.TryWriteAt)
}

func (s *Store) try(what string, op Op, l *buffer.Lease, off int64, do func(*buffer.Lease, int64) (bool, error)) (bool, error) {
	done := true
	err := s.apply(what, op, off, l.Len(), func() (err error) {
		done, err = do(l, off)
		return err
	})
	// A late failure of what was not done is one all the same: nothing has changed.
	return done || err != nil, err
}

// Trim is a Trim.
func (s *Store) Trim(ctx context.Context, off, n int64) error {
	return s.apply("trim", Trim, off, n, func() error { return s.beneath.Trimmer.Trim(ctx, off, n) })
}

// Zero is a Zero.
func (s *Store) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	return s.apply("zero", Zero, off, n, func() error { return s.beneath.Zeroer.Zero(ctx, off, n, f) })
}

// Extent is a Map.
func (s *Store) Extent(ctx context.Context, off, n int64) (e store.Extent, err error) {
	err = s.apply("map", Map, off, n, func() (err error) {
		e, err = s.beneath.Mapper.Extent(ctx, off, n)
		return err
	})
	return e, err
}

// CompareAndWrite is a Compare.
func (s *Store) CompareAndWrite(ctx context.Context, expect, with *buffer.Lease, off int64, f store.Flags) error {
	return s.apply("compare and write", Compare, off, with.Len(), func() error {
		return s.beneath.CompareWriter.CompareAndWrite(ctx, expect, with, off, f)
	})
}

// Resize is a Resize, which touches everything.
func (s *Store) Resize(ctx context.Context, size int64) error {
	return s.apply("resize", Resize, 0, s.Info().Size, func() error { return s.beneath.Resizer.Resize(ctx, size) })
}

// ResizeLive is a Resize.
func (s *Store) ResizeLive(ctx context.Context, size int64) error {
	return s.apply("resize", Resize, 0, s.Info().Size, func() error { return s.beneath.LiveResizer.ResizeLive(ctx, size) })
}
