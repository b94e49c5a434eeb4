package buffer

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A Pool recycles the Lease values of one owner, so that lending allocates
// nothing, and counts what is out. The zero Pool is ready to use.
type Pool struct {
	free sync.Pool // of *Lease
	last sync.Pool // of *counter: those that the processors used last

	mu       sync.Mutex
	counters []*counter
	next     int
}

// A counter counts leases that are out, of those that one processor made: they stay with it,
// nearly always, and so does the counter.
type counter struct {
	n atomic.Int64
	_ [120]byte // what lies behind it is somebody else's
}

// Get returns a lease of segs for owner.
func (p *Pool) Get(owner Owner, seg Segment) *Lease {
	l, _ := p.free.Get().(*Lease)
	if l == nil {
		l = &Lease{count: p.counter()}
	}
	l.count.n.Add(1)
	l.store[0] = seg
	l.segs = l.store[:1]
	l.n = int64(len(seg.Mem))
	l.owner = owner
	l.refs.Store(1)
	return l
}

// counter returns one for a new lease. There are at most twice as many as processors.
func (p *Pool) counter() *counter {
	c, _ := p.last.Get().(*counter)
	if c == nil {
		p.mu.Lock()
		if n := 2 * runtime.GOMAXPROCS(0); len(p.counters) < n {
			c = new(counter)
			p.counters = append(p.counters, c)
		} else { // the collector has emptied last: the one that waits longest is used again
			c = p.counters[p.next%len(p.counters)]
			p.next++
		}
		p.mu.Unlock()
	}
	p.last.Put(c)
	return c
}

// Put takes a released lease back; owners call it from Reclaim.
func (p *Pool) Put(l *Lease) {
	l.count.n.Add(-1)
	clear(l.store[:])
	l.segs = nil
	if recycle {
		p.free.Put(l)
	}
}

// Outstanding is the number of leases not yet released: 0 at the end of every test.
func (p *Pool) Outstanding() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := int64(0)
	for _, c := range p.counters {
		sum += c.n.Load()
	}
	return sum
}
