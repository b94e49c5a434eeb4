// Package verify is a filter that remembers checksums of what was written, and finds
// out when the store gives back something else.
package verify

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter"
)

// A Store keeps a CRC-32C of every 4 KiB that was written through it, in
// memory, and fails reads of anything else with [store.ErrMedium]. What was not
// written yet is believed. It has no Lend, since nobody would see what is
// done to the memory, and no Try and no Submit, since writing parts of blocks reads them
// first. It takes no foreign memory: that changes between the look at it and the write.
//
// Nothing else may write to the store beneath. After a write that failed, its range is
// believed again.
type Store struct {
	beneath filter.Beneath
	sums    *sums
}

// New returns a filter on s, which it closes with itself.
func New(s store.Store) *Store {
	return &Store{filter.Over(s), newSums(s.Info().Size)}
}

// Unwrap returns the store beneath.
func (s *Store) Unwrap() store.Store { return s.beneath.Store }

// Info is that of the store beneath.
func (s *Store) Info() store.Info { return s.beneath.Info() }

// Flush passes the call on.
func (s *Store) Flush(ctx context.Context) error { return s.beneath.Flush(ctx) }

// Close closes the store beneath, and forgets.
func (s *Store) Close() error { return s.beneath.Close() }

// Extent passes the call on.
func (s *Store) Extent(ctx context.Context, off, n int64) (store.Extent, error) {
	return s.beneath.Mapper.Extent(ctx, off, n)
}

// outside refuses what has no checksums.
func (s *Store) outside(off, n int64) error {
	if off < 0 || n < 0 || off > s.sums.size-n {
		return fmt.Errorf("verify: %d bytes at %d are outside the store of %d bytes", n, off, s.sums.size)
	}
	return nil
}

// ReadAt reads, and compares all blocks that the range touches.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	n := into.Len()
	if err := s.outside(off, n); err != nil {
		return err
	}
	s.sums.rLock(off, n)
	defer s.sums.rUnlock(off, n)
	if err := s.beneath.ReadAt(ctx, into, off); err != nil {
		return err
	}
	var edge []byte
	for at := off; at < off+n; {
		i := at / Block
		m := min((i+1)*Block, off+n) - at
		if want, known := s.sums.get(i); known {
			crc := uint32(0)
			if m == s.sums.blockLen(i) {
				crc = s.sum(0, into, at-off, m)
			} else { // the rest of the block counts as well
				if edge == nil {
					edge = make([]byte, Block)
				}
				b := edge[:s.sums.blockLen(i)]
				if err := s.beneath.ReadAt(ctx, buffer.Of(b), i*Block); err != nil {
					return err
				}
				into.Read(at-off, b[at-i*Block:at-i*Block+m])
				crc = crc32.Checksum(b, s.sums.table)
			}
			if crc != want {
				return s.wrong(i, want, crc)
			}
		}
		at += m
	}
	return nil
}

func (s *Store) wrong(i int64, want, got uint32) error {
	return fmt.Errorf("verify: %w: the %d bytes at %d have CRC-32C %08x, those written %08x",
		store.ErrMedium, s.sums.blockLen(i), i*Block, got, want)
}

// sum continues a checksum with n bytes of l at off.
func (s *Store) sum(crc uint32, l *buffer.Lease, off, n int64) uint32 {
	for n > 0 {
		b := l.At(off)
		b = b[:min(int64(len(b)), n)]
		crc = crc32.Update(crc, s.sums.table, b)
		off += int64(len(b))
		n -= int64(len(b))
	}
	return crc
}

// WriteAt writes, and remembers.
func (s *Store) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	return s.change(ctx, off, from.Len(),
		func() error { return s.beneath.WriteAt(ctx, from, off, f) },
		func(at int64, b []byte) { from.Read(at, b) },
		func(at, n int64) uint32 { return s.sum(0, from, at, n) })
}

// Trim trims, and remembers zeros.
func (s *Store) Trim(ctx context.Context, off, n int64) error {
	return s.clear(ctx, off, n, func() error { return s.beneath.Trimmer.Trim(ctx, off, n) })
}

// Zero zeroes, and remembers zeros.
func (s *Store) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	return s.clear(ctx, off, n, func() error { return s.beneath.Zeroer.Zero(ctx, off, n, f) })
}

// CompareAndWrite writes, and remembers, if the store beneath has compared well. Whether what it
// has compared is what was written here it knows itself.
func (s *Store) CompareAndWrite(ctx context.Context, expect, with *buffer.Lease, off int64, f store.Flags) error {
	return s.change(ctx, off, with.Len(),
		func() error { return s.beneath.CompareWriter.CompareAndWrite(ctx, expect, with, off, f) },
		func(at int64, b []byte) { with.Read(at, b) },
		func(at, n int64) uint32 { return s.sum(0, with, at, n) })
}

// Resize passes the call on, and keeps what it knows of the blocks that are the same.
func (s *Store) Resize(ctx context.Context, size int64) error {
	err := s.beneath.Resizer.Resize(ctx, size)
	if now := s.Info().Size; now != s.sums.size {
		s.sums = s.sums.resized(now)
	}
	return err
}

func (s *Store) clear(ctx context.Context, off, n int64, do func() error) error {
	whole := crc32.Checksum(make([]byte, Block), s.sums.table)
	return s.change(ctx, off, n, do,
		func(_ int64, b []byte) { clear(b) },
		func(_, n int64) uint32 {
			if n == Block {
				return whole
			}
			return crc32.Checksum(make([]byte, n), s.sums.table)
		})
}

// change makes a change of a range and remembers the checksums. fill copies what the
// change writes, from an offset in the range; sum is the checksum of a part of it.
func (s *Store) change(ctx context.Context, off, n int64, do func() error,
	fill func(at int64, b []byte), sum func(at, n int64) uint32) error {
	if err := s.outside(off, n); err != nil {
		return err
	}
	s.sums.lock(off, n)
	defer s.sums.unlock(off, n)
	// The blocks at the ends that are changed in part: what they will be.
	edges := map[int64]uint32{}
	for _, at := range []int64{off, off + n - 1} {
		i := at / Block
		from, to := max(off, i*Block), min(off+n, i*Block+s.sums.blockLen(i))
		if n == 0 || to-from == s.sums.blockLen(i) {
			continue
		}
		b := make([]byte, s.sums.blockLen(i))
		if err := s.beneath.ReadAt(ctx, buffer.Of(b), i*Block); err != nil {
			return err
		}
		if want, known := s.sums.get(i); known {
			if got := crc32.Checksum(b, s.sums.table); got != want {
				return s.wrong(i, want, got)
			}
		}
		fill(from-off, b[from-i*Block:to-i*Block])
		edges[i] = crc32.Checksum(b, s.sums.table)
	}
	if err := do(); err != nil {
		if !errors.Is(err, store.ErrMiscompare) { // that has changed nothing
			s.sums.forget(off, n)
		}
		return err
	}
	for at := off; at < off+n; {
		i := at / Block
		m := min((i+1)*Block, off+n) - at
		crc, partly := edges[i]
		if !partly {
			crc = sum(at-off, m)
		}
		s.sums.set(i, crc)
		at += m
	}
	return nil
}
