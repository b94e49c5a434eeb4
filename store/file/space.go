package file

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// Trim punches a hole. It fails with [store.ErrNotSupported] where the file system
// has none, which Info said by a Granularity of 0.
func (s *Store) Trim(ctx context.Context, off, n int64) error {
	if err := s.checkWrite("trim", off, n); err != nil {
		return err
	}
	if s.info.Granularity == 0 {
		return fmt.Errorf("%s: trim: %w by its file system", s.path, store.ErrNotSupported)
	}
	err := s.zero(ctx, off, n, true)
	if err == nil && s.durable {
		return s.syncer.Sync()
	}
	return fdio.Error(s.path, "trim", n, off, err)
}

// Zero makes the range read as zeros: by a hole if it may, by marking it unwritten if
// the file system can, else by writing.
func (s *Store) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	if err := s.checkWrite("zero", off, n); err != nil {
		return err
	}
	durable := s.durable || f&store.FUA != 0
	if durable {
		if err := s.syncer.Err(); err != nil {
			return err
		}
	}
	if err := s.zero(ctx, off, n, f&store.MayTrim != 0 && s.info.Granularity != 0); err != nil {
		return fdio.Error(s.path, "zero", n, off, err)
	}
	if durable {
		return s.syncer.Sync()
	}
	return nil
}

func (s *Store) zero(ctx context.Context, off, n int64, punch bool) error {
	if s.direct == nil {
		return s.clear(ctx, off, n, punch)
	}
	return s.direct.Zero(ctx, off, n, func(off, n int64) error { return s.clear(ctx, off, n, punch) })
}

// clear zeroes what the file system, or direct I/O, can zero as a whole.
func (s *Store) clear(ctx context.Context, off, n int64, punch bool) error {
	if punch {
		return s.punch(ctx, off, n)
	}
	if !s.noZero.Load() {
		err := fdio.Allocate(ctx, s.fd, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		if !fdio.Unsupported(err) {
			return err
		}
		s.noZero.Store(true)
	}
	if s.direct != nil {
		return s.direct.WriteZeros(ctx, off, n)
	}
	return fdio.WriteZeros(ctx, s.fd, off, n)
}

// punch makes a hole of whole blocks, and zeros of the rest. What follows the store in
// its last block is nobody's: it must not keep that block from being given back.
func (s *Store) punch(ctx context.Context, off, n int64) error {
	if g, size := s.info.Granularity, s.size.Load(); off+n == size && n > 0 {
		n += (g - size%g) % g
	}
	return fdio.Allocate(ctx, s.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// Values of lseek(2)'s whence that the unix package does not name.
const (
	seekData = 3
	seekHole = 4
)

// Extent asks the file system, which knows by its own blocks; one that does not know
// calls everything data.
func (s *Store) Extent(_ context.Context, off, n int64) (store.Extent, error) {
	if err := s.check("map", off, n); err != nil {
		return store.Extent{}, err
	}
	all := store.Extent{Off: off, Len: n, Mapped: true}
	if s.noSeek.Load() {
		return all, nil
	}
	// Seeking moves the position of the description, which no other call uses.
	at, err := unix.Seek(s.fd, off, seekData)
	switch {
	case err == unix.ENXIO: // a hole up to the end
		return store.Extent{Off: off, Len: n}, nil
	case err == nil && at > off:
		return store.Extent{Off: off, Len: min(at-off, n)}, nil
	case err == nil:
		at, err = unix.Seek(s.fd, off, seekHole)
	}
	switch {
	case err == nil && at > off:
		all.Len = min(at-off, n)
		return all, nil
	case err == nil || err == unix.ENXIO: // changed in between: data when we looked
		return all, nil
	case fdio.Unsupported(err):
		s.noSeek.Store(true)
		return all, nil
	}
	return store.Extent{}, fdio.Error(s.path, "map", n, off, err)
}
