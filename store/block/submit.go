package block

import (
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/ringio"
)

// TakesForeign says that memory which is an initiator's own is left to the kernel: see [store.Foreign].
func (s *Store) TakesForeign() {}

// Submit starts r: by the ring what is aligned and not FUA, the rest on goroutines.
func (s *Store) Submit(r *store.Request) {
	err := s.begin(r.Ctx(), r.Op.String(), r.Off, r.Size(), r.Op.Changes())
	switch {
	case err != nil:
		r.Done(r, err)
	case s.ringTakes(r):
		s.queue.Submit(r)
	default:
		s.queue.Aside(r)
	}
}

// Cancel ends r soon if that is possible: see [store.Submitter].
func (s *Store) Cancel(r *store.Request) { s.queue.Cancel(r) }

// ringTakes reports that r is for the ring. If r writes it has begun that: left ends it.
func (s *Store) ringTakes(r *store.Request) bool {
	if r.Op > store.OpWrite || r.Data.Len() == 0 {
		return false
	}
	if r.Op == store.OpRead {
		return s.io.Aligned(r.Data, r.Off)
	}
	return r.Flags&store.FUA == 0 && s.io.Aligned(r.Data, r.Off) && s.io.TryBegin()
}

// left ends what ringTakes has begun.
func (s *Store) left(r *store.Request) {
	if r.Op == store.OpWrite {
		s.io.End()
	}
}

// startQueue gives the store a ring if it may have one; if it fails the store is closed.
func (s *Store) startQueue(mode string) (err error) {
	s.queue, err = ringio.Open(mode, ringio.Config{
		Path: s.path, FD: s.fd, Store: s, Workers: s.info.Concurrency, Left: s.left,
	})
	if err != nil {
		_ = s.Close()
	}
	return err
}

// Later is how many descriptors the store opens when it gets its first request.
func (s *Store) Later() int {
	if s.queue == nil {
		return 0
	}
	return ringio.Later
}
