package stats

import (
	"sync"
	"time"

	"github.com/lunette-io/lunette/store"
)

// A passing request stands in for one of the caller's beneath the filter, to see it end. While
// it is under way the Link of the caller's request leads to it.
type passing struct {
	store.Request
	outer *store.Request
	start time.Time

	// Guarded by pool.mu.
	next     *passing // free list
	canceled int      // calls of Cancel that are using it
	ended    bool     // and not on the free list yet, because of those
}

// A pool recycles passing requests: there are as many as were ever under way at a time.
type pool struct {
	mu   sync.Mutex
	free *passing
	done func(*store.Request, error) // ended as a value, made once
}

// get returns a passing request that stands in for outer.
func (p *pool) get(outer *store.Request) *passing {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.free
	if r != nil {
		p.free = r.next
	} else {
		r = new(passing)
		r.Owner, r.Done = r, p.done
	}
	r.outer, r.next, r.ended = outer, nil, false
	r.Op, r.Flags, r.Off, r.Data, r.Len, r.Context = outer.Op, outer.Flags, outer.Off, outer.Data, outer.Len, outer.Context
	r.start, r.Batch = time.Now(), nil
	outer.Link = &r.Request
	return r
}

// put gives r back when it has ended.
func (p *pool) put(r *passing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.outer.Link = nil
	r.outer, r.ended = nil, true
	p.recycle(r)
}

// recycle frees r if nobody uses it any more. p.mu is held.
func (p *pool) recycle(r *passing) {
	if r.ended && r.canceled == 0 {
		r.Data, r.Context = nil, nil
		r.next, p.free = p.free, r
	}
}

// pin returns what stands in for outer and keeps it from being used for another request, until
// unpin; nil if outer has ended.
func (p *pool) pin(outer *store.Request) *passing {
	p.mu.Lock()
	defer p.mu.Unlock()
	if outer.Link == nil {
		return nil
	}
	r := outer.Link.Owner.(*passing)
	r.canceled++
	return r
}

func (p *pool) unpin(r *passing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.canceled--
	p.recycle(r)
}

// Submit passes r on and times it until it ends.
func (s *Store) Submit(r *store.Request) {
	s.beneath.Submitter.Submit(&s.pool.get(r).Request)
}

// Cancel passes the call on for what stands in for r.
func (s *Store) Cancel(r *store.Request) {
	if p := s.pool.pin(r); p != nil {
		s.beneath.Submitter.Cancel(&p.Request)
		s.pool.unpin(p)
	}
}

// counted is what a request is counted as.
func counted(op store.Op) Op {
	switch op {
	case store.OpRead:
		return Read
	case store.OpWrite:
		return Write
	case store.OpFlush:
		return Flush
	case store.OpTrim:
		return Trim
	}
	return Zero
}

func (s *Store) ended(r *store.Request, err error) {
	p := r.Owner.(*passing)
	s.timed(counted(p.Op), p.Size(), p.start, err)
	outer := p.outer
	outer.Batch = p.Batch
	s.pool.put(p)
	outer.Done(outer, err)
}
