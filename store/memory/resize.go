package memory

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
)

// Resize maps more memory, or less. The memory moves if it has to, so nothing may be lent.
func (s *Store) Resize(ctx context.Context, size int64) error {
	if err := s.check(0, 0); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	was := s.size.Load()
	switch n := s.leases.Outstanding(); {
	case size == 0 || size == was:
		return nil // nobody else can change it
	case size < 0 || size%512 != 0 || int64(int(size)) != size:
		return fmt.Errorf("memory: resize: %w: %d is not a positive multiple of 512 bytes", store.ErrNotSupported, size)
	case n != 0:
		return fmt.Errorf("memory: resize: %w: %d leases are not released", store.ErrUnavailable, n)
	}
	length := (size + s.page - 1) / s.page * s.page
	var dirty pageMap
	if err := dirty.open(length / s.page); err != nil {
		return fmt.Errorf("memory: resize: %w: cannot map the page map of %d bytes: %w", store.ErrOutOfSpace, size, err)
	}
	if length != int64(len(s.mem)) {
		s.regions.drop() // they are made anew
		mem, err := unix.Mremap(s.mem, int(length), unix.MREMAP_MAYMOVE)
		if err != nil {
			_ = dirty.close()
			return fmt.Errorf("memory: resize: %w: cannot map %d bytes: %w", store.ErrOutOfSpace, size, err)
		}
		s.mem = mem
		s.regions.open(length)
	}
	if size < was { // what follows in the last page is nobody's, and zeros
		clear(s.mem[size:])
	}
	dirty.copy(&s.dirty, (min(was, size)+s.page-1)/s.page)
	old := s.dirty
	s.dirty = dirty
	s.size.Store(size)
	return old.close()
}
