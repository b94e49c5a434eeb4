package block

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/ringio"
)

// submitting is a store with a ring: a [store.Submitter].
type submitting struct{ *Store }

// Submit starts r: by the ring what is aligned and not FUA, the rest on goroutines.
func (s submitting) Submit(r *store.Request) {
	n := r.Data.Len()
	write := r.Op == store.OpWrite
	op := "read"
	if write {
		op = "write"
	}
	err := s.begin(context.Background(), op, r.Off, n, write)
	if err == nil && r.Op > store.OpWrite {
		err = fmt.Errorf("%s: request %d: %w", s.path, r.Op, store.ErrNotSupported)
	}
	switch {
	case err != nil:
		r.Done(r, err)
	case n == 0 || write && r.Flags&store.FUA != 0 || !s.io.Aligned(r.Data, r.Off) || write && !s.io.TryBegin():
		s.queue.Aside(r)
	default:
		s.queue.Submit(r)
	}
}

// startQueue gives the store a ring if it may have one.
func (s *Store) startQueue(mode string) (err error) {
	s.queue, err = ringio.Open(mode, ringio.Config{
		Path: s.path, FD: s.fd, Store: s, Workers: s.info.Concurrency,
		Left: func(r *store.Request) {
			if r.Op == store.OpWrite {
				s.io.End()
			}
		},
	})
	return err
}
