package memory

import (
	"context"

	"github.com/lunette-io/lunette/store"
)

// step is how many bytes are cleared between two looks at the context.
const step = 16 << 20

// mark notes that the pages of a range hold data. Writers mark after they wrote,
// and Trim clears the marks before it gives pages back: so whichever order they run
// in, a page without a mark is zero once both have returned.
func (s *Store) mark(off, n int64) {
	if n > 0 {
		s.dirty.set(off/s.page, (off+n-1)/s.page+1)
	}
}

// Trim gives the pages of the range back to the system; parts of pages at its ends
// are cleared, and so are pages that a device holds.
func (s *Store) Trim(ctx context.Context, off, n int64) error {
	if err := s.check(off, n); err != nil {
		return err
	}
	end := off + n
	first := (off + s.page - 1) / s.page * s.page
	last := end / s.page * s.page
	if end == s.size.Load() { // what follows in the last page belongs to nobody
		last = int64(len(s.mem))
	}
	if first >= last {
		if s.dirty.any(off/s.page, (end+s.page-1)/s.page) {
			clear(s.mem[off:end])
		}
		return ctx.Err()
	}
	s.clearPart(off, min(first, end))
	s.clearPart(min(last, end), end)
	return s.discard(ctx, first, last)
}

// clearPart clears a part of one page, unless the page was never written.
func (s *Store) clearPart(from, to int64) {
	if from < to && s.dirty.any(from/s.page, from/s.page+1) {
		clear(s.mem[from:to])
	}
}

// Zero writes zeros, or trims the range if it may.
func (s *Store) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	if f&store.MayTrim != 0 {
		return s.Trim(ctx, off, n)
	}
	if err := s.check(off, n); err != nil {
		return err
	}
	err := s.clear(ctx, off, off+n)
	s.mark(off, n)
	return err
}

func (s *Store) clear(ctx context.Context, from, to int64) error {
	for ; from < to; from += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(s.mem[from:min(from+step, to)])
	}
	return nil
}

// Extent tells pages that were written since they were last trimmed from the rest.
func (s *Store) Extent(_ context.Context, off, n int64) (store.Extent, error) {
	if err := s.check(off, n); err != nil {
		return store.Extent{}, err
	}
	first, last := off/s.page, (off+n+s.page-1)/s.page
	mapped := s.dirty.any(first, first+1)
	end := s.dirty.find(first, last, !mapped)*s.page - off
	return store.Extent{Off: off, Len: min(end, n), Mapped: mapped}, nil
}
