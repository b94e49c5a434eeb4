package buffer

import (
	"slices"
	"sync"
)

// Regions are the regions of a house in one numbering: those of its arena, and of the units that lend their own memory. Rings and RDMA
// devices follow it: what they know of a region they keep by its number. The zero value is an empty list.
type Regions struct {
	mu       sync.Mutex
	all      []*Region // guarded by mu; by number, nil: it is free
	free     []int     // guarded by mu; numbers
	watchers []Watcher // guarded by mu
}

// A Watcher follows a list of regions. Calls come one at a time, in order, with the list locked: they use neither the list nor what has put a
// region into it.
//
// A watcher that has a device hold the pages of a region calls [Region.Pin] before, and [Region.Unpin] after that. If the device refuses
// (memory locks are limited) it goes on as if nobody had registered the memory.
type Watcher interface {
	// Added tells of a region that is new. It does not wait: the arena grows while commands look on. A region that is not [Region.Resident] is registered
	// when it is first used, if at all.
	Added(r *Region)
	// Removed tells of a region that goes away: nobody uses it any more, and when Removed returns the watcher does not either; its memory
	// may be unmapped, and its number is another's soon.
	Removed(r *Region)
}

// Add puts r, which is in no list, into the list: it gets its number.
func (s *Regions) Add(r *Region) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		r.ID = s.free[n-1]
		s.free = s.free[:n-1]
		s.all[r.ID] = r
	} else {
		r.ID = len(s.all)
		s.all = append(s.all, r)
	}
	r.list = s
	for _, w := range s.watchers {
		w.Added(r)
	}
}

// Remove takes r, which nobody uses any more, out of the list.
func (s *Regions) Remove(r *Region) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watchers {
		w.Removed(r)
	}
	s.all[r.ID] = nil
	s.free = append(s.free, r.ID)
}

// Watch tells w of all regions that there are, and from then on of what changes, until stop is called: when it returns no call is under way.
// w then still has what it has; it is its own matter to let go of it.
func (s *Regions) Watch(w Watcher) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, w)
	for _, r := range s.all {
		if r != nil {
			w.Added(r)
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.watchers, w); i >= 0 {
			s.watchers = slices.Delete(s.watchers, i, i+1)
		}
	}
}

// Of reports that r is in the list s: numbers of other lists mean other regions.
func (r *Region) Of(s *Regions) bool { return r.list == s }

// Pin says that somebody has a device hold the pages of r, such as a ring of io_uring: they are not given back to the system until Unpin was
// called as often. When it returns no page is being given back.
func (r *Region) Pin() {
	r.pin.Lock()
	r.pins++
	r.pin.Unlock()
}

// Unpin takes back a Pin.
func (r *Region) Unpin() {
	r.pin.Lock()
	r.pins--
	r.pin.Unlock()
}

// Pinned reports that somebody has a device hold the pages of r.
func (r *Region) Pinned() bool {
	r.pin.Lock()
	defer r.pin.Unlock()
	return r.pins > 0
}

// Unless calls discard, which gives pages of r back to the system, unless r is pinned; nobody pins it meanwhile. It reports whether it was called, and has succeeded.
func (r *Region) Unless(discard func() error) bool {
	r.pin.Lock()
	defer r.pin.Unlock()
	return r.pins == 0 && discard() == nil
}
