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
	last sync.Pool // of *counter: for each processor the one that it used last

	mu       sync.Mutex
	counters []*counter
	next     int
}

// A counter counts the leases that are out, of those that one processor has made. A lease nearly
// always stays with the processor that has made it, and so does the counter.
type counter struct {
	n atomic.Int64
	_ [120]byte // so that no other variable is in the same cache line
}

// Get returns a lease of seg, and of more, for owner. It allocates if there are more than four.
func (p *Pool) Get(owner Owner, seg Segment, more ...Segment) *Lease {
	l, _ := p.free.Get().(*Lease)
	if l == nil {
		l = &Lease{count: p.counter()}
	}
	l.count.n.Add(1)
	l.store[0] = seg
	l.segs = l.store[:1]
	l.n = int64(len(seg.Mem))
	for _, s := range more {
		l.segs = append(l.segs, s)
		l.n += int64(len(s.Mem))
	}
	l.owner = owner
	l.refs.Store(1)
	return l
}

// counter returns a counter for a new lease. There are at most twice as many counters as processors.
func (p *Pool) counter() *counter {
	c, _ := p.last.Get().(*counter)
	if c == nil {
		p.mu.Lock()
		if n := 2 * runtime.GOMAXPROCS(0); len(p.counters) < n {
			c = new(counter)
			p.counters = append(p.counters, c)
		} else { // the collector has emptied last: the counters are used again, one after the other
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
