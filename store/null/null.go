// Package null is a store that forgets, to measure everything but storage.
package null

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// Config says what Open makes.
type Config struct {
	Size int64 // bytes, a positive multiple of 512
}

// region is the most that one lease is lent in one piece.
const region = 16 << 20

// A Store reads as zeros, and discards what is written. It is safe for concurrent use.
type Store struct {
	size   atomic.Int64
	zeros  []byte // may only be read: a write to it is a fault
	waste  []byte // shared by all that are lent memory to write
	leases buffer.Pool
	closed atomic.Bool
}

// Open returns a store of cfg.Size bytes, which takes no space.
func Open(cfg Config) (*Store, error) {
	if cfg.Size <= 0 || cfg.Size%512 != 0 {
		return nil, fmt.Errorf("null: size %d is not a positive multiple of 512 bytes", cfg.Size)
	}
	zeros, err := unix.Mmap(-1, 0, region, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("null: cannot map %d bytes: %w", region, err)
	}
	waste, err := unix.Mmap(-1, 0, region, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("null: cannot map %d bytes: %w", region, err), unix.Munmap(zeros))
	}
	s := &Store{zeros: zeros, waste: waste}
	s.size.Store(cfg.Size)
	return s, nil
}

// Info describes the store.
func (s *Store) Info() store.Info {
	return store.Info{Size: s.size.Load(), PhysicalBlock: 512, Volatile: true, Granularity: 512, Concurrency: 1}
}

// check refuses what is outside the store, and everything after Close.
func (s *Store) check(off, n int64) error {
	if s.closed.Load() {
		return fmt.Errorf("null: %w", store.ErrClosed)
	}
	if off < 0 || n < 0 || off > s.size.Load()-n {
		return fmt.Errorf("null: %d bytes at %d are outside the store of %d bytes", n, off, s.size.Load())
	}
	return nil
}

// TryReadAt clears into.
func (s *Store) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	err := s.check(off, into.Len())
	if err == nil {
		into.Clear(0, into.Len())
	}
	return true, err
}

// TryWriteAt does nothing.
func (s *Store) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	return true, s.check(off, from.Len())
}

// ReadAt clears into.
func (s *Store) ReadAt(_ context.Context, into *buffer.Lease, off int64) error {
	_, err := s.TryReadAt(into, off)
	return err
}

// WriteAt does nothing.
func (s *Store) WriteAt(_ context.Context, from *buffer.Lease, off int64, _ store.Flags) error {
	return s.check(off, from.Len())
}

// Flush does nothing.
func (s *Store) Flush(context.Context) error { return s.check(0, 0) }

// Trim does nothing.
func (s *Store) Trim(_ context.Context, off, n int64) error { return s.check(off, n) }

// Zero does nothing.
func (s *Store) Zero(_ context.Context, off, n int64, _ store.Flags) error { return s.check(off, n) }

// Extent says that nothing is mapped.
func (s *Store) Extent(_ context.Context, off, n int64) (store.Extent, error) {
	return store.Extent{Off: off, Len: n}, s.check(off, n)
}

// Resize changes the number of bytes that the store takes and forgets.
func (s *Store) Resize(_ context.Context, size int64) error {
	if err := s.check(0, 0); err != nil {
		return err
	}
	switch {
	case size == 0:
		return nil
	case size < 0 || size%512 != 0:
		return fmt.Errorf("null: resize: %w: %d is not a positive multiple of 512 bytes", store.ErrNotSupported, size)
	}
	s.size.Store(size)
	return nil
}

// ResizeLive is Resize: there is nothing but the size.
func (s *Store) ResizeLive(ctx context.Context, size int64) error { return s.Resize(ctx, size) }

// Lend lends zeros to read, and to write memory that everyone writes over. Up to
// 16 MiB it is one piece and there is no allocation.
func (s *Store) Lend(off, n int64, a store.Access) (*buffer.Lease, error) {
	if err := s.check(off, n); err != nil {
		return nil, err
	}
	mem := s.zeros
	if a == store.ForWrite {
		mem = s.waste
	}
	if n <= region {
		return s.leases.Get(s, buffer.Segment{Mem: mem[:n:n]}), nil
	}
	l := s.leases.Get(s, buffer.Segment{})
	var segs []buffer.Segment
	for ; n > 0; n -= region {
		segs = append(segs, buffer.Segment{Mem: mem[:min(n, region)]})
	}
	l.Init(s, segs...)
	return l, nil
}

// Reclaim takes a lent lease back; it is called by [buffer.Lease.Release].
func (s *Store) Reclaim(l *buffer.Lease) { s.leases.Put(l) }

// Close gives the memory back. While leases are lent it fails and changes nothing;
// closing a closed store does nothing.
func (s *Store) Close() error {
	if n := s.leases.Outstanding(); n != 0 {
		return fmt.Errorf("null: cannot close: %d leases are not released", n)
	}
	if s.closed.Swap(true) {
		return nil
	}
	return errors.Join(unix.Munmap(s.zeros), unix.Munmap(s.waste))
}
