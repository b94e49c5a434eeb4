package verbs

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
)

// A memory is what an adapter can reach for our own works: regions, each registered when it is first used. The peer cannot reach any of it.
//
// It follows the lists that the regions are in, and pins them as long as they are registered: the adapter and the process see the same pages.
type memory struct {
	card  *card
	lists []*buffer.Regions
	stops []func() // of the lists

	known atomic.Pointer[map[*buffer.Region]*registered]
	mu    sync.Mutex // guards what changes known, and complained
	// complained: it was said that a region could not be registered.
	complained bool
}

// registered is what became of a region.
type registered struct {
	r   registration // nil: the adapter did not take it
	key uint32
}

func newMemory(c *card, lists ...*buffer.Regions) *memory {
	m := &memory{card: c}
	m.known.Store(&map[*buffer.Region]*registered{})
	for _, l := range lists {
		if l != nil {
			m.lists = append(m.lists, l)
			m.stops = append(m.stops, l.Watch(m))
		}
	}
	return m
}

// key is the key for our own works in memory of r; false: it cannot be reached.
func (m *memory) key(r *buffer.Region) (uint32, bool) {
	if r == nil {
		return 0, false
	}
	x := (*m.known.Load())[r]
	if x == nil {
		x = m.learn(r)
	}
	return x.key, x.r != nil
}

// learn registers a region, once.
func (m *memory) learn(r *buffer.Region) *registered {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x := (*m.known.Load())[r]; x != nil {
		return x
	}
	x := &registered{}
	if !slices.ContainsFunc(m.lists, r.Of) {
		return x // nobody would say when it goes away
	}
	r.Pin()
	var err error
	if x.r, err = m.card.a.register(r.Mem, localWrite); err != nil {
		x.r = nil
		r.Unpin()
		if !m.complained {
			m.complained = true
			m.card.dev.log.Warn("verbs: memory cannot be registered, so its data is copied (is there a limit of locked memory, RLIMIT_MEMLOCK?)",
				"adapter", m.card.name, "bytes", len(r.Mem), "err", err)
		}
	} else {
		x.key, _ = x.r.keys()
	}
	m.change(func(all map[*buffer.Region]*registered) { all[r] = x })
	return x
}

// change has f change what is known. m.mu is held.
func (m *memory) change(f func(all map[*buffer.Region]*registered)) {
	all := maps.Clone(*m.known.Load())
	f(all)
	m.known.Store(&all)
}

// Added implements buffer.Watcher: regions are registered when they are used.
func (m *memory) Added(*buffer.Region) {}

// Removed implements buffer.Watcher.
func (m *memory) Removed(r *buffer.Region) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := (*m.known.Load())[r]
	if x == nil {
		return
	}
	m.change(func(all map[*buffer.Region]*registered) { delete(all, r) })
	m.end(r, x)
}

// end takes a registration back. m.mu is held.
func (m *memory) end(r *buffer.Region, x *registered) {
	if x.r == nil {
		return
	}
	if err := x.r.end(); err != nil {
		m.card.dev.log.Error("verbs: the adapter keeps memory", "adapter", m.card.name, "err", err)
	}
	r.Unpin()
}

// close takes everything back.
func (m *memory) close() {
	for _, stop := range m.stops {
		stop()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for r, x := range *m.known.Load() {
		m.end(r, x)
	}
	m.known.Store(&map[*buffer.Region]*registered{})
}
