package passthrough

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// memory lends n bytes in one piece for a command of t, or of lunette's own if t is nil: from the arena, or, since that has no pieces so large, a mapping
// that is charged to the initiator and the unit as a lease would be.
func (p *path) memory(t *target.Task, n int64) (*buffer.Lease, error) {
	if t == nil {
		return p.maps.get(n, nil)
	}
	if n <= buffer.MaxBlock {
		l, err := t.Memory(n)
		if err == nil {
			l.Truncate(n)
		}
		return l, err
	}
	return p.maps.get(n, t.Purse())
}

const (
	// leastMapping is the size of the smallest mapping; larger ones are twice as large each.
	leastMapping = 64 << 10
	// sparesMost is how many bytes of mappings are kept for the next commands, and sparesFor how long they are without one.
	sparesMost = 2 * maxTransfer
	sparesFor  = 10 * time.Second
)

// mappings are pieces of memory outside of the Go heap, larger than those of the arena. A stream of large commands uses the same ones again and again: pages that are
// new take the kernel longer than moving the data.
type mappings struct {
	mu     sync.Mutex
	spare  []*mapping // those that came back last are last
	kept   int64      // bytes of spare
	used   bool       // since the timer ran last
	timer  *time.Timer
	lent   int64 // bytes
	closed bool
}

// A mapping is one of them, and the owner of the lease of it.
type mapping struct {
	all   *mappings
	mem   []byte
	lease buffer.Lease
	purse *buffer.Purse // what has paid for it; nil: it is lunette's own
}

// get lends n bytes, for which purse pays.
func (m *mappings) get(n int64, purse *buffer.Purse) (*buffer.Lease, error) {
	size := int64(leastMapping)
	for size < n {
		size *= 2
	}
	if purse != nil {
		if err := purse.Charge(size); err != nil {
			return nil, err
		}
	}
	g := m.takeSpare(size)
	if g == nil {
		mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			if purse != nil {
				purse.Uncharge(size)
			}
			return nil, fmt.Errorf("map %d bytes: %w: %w", size, buffer.ErrExhausted, err)
		}
		g = &mapping{all: m, mem: mem}
	}
	g.purse = purse
	g.lease.Init(g, buffer.Segment{Mem: g.mem[:n]})
	m.mu.Lock()
	m.lent += size
	m.mu.Unlock()
	return &g.lease, nil
}

// takeSpare returns a mapping of the size that is kept, or nil.
func (m *mappings) takeSpare(size int64) *mapping {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used = true
	for i := len(m.spare) - 1; i >= 0; i-- {
		if g := m.spare[i]; int64(len(g.mem)) == size {
			m.spare = append(m.spare[:i], m.spare[i+1:]...)
			m.kept -= size
			return g
		}
	}
	return nil
}

// Reclaim takes the memory of g back.
func (g *mapping) Reclaim(*buffer.Lease) {
	m, size := g.all, int64(len(g.mem))
	if g.purse != nil {
		g.purse.Uncharge(size)
		g.purse = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lent -= size
	if m.closed || m.kept+size > sparesMost {
		_ = unix.Munmap(g.mem)
		return
	}
	m.spare = append(m.spare, g)
	m.kept += size
	if m.timer == nil {
		m.timer = time.AfterFunc(sparesFor, m.trim)
	}
}

// trim unmaps what is kept, if nothing of it was used for long.
func (m *mappings) trim() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timer = nil
	switch {
	case m.closed:
	case m.used:
		m.used = false
		m.timer = time.AfterFunc(sparesFor, m.trim)
	default:
		m.drop()
	}
}

// drop unmaps what is kept. m.mu is held.
func (m *mappings) drop() {
	for _, g := range m.spare {
		_ = unix.Munmap(g.mem)
	}
	m.spare, m.kept = nil, 0
}

// close unmaps what is not lent; what is lent is unmapped when it comes back.
func (m *mappings) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.drop()
}
