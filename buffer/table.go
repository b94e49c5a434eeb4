package buffer

import (
	"sync"
	"sync/atomic"
)

// A Table is the regions that one ring of io_uring has registered: a few, by the numbers of a list. It registers regions when they are first used, and those alone that are
// [Region.Resident]: the kernel would make all of another one take memory. It follows the list of the first region that it is asked for; regions of other lists go unregistered.
//
// The ring's thread alone uses it, but for Close, which is called when that has ended.
type Table struct {
	list *Regions // nil: none came yet
	stop func()
	at   []entry // by number
	free []int32 // entries of the ring's table

	stale atomic.Bool // some are gone
	mu    sync.Mutex  // comes after that of the list
	gone  []*Region   // guarded by mu
}

// An entry is what is known of a region.
type entry struct {
	*Region
	index int32 // in the ring's table; less than 0: it was refused
}

// A Registrar is a ring with a table of registered memory.
type Registrar interface {
	// RegisterBuffer has the kernel hold the pages of mem as entry i of the table. It reports whether it does.
	RegisterBuffer(i int, mem []byte) bool
	// ForgetBuffer lets go of entry i.
	ForgetBuffer(i int)
}

// Open makes room for n regions. Before that none is registered.
func (t *Table) Open(n int) {
	for i := n; i > 0; i-- {
		t.free = append(t.free, int32(i-1))
	}
}

// Index is where r is in the table of the ring g, which may register it now. Less than 0: it is not registered.
func (t *Table) Index(g Registrar, r *Region) int {
	if t.stale.Load() {
		t.forget(g)
	}
	if r == nil || !r.Resident {
		return -1
	}
	if id := r.ID; id < len(t.at) && t.at[id].Region == r {
		return int(t.at[id].index)
	}
	return t.learn(g, r)
}

// learn registers a region that was not seen before.
func (t *Table) learn(g Registrar, r *Region) int {
	if t.list == nil && r.list != nil {
		t.list = r.list
		t.stop = t.list.Watch((*follower)(t))
	}
	if r.list == nil || r.list != t.list || len(t.free) == 0 {
		return -1
	}
	for len(t.at) <= r.ID {
		t.at = append(t.at, entry{})
	}
	i := t.free[len(t.free)-1]
	r.Pin() // the kernel holds its pages: others in their place would not be seen
	if !g.RegisterBuffer(int(i), r.Mem) {
		r.Unpin()
		i = -1
	} else {
		t.free = t.free[:len(t.free)-1]
	}
	t.at[r.ID] = entry{r, i}
	return int(i)
}

// forget lets go of regions that are gone.
func (t *Table) forget(g Registrar) {
	t.mu.Lock()
	gone := t.gone
	t.gone = nil
	t.stale.Store(false)
	t.mu.Unlock()
	for _, r := range gone {
		if r.ID >= len(t.at) || t.at[r.ID].Region != r {
			continue
		}
		if i := t.at[r.ID].index; i >= 0 {
			g.ForgetBuffer(int(i))
			t.free = append(t.free, i)
			r.Unpin()
		}
		t.at[r.ID] = entry{}
	}
}

// Close forgets all: the ring is closed.
func (t *Table) Close() {
	if t.stop != nil {
		t.stop()
	}
	for _, e := range t.at {
		if e.Region != nil && e.index >= 0 {
			e.Unpin()
		}
	}
	t.at, t.free = nil, nil
}

// A follower is a Table that watches its list.
type follower Table

// Added does nothing: regions are registered when they are used.
func (f *follower) Added(*Region) {}

// Removed leaves it to the ring's thread to let go of r: nobody uses it, and the memory that the kernel holds is not what may be mapped in its place.
func (f *follower) Removed(r *Region) {
	f.mu.Lock()
	f.gone = append(f.gone, r)
	f.stale.Store(true)
	f.mu.Unlock()
}
