package stats

import (
	"sync"
	"time"

	"github.com/lunette-io/lunette/store"
)

// A passing request stands in for one of the caller's beneath the filter, to see it end.
type passing struct {
	store.Request
	outer *store.Request
	start time.Time
	next  *passing // free list
}

// pool recycles them: as many as were ever under way at a time.
type pool struct {
	mu   sync.Mutex
	free *passing
	done func(*store.Request, error) // ended as a value, made once
}

// Submit is a Read or a Write, timed until it ends.
func (s *Store) Submit(r *store.Request) {
	s.pool.mu.Lock()
	p := s.pool.free
	if p != nil {
		s.pool.free = p.next
	} else {
		p = new(passing)
		p.Owner, p.Done = p, s.pool.done
	}
	s.pool.mu.Unlock()
	p.Op, p.Flags, p.Off, p.Data = r.Op, r.Flags, r.Off, r.Data
	p.outer, p.start, p.next, p.Run = r, time.Now(), nil, nil
	s.beneath.Submitter.Submit(&p.Request)
}

func (s *Store) ended(r *store.Request, err error) {
	p := r.Owner.(*passing)
	op := Read
	if p.Op == store.OpWrite {
		op = Write
	}
	s.timed(op, p.Data.Len(), p.start, err)
	outer := p.outer
	outer.Run = p.Run
	p.outer, p.Data = nil, nil
	s.pool.mu.Lock()
	p.next, s.pool.free = s.pool.free, p
	s.pool.mu.Unlock()
	outer.Done(outer, err)
}
