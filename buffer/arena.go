package buffer

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Block sizes of an arena. A request is rounded up to a power of two between
// them; a larger one gets several blocks.
const (
	MinBlock = 4 << 10
	MaxBlock = 1 << 20
)

const (
	minShift = 12
	maxShift = 20
	orders   = maxShift - minShift + 1
	regionSz = 16 << 20
)

// ErrExhausted reports that an arena has lent all it may. The caller refuses the command: nothing on
// a data path waits for memory, since what would free it may wait for the same worker.
var ErrExhausted = errors.New("buffer: arena exhausted")

// An Arena lends page-aligned memory outside the Go heap, up to a limit. It is a
// buddy allocator over regions of 16 MiB that are mapped as they are needed, and
// prefers the memory that came back last, which is still in the processor's cache. Small blocks
// stay with the processor that used them (magazine.go).
type Arena struct {
	limit     int64
	list      *Regions // has its regions; comes after mu
	magazines perCPU[magazines]

	ledger ledger
	lent   atomic.Int64 // changed with mu, and read without

	mu      sync.Mutex // guards what follows. It comes before the locks of magazines
	regions []*Region
	free    [orders][]block
	state   [][]uint8 // by region, by 4 KiB page: order+1 of a free block that starts here
	peak    int64
	leases  *Lease
	trimmer trimmer
}

// A block is the place of a piece of memory: region index and first page.
type block struct{ region, page int32 }

// NewArena returns an arena that lends at most limit bytes at a time. Its regions have a list of their own.
func NewArena(limit int64) *Arena { return NewArenaIn(new(Regions), limit) }

// NewArenaIn returns an arena that puts its regions into a list.
func NewArenaIn(list *Regions, limit int64) *Arena {
	return &Arena{limit: max(limit, MaxBlock), list: list, ledger: ledger{epoch: time.Now()}}
}

// Regions is the list that has the regions of a.
func (a *Arena) Regions() *Regions { return a.list }

// Get lends n bytes, or returns [ErrExhausted]. The memory is not cleared.
func (a *Arena) Get(n int64) (*Lease, error) {
	if n <= 0 {
		n = 1
	}
	if n <= smallMax {
		if l := a.getSmall(n); l != nil {
			return l, nil
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.lease()
	if !a.fill(l, n) {
		a.keep(l)
		return nil, ErrExhausted
	}
	return l, nil
}

// lease returns a lease of nothing. a.mu is held.
func (a *Arena) lease() *Lease {
	l := a.leases
	if l != nil {
		a.leases = l.next
		l.next = nil
	} else {
		l = new(Lease)
	}
	l.owner, l.segs, l.n = a, l.store[:0], 0
	l.refs.Store(1)
	return l
}

// fill makes n bytes the memory of l, which has none. It reports false if there are not so many, and
// l has none then. a.mu is held.
func (a *Arena) fill(l *Lease, n int64) bool {
	for left := n; left > 0; {
		order := orderOf(left)
		b, ok := a.take(order)
		if !ok && a.drain() {
			b, ok = a.take(order)
		}
		if !ok {
			a.freeBlocks(l)
			l.segs = l.store[:0]
			return false
		}
		size := int64(MinBlock) << order
		r := a.regions[b.region]
		at := int64(b.page) << minShift
		l.segs = append(l.segs, Segment{Mem: r.Mem[at : at+min(size, left) : at+size], Region: r})
		left -= size
	}
	if l.n != n { // a promise has its length
		l.n = n
	}
	a.peak = max(a.peak, a.lent.Load())
	return true
}

// orderOf is the order of the smallest block that holds n bytes, or of the largest block.
func orderOf(n int64) int {
	if n >= MaxBlock {
		return orders - 1
	}
	return max(bits.Len64(uint64(n-1))-minShift, 0)
}

// take takes a block of the order off the free lists; if need be it splits a larger one, or maps a new
// region. It returns false if the limit is reached. a.mu is held.
func (a *Arena) take(order int) (block, bool) {
	if a.lent.Load()+MinBlock<<order > a.limit {
		return block{}, false
	}
	for o := order; ; o++ {
		if o == orders {
			if err := a.grow(); err != nil {
				return block{}, false
			}
			o = orders - 1
		}
		for len(a.free[o]) > 0 {
			b := a.free[o][len(a.free[o])-1]
			a.free[o] = a.free[o][:len(a.free[o])-1]
			if a.state[b.region][b.page] != uint8(o+1) {
				continue // merged away since it was pushed
			}
			a.state[b.region][b.page] = 0
			for o > order { // give the upper halves back
				o--
				a.push(block{b.region, b.page + 1<<o}, o)
			}
			a.lent.Add(MinBlock << order)
			a.touch(b)
			return b, true
		}
	}
}

// push puts a free block into the list of its order. a.mu is held.
func (a *Arena) push(b block, order int) {
	a.state[b.region][b.page] = uint8(order + 1)
	a.free[order] = append(a.free[order], b)
	// Entries that merging left behind are dropped when they are popped; drop them
	// here as well before they add up.
	if s := a.free[order]; len(s) > 64 && len(s) > 4*len(a.regions)*(regionSz>>(minShift+order)) {
		live := s[:0]
		for _, e := range s {
			if a.state[e.region][e.page] == uint8(order+1) {
				live = append(live, e)
			}
		}
		a.free[order] = live
	}
}

// grow maps a region, and pushes its blocks. a.mu is held.
func (a *Arena) grow() error {
	mem, err := unix.Mmap(-1, 0, regionSz, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("buffer: map %d bytes: %w", regionSz, err)
	}
	// Huge pages save TLB misses; without them everything works as well.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	id := len(a.regions)
	r := &Region{Mem: mem, Resident: true, index: int32(id)}
	a.list.Add(r)
	a.regions = append(a.regions, r)
	a.state = append(a.state, make([]uint8, regionSz>>minShift))
	a.trimmer.used = append(a.trimmer.used, make([]bool, regionSz/MaxBlock)...)
	for page := regionSz >> minShift; page > 0; {
		page -= MaxBlock >> minShift
		a.push(block{int32(id), int32(page)}, orders-1)
	}
	return nil
}

// Reclaim takes a lease back; it is called by [Lease.Release].
func (a *Arena) Reclaim(l *Lease) {
	l.settle()
	if l.promised == nil && a.putSmall(l) {
		return
	}
	a.mu.Lock()
	a.giveBack(l)
	a.mu.Unlock()
}

// giveBack frees the blocks of a lease, and keeps the lease for the next Get. a.mu is held.
func (a *Arena) giveBack(l *Lease) {
	a.freeBlocks(l)
	a.keep(l)
	a.trimSoon()
}

// keep keeps a lease without memory for the next Get. a.mu is held.
func (a *Arena) keep(l *Lease) {
	l.segs, l.promised = nil, nil
	l.empty.Store(false)
	if recycle {
		l.next = a.leases
		a.leases = l
	}
}

// freeBlocks frees the blocks of a lease. a.mu is held.
func (a *Arena) freeBlocks(l *Lease) {
	// To the capacity: Truncate hides the segments behind the end.
	for _, s := range l.segs[:cap(l.segs)] {
		if s.Region == nil {
			continue
		}
		size := cap(s.Mem)
		order := bits.TrailingZeros(uint(size)) - minShift
		at := regionOffset(s)
		a.lent.Add(-int64(size))
		a.merge(block{s.Region.index, int32(at >> minShift)}, order)
	}
	clear(l.store[:])
}

// merge pushes a block, together with its buddy if that is free, and so on. a.mu is held.
func (a *Arena) merge(b block, order int) {
	for order < orders-1 {
		buddy := b.page ^ (1 << order)
		if a.state[b.region][buddy] != uint8(order+1) {
			break
		}
		a.state[b.region][buddy] = 0
		b.page &^= 1 << order
		order++
	}
	a.push(b, order)
}

// Charge counts n bytes that lie elsewhere against the arena's limit, as if they were lent, until
// Uncharge; or it returns [ErrExhausted].
func (a *Arena) Charge(n int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lent.Load()+n > a.limit && (!a.drain() || a.lent.Load()+n > a.limit) {
		return ErrExhausted
	}
	a.peak = max(a.peak, a.lent.Add(n))
	return nil
}

// Uncharge takes back a Charge of n bytes, or a part of it.
func (a *Arena) Uncharge(n int64) {
	a.mu.Lock()
	a.lent.Add(-n)
	a.mu.Unlock()
}

// Stats says how much is lent now, how much was at most (small blocks that were only kept for
// the next lease included), and the limit, in bytes.
func (a *Arena) Stats() (lent, peak, limit int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lent.Load() - a.inMagazines(), a.peak, a.limit
}

// Outstanding is the number of bytes not yet given back: 0 at the end of every test.
func (a *Arena) Outstanding() int64 { n, _, _ := a.Stats(); return n }

// Close unmaps the regions. It returns an error, and unmaps nothing, while memory
// is still lent.
func (a *Arena) Close() error {
	a.trimmer.busy.Lock()
	defer a.trimmer.busy.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trimmer.stop()
	a.drain()
	if n := a.lent.Load(); n != 0 {
		return fmt.Errorf("buffer: arena closed with %d bytes lent", n)
	}
	var err error
	for _, r := range a.regions {
		a.list.Remove(r)
		err = errors.Join(err, unix.Munmap(r.Mem))
	}
	a.regions, a.state, a.free = nil, nil, [orders][]block{}
	return err
}
