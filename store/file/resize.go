package file

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// Resize makes the file size bytes long, or takes the length that it has by now if size is 0.
// What is new is a hole.
func (s *Store) Resize(ctx context.Context, size int64) error {
	if err := s.check("resize", 0, 0); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return fmt.Errorf("%s: resize: %w", s.path, err)
	}
	if size == 0 {
		size = st.Size
	}
	switch {
	case size <= 0 || size%s.unit != 0:
		return fmt.Errorf("%s: resize: %w: %d bytes are not a positive multiple of %d", s.path, store.ErrNotSupported, size, s.unit)
	case size == st.Size:
		s.size.Store(size)
		return nil
	case s.readOnly:
		return fmt.Errorf("%s: resize: %w: opened for reading", s.path, store.ErrReadOnly)
	}
	if err := fdio.Retry(func() error { return unix.Ftruncate(s.fd, size) }); err != nil {
		return fmt.Errorf("%s: cannot give it %d bytes: %w: %w", s.path, size, fdio.Kind(err), err)
	}
	s.size.Store(size)
	return s.syncer.Sync()
}

// ResizeLive is Resize: the size is one word, and the kernel changes the length of a file under reads
// and writes.
func (s *Store) ResizeLive(ctx context.Context, size int64) error { return s.Resize(ctx, size) }
