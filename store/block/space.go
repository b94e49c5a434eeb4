package block

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// Trim gives whole blocks back and zeroes the rest. It fails with
// [store.ErrNotSupported] on a device that does not read zeros from what it was given
// back, which Info said by a Granularity of 0.
func (s *Store) Trim(ctx context.Context, off, n int64) error {
	if err := s.begin(ctx, "trim", off, n, true); err != nil {
		return err
	}
	if s.info.Granularity == 0 {
		return fmt.Errorf("%s: trim: %w by the device", s.path, store.ErrNotSupported)
	}
	return fdio.Error(s.path, "trim", n, off, s.zero(ctx, off, n, true))
}

// Zero makes the range read as zeros: by giving it back if it may, by a command of the
// device's if it has one, else by writing.
func (s *Store) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	if err := s.begin(ctx, "zero", off, n, true); err != nil {
		return err
	}
	fua := f&store.FUA != 0
	if fua {
		if err := s.syncer.Err(); err != nil {
			return err
		}
	}
	if err := s.zero(ctx, off, n, f&store.MayTrim != 0 && s.info.Granularity != 0); err != nil {
		return fdio.Error(s.path, "zero", n, off, err)
	}
	if fua {
		return s.syncer.Sync()
	}
	return nil
}

func (s *Store) zero(ctx context.Context, off, n int64, punch bool) error {
	return s.io.Zero(ctx, off, n, func(off, n int64) error {
		if punch && !s.noPunch.Load() {
			err := fdio.Allocate(ctx, s.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
			if !fdio.Unsupported(err) {
				return err
			}
			s.noPunch.Store(true)
		}
		if !s.noZero.Load() {
			err := fdio.Allocate(ctx, s.fd, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
			if !fdio.Unsupported(err) {
				return err
			}
			s.noZero.Store(true)
		}
		return s.io.WriteZeros(ctx, off, n)
	})
}
