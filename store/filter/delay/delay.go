// Package delay is a filter that takes its time, as slow storage would.
package delay

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter"
)

// Latency is how long an operation takes at least: Fixed, and a random part of Jitter.
type Latency struct{ Fixed, Jitter time.Duration }

// Config has a latency for each kind of operation.
type Config struct{ Read, Write, Flush, Trim, Zero Latency }

// A Store waits, then passes the call on. A canceled context ends the wait, and then
// the store beneath is not called. It lends nothing: nobody would wait for that;
// and it has no Submit, so that a goroutine of the caller waits.
type Store struct {
	beneath filter.Beneath
	cfg     Config
}

// New returns a filter on s, which it closes with itself.
func New(s store.Store, cfg Config) *Store { return &Store{filter.Over(s), cfg} }

// wait returns the error of ctx if that ends first.
func (l Latency) wait(ctx context.Context) error {
	d := l.Fixed
	if l.Jitter > 0 {
		d += rand.N(l.Jitter)
	}
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Unwrap returns the store beneath.
func (s *Store) Unwrap() store.Store { return s.beneath.Store }

// TakesForeign says that leases are passed on, and not looked into.
func (s *Store) TakesForeign() {}

// Info is that of the store beneath.
func (s *Store) Info() store.Info { return s.beneath.Info() }

// ReadAt waits and passes the call on.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	if err := s.cfg.Read.wait(ctx); err != nil {
		return err
	}
	return s.beneath.ReadAt(ctx, into, off)
}

// WriteAt waits and passes the call on.
func (s *Store) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	if err := s.cfg.Write.wait(ctx); err != nil {
		return err
	}
	return s.beneath.WriteAt(ctx, from, off, f)
}

// Flush waits and passes the call on.
func (s *Store) Flush(ctx context.Context) error {
	if err := s.cfg.Flush.wait(ctx); err != nil {
		return err
	}
	return s.beneath.Flush(ctx)
}

// Close closes the store beneath, at once.
func (s *Store) Close() error { return s.beneath.Close() }

// TryReadAt passes the call on if reading takes no time here.
func (s *Store) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	if s.cfg.Read != (Latency{}) {
		return false, nil
	}
	return s.beneath.Tryer.TryReadAt(into, off)
}

// TryWriteAt passes the call on if writing takes no time here.
func (s *Store) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	if s.cfg.Write != (Latency{}) {
		return false, nil
	}
	return s.beneath.Tryer.TryWriteAt(from, off)
}

// Trim waits and passes the call on.
func (s *Store) Trim(ctx context.Context, off, n int64) error {
	if err := s.cfg.Trim.wait(ctx); err != nil {
		return err
	}
	return s.beneath.Trimmer.Trim(ctx, off, n)
}

// Zero waits and passes the call on.
func (s *Store) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	if err := s.cfg.Zero.wait(ctx); err != nil {
		return err
	}
	return s.beneath.Zeroer.Zero(ctx, off, n, f)
}

// Extent passes the call on, at once.
func (s *Store) Extent(ctx context.Context, off, n int64) (store.Extent, error) {
	return s.beneath.Mapper.Extent(ctx, off, n)
}

// CompareAndWrite takes the time of a read and that of a write, and passes the call on.
func (s *Store) CompareAndWrite(ctx context.Context, expect, with *buffer.Lease, off int64, f store.Flags) error {
	if err := s.cfg.Read.wait(ctx); err != nil {
		return err
	}
	if err := s.cfg.Write.wait(ctx); err != nil {
		return err
	}
	return s.beneath.CompareWriter.CompareAndWrite(ctx, expect, with, off, f)
}

// Resize passes the call on, at once.
func (s *Store) Resize(ctx context.Context, size int64) error {
	return s.beneath.Resizer.Resize(ctx, size)
}

// ResizeLive passes the call on, at once.
func (s *Store) ResizeLive(ctx context.Context, size int64) error {
	return s.beneath.LiveResizer.ResizeLive(ctx, size)
}
