package block

import (
	"context"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// bounceSize is how much is copied at a time.
const bounceSize = 256 << 10

func address(m []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m))) }

// newBounce returns bounceSize bytes that are aligned to both; heap memory is not
// moved.
func newBounce(offset, memory int64) *buffer.Lease {
	align := uintptr(max(offset, memory, 4096))
	m := make([]byte, bounceSize+int(align))
	skip := (align - address(m)%align) % align
	return buffer.Of(m[skip : skip+bounceSize : skip+bounceSize])
}

// whole widens a range to whole blocks.
func (s *Store) whole(off, n int64) (from, to int64) {
	mask := s.offsetAlign - 1
	return off &^ mask, (off + n + mask) &^ mask
}

// pieces calls do for each piece of a range that one bounce has room for.
func (s *Store) pieces(ctx context.Context, off, n int64, do func(b []byte, at, n int64) error) error {
	s.bounced[0].Add(1)
	s.bounced[1].Add(uint64(n))
	bounce := s.bounces.Get().(*buffer.Lease)
	defer s.bounces.Put(bounce)
	mem := bounce.Segment(0).Mem
	for end := off + n; off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		first, _ := s.whole(off, 0)
		m := min(first+bounceSize, end) - off
		if err := do(mem, off, m); err != nil {
			return err
		}
		off += m
	}
	return nil
}

func (s *Store) bounceRead(ctx context.Context, into *buffer.Lease, off int64) error {
	return s.pieces(ctx, off, into.Len(), func(b []byte, at, n int64) error {
		from, to := s.whole(at, n)
		if err := direct(s.fd, b[:to-from], from, fdio.ReadAt); err != nil {
			return err
		}
		into.Copy(at-off, b[at-from:at-from+n])
		return nil
	})
}

// bounceWrite writes what fill copies into the parts it is asked for, by their offset
// in the range.
func (s *Store) bounceWrite(ctx context.Context, off, n int64, fill func(at int64, part []byte)) error {
	if from, to := s.whole(off, n); from != off || to != off+n {
		s.parts.Lock()
		defer s.parts.Unlock()
	} else {
		s.parts.RLock()
		defer s.parts.RUnlock()
	}
	return s.pieces(ctx, off, n, func(b []byte, at, n int64) error {
		from, to := s.whole(at, n)
		// What is kept of the first block and of the last must be there first.
		if from != at {
			if err := direct(s.fd, b[:s.offsetAlign], from, fdio.ReadAt); err != nil {
				return err
			}
		}
		last := to - s.offsetAlign
		if to != at+n && (last != from || from == at) {
			if err := direct(s.fd, b[last-from:to-from], last, fdio.ReadAt); err != nil {
				return err
			}
		}
		fill(at-off, b[at-from:at-from+n])
		return direct(s.fd, b[:to-from], from, fdio.WriteAt)
	})
}

// direct moves aligned bytes.
func direct(fd int, b []byte, off int64, move func(int, *buffer.Lease, int64, int) (int64, error)) error {
	var l buffer.Lease
	l.Init(nil, buffer.Segment{Mem: b})
	_, err := move(fd, &l, off, 0)
	return err
}

// zeroParts writes zeros to the parts of blocks at the ends of a range, and returns
// the whole blocks in between.
func (s *Store) zeroParts(ctx context.Context, off, n int64) (from, to int64, err error) {
	zeros := func(_ int64, part []byte) { clear(part) }
	end := off + n
	from, _ = s.whole(off+s.offsetAlign-1, 0)
	to, _ = s.whole(end, 0)
	if from > to { // a part of one block
		return off, off, s.bounceWrite(ctx, off, n, zeros)
	}
	if off < from {
		err = s.bounceWrite(ctx, off, from-off, zeros)
	}
	if err == nil && to < end {
		err = s.bounceWrite(ctx, to, end-to, zeros)
	}
	return from, to, err
}

// writeZeros is for devices that can do nothing better.
func (s *Store) writeZeros(ctx context.Context, off, n int64) error {
	return s.pieces(ctx, off, n, func(b []byte, at, n int64) error {
		clear(b[:n])
		return direct(s.fd, b[:n], at, fdio.WriteAt)
	})
}

// allocate changes whole blocks by fallocate(2), which on a block device zeroes.
func (s *Store) allocate(ctx context.Context, mode uint32, off, n int64) error {
	const step = 1 << 30 // between two looks at the context
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(n, step)
		if err := fdio.Retry(func() error { return unix.Fallocate(s.fd, mode, off, m) }); err != nil {
			return err
		}
		off += m
		n -= m
	}
	return nil
}
