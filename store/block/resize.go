package block

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/store"
)

// Resize takes the size that the device has by now. No other can be had: a size that is not that
// is [store.ErrNotSupported].
func (s *Store) Resize(ctx context.Context, size int64) error {
	if err := s.begin(ctx, "resize", 0, 0, false); err != nil {
		return err
	}
	now, err := s.measure()
	switch {
	case err != nil:
		return fmt.Errorf("%s: ask for its size: %w", s.path, err)
	case size != 0 && size != now:
		return fmt.Errorf("%s: resize: %w: the device has %d bytes, not %d", s.path, store.ErrNotSupported, now, size)
	case now <= 0 || now%s.align.Offset != 0:
		return fmt.Errorf("%s: resize: %w: the device has %d bytes now, not a positive multiple of its blocks of %d", s.path, store.ErrNotSupported, now, s.align.Offset)
	}
	s.size.Store(now)
	return nil
}

// ResizeLive is Resize: the size is one word.
func (s *Store) ResizeLive(ctx context.Context, size int64) error { return s.Resize(ctx, size) }
