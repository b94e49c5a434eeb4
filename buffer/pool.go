package buffer

import (
	"sync"
	"sync/atomic"
)

// A Pool recycles the Lease values of one owner, so that lending allocates
// nothing, and counts what is out. The zero Pool is ready to use.
type Pool struct {
	free sync.Pool
	out  atomic.Int64
}

// Get returns a lease of segs for owner.
func (p *Pool) Get(owner Owner, seg Segment) *Lease {
	p.out.Add(1)
	l, _ := p.free.Get().(*Lease)
	if l == nil {
		l = new(Lease)
	}
	l.store[0] = seg
	l.segs = l.store[:1]
	l.n = int64(len(seg.Mem))
	l.owner = owner
	l.refs.Store(1)
	return l
}

// Put takes a released lease back; owners call it from Reclaim.
func (p *Pool) Put(l *Lease) {
	p.out.Add(-1)
	clear(l.store[:])
	l.segs = nil
	if recycle {
		p.free.Put(l)
	}
}

// Outstanding is the number of leases not yet released: 0 at the end of every test.
func (p *Pool) Outstanding() int64 { return p.out.Load() }
