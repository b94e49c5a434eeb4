package memory

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

const (
	// chunk is how much memory is a region: what is registered with an adapter at once, and takes memory then. A lease
	// that goes over a border has a segment for each.
	chunk = 16 << 20
	// maxChunks bounds the table of a store: memory behind 16 TiB has no regions.
	maxChunks = 1 << 20
)

// regions are the regions of a store, in a list. Each is there from when data of it is lent first: what was never written has none, so that nobody who
// reads a sparse store makes it take memory.
type regions struct {
	list *buffer.Regions // nil: there are none
	all  []atomic.Pointer[buffer.Region]
	// mu is held for reading while pages without a region are given back to the system, and for writing while a region is made, since that
	// may be pinned at once. Nobody who lends waits for it.
	mu sync.RWMutex
}

// List has the store put what it lends into a list of regions. It is called before the store is used.
func (s *Store) List(list *buffer.Regions) {
	s.regions.list = list
	s.regions.open(int64(len(s.mem)))
}

// open makes room for the regions of n bytes.
func (x *regions) open(n int64) {
	if x.list != nil {
		x.all = make([]atomic.Pointer[buffer.Region], min((n+chunk-1)/chunk, maxChunks))
	}
}

// drop takes all regions out of the list. Nothing is lent.
func (x *regions) drop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.all {
		if r := x.all[i].Swap(nil); r != nil {
			x.list.Remove(r)
		}
	}
}

// region is the region at off; nil: there is none, and none is needed or can be made just now.
func (s *Store) region(off int64, a store.Access) *buffer.Region {
	x := &s.regions
	i := off / chunk
	if i >= int64(len(x.all)) {
		return nil
	}
	if r := x.all[i].Load(); r != nil {
		return r
	}
	from := i * chunk
	to := min(from+chunk, int64(len(s.mem)))
	if a != store.ForWrite && !s.dirty.any(from/s.page, to/s.page) {
		return nil
	}
	if !x.mu.TryLock() {
		return nil
	}
	defer x.mu.Unlock()
	r := x.all[i].Load()
	if r == nil {
		r = &buffer.Region{Mem: s.mem[from:to:to]}
		x.list.Add(r)
		x.all[i].Store(r)
	}
	return r
}

// lend is a lease of n bytes at off, with a segment for each region. The first has the whole lease in its capacity.
func (s *Store) lend(off, n int64, a store.Access) *buffer.Lease {
	end := off + n
	first := buffer.Segment{Mem: s.mem[off:end:end], Region: s.region(off, a)}
	border := (off/chunk + 1) * chunk
	if len(s.regions.all) == 0 || border >= end {
		return s.leases.Get(s, first)
	}
	var some [3]buffer.Segment
	rest := some[:0]
	first.Mem = first.Mem[:border-off]
	for at := border; at < end; at += chunk {
		to := min(at+chunk, end)
		rest = append(rest, buffer.Segment{Mem: s.mem[at:to:to], Region: s.region(at, a)})
	}
	return s.leases.Get(s, first, rest...)
}

// discard gives the pages [from, to), bytes of whole pages, back to the system, or clears those that cannot be given back: what a device holds would be other pages
// then. They have no marks afterwards.
func (s *Store) discard(ctx context.Context, from, to int64) error {
	for from < to {
		end, gone := s.some(from, to)
		if !gone {
			if err := s.wipe(ctx, from, end); err != nil {
				return err
			}
		}
		from = end
	}
	return nil
}

// some gives pages from from on back to the system: those of one region, or those up to the next region. It reports how far it has looked, and false if those have to be cleared.
func (s *Store) some(from, to int64) (end int64, gone bool) {
	x := &s.regions
	x.mu.RLock()
	defer x.mu.RUnlock()
	end = to
	for i := from / chunk; i < int64(len(x.all)) && i*chunk < to; i++ {
		r := x.all[i].Load()
		switch {
		case r == nil:
			continue
		case i*chunk <= from:
			end = min((i+1)*chunk, to)
			return end, r.Unless(func() error { return s.giveBack(from, end) })
		}
		return i * chunk, s.giveBack(from, i*chunk) == nil
	}
	return end, s.giveBack(from, end) == nil
}

// giveBack gives pages back to the system; nobody pins them meanwhile.
func (s *Store) giveBack(from, to int64) error {
	s.dirty.reset(from/s.page, to/s.page)
	err := unix.Madvise(s.mem[from:to], unix.MADV_DONTNEED)
	if err != nil { // locked memory
		s.dirty.set(from/s.page, to/s.page)
	}
	return err
}

// wipe clears the pages that have marks.
func (s *Store) wipe(ctx context.Context, from, to int64) error {
	last := to / s.page
	for p := from / s.page; ; {
		if p = s.dirty.find(p, last, true); p >= last {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(s.dirty.find(p, last, false), p+step/s.page)
		s.dirty.reset(p, end)
		clear(s.mem[p*s.page : end*s.page])
		p = end
	}
}
