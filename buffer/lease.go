// Package buffer carries data on the move between stores and networks, with an owner.
package buffer

import (
	"iter"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/nontemporal"
)

// A Region is one block of memory outside the Go heap, 16 MiB at the most. A ring of io_uring, or an RDMA device,
// registers it once, and then any part of it is ready for DMA.
type Region struct {
	ID  int    // its number in the list that it is in
	Mem []byte // page aligned, never moved, never seen by the garbage collector
	// Resident: all of it is memory in use, or soon is. One that is not takes memory page by page; who registers it makes it take all.
	Resident bool

	list  *Regions // set by Regions.Add, and read by those who got the region after that
	index int32    // in the arena that it belongs to

	pin  sync.Mutex // comes after all other locks
	pins int        // guarded by pin
}

// A Segment is one contiguous piece of data. Region is the region that Mem lies
// in, or nil for memory that nobody registered.
type Segment struct {
	Mem    []byte
	Region *Region
}

// An Owner takes memory back. Reclaim is called once, by whoever releases the
// last reference, on that goroutine; it must not block.
type Owner interface {
	Reclaim(l *Lease)
}

// inline is how many segments a lease holds without an allocation. Arena and
// memory-store leases have one; only transfers over [MaxBlock] have more.
const inline = 4

// A Lease is data with an owner to return it to. It has one holder at a time,
// who passes it on or calls Release, exactly once. Every function that takes a
// *Lease says which: it "takes" (the callee is the holder now) or "borrows"
// (the caller still is, and the callee keeps nothing after it returns).
//
// A lease is used by one goroutine at a time; only the reference count is atomic.
type Lease struct {
	segs  []Segment
	store [inline]Segment
	n     int64
	refs  atomic.Int32
	owner Owner
	// Token is the owner's own note: where the memory came from.
	Token uint64
	next  *Lease   // in a free list of the owner
	count *counter // of the Pool that has made the lease, or nil

	foreign bool // see Foreign
	kept    bool // see Kept

	// The accounts that have paid for the memory, and how much; see account.go.
	by, at *Account
	paid   int64
	// A promise: its purse, while it is empty.
	promised *Purse
	empty    atomic.Bool
}

// Init makes l a lease of segs that owner takes back. It is for owners, who
// recycle their leases; everyone else calls [New].
func (l *Lease) Init(owner Owner, segs ...Segment) {
	l.segs = append(l.store[:0], segs...)
	l.n = 0
	for i := range segs {
		l.n += int64(len(segs[i].Mem))
	}
	l.owner = owner
	l.foreign, l.kept = false, false
	l.refs.Store(1)
}

// InitForeign is Init for memory that is not this process's alone; segs is not copied, and is the lease's until it is taken back.
func (l *Lease) InitForeign(owner Owner, segs []Segment) {
	l.Init(owner)
	l.segs = segs
	for i := range segs {
		l.n += int64(len(segs[i].Mem))
	}
	l.foreign = true
}

// Foreign reports that the memory is not this process's alone, as a guest's that is mapped here: others change it while the lease is out, and may take it away, which ends a process that
// touches it. It is for the kernel to read and write, and for package guard.
func (l *Lease) Foreign() bool { return l.foreign }

// Keep is for owners, after Init: the lease is Kept from now on.
func (l *Lease) Keep() { l.kept = true }

// Kept reports that the memory is where data stays, as that of a unit in memory, and not a buffer on its way: most of it is in no cache of the processor, and what is copied there
// should not be either.
func (l *Lease) Kept() bool { return l.kept }

// New returns a lease of segs; owner may be nil for memory that the garbage
// collector looks after.
func New(owner Owner, segs ...Segment) *Lease {
	l := new(Lease)
	l.Init(owner, segs...)
	return l
}

// Of returns a lease of garbage-collected memory. It allocates: not for hot paths.
func Of(mem []byte) *Lease { return New(nil, Segment{Mem: mem}) }

// Len is the number of bytes.
func (l *Lease) Len() int64 { return l.n }

// Segments is the number of contiguous pieces.
func (l *Lease) Segments() int { return len(l.segs) }

// Segment returns piece i by value: nobody can edit the lease through it.
func (l *Lease) Segment(i int) Segment { return l.segs[i] }

// All yields the pieces in order.
func (l *Lease) All() iter.Seq[Segment] {
	return func(yield func(Segment) bool) {
		for _, s := range l.segs {
			if !yield(s) {
				return
			}
		}
	}
}

// At returns the contiguous bytes from off to the end of the piece that off lies
// in: what a caller that walks the lease reads or writes next. It returns nil at
// or after the end.
func (l *Lease) At(off int64) []byte {
	for i := range l.segs {
		n := int64(len(l.segs[i].Mem))
		if off < n {
			return l.segs[i].Mem[off:]
		}
		off -= n
	}
	return nil
}

// Truncate shortens the lease to n bytes; the owner still gets all of it back.
func (l *Lease) Truncate(n int64) {
	if n >= l.n {
		return
	}
	l.n = n
	for i := range l.segs {
		m := int64(len(l.segs[i].Mem))
		if n <= m {
			l.segs[i].Mem = l.segs[i].Mem[:n]
			l.segs = l.segs[:i+1]
			return
		}
		n -= m
	}
}

// Slice returns a second lease of n bytes at off. It shares the memory: both must
// be released. It allocates: hot paths walk with At instead.
func (l *Lease) Slice(off, n int64) *Lease {
	if off < 0 || n < 0 || off > l.n-n {
		panic("buffer: slice outside the lease")
	}
	l.refs.Add(1)
	s := &Lease{owner: part{l}, foreign: l.foreign}
	s.refs.Store(1)
	s.segs = s.store[:0]
	s.n = n
	for i := 0; n > 0; i++ {
		g := l.segs[i]
		if m := int64(len(g.Mem)); off >= m {
			off -= m
			continue
		}
		g.Mem = g.Mem[off:]
		if int64(len(g.Mem)) > n {
			g.Mem = g.Mem[:n]
		}
		n -= int64(len(g.Mem))
		off = 0
		s.segs = append(s.segs, g)
	}
	return s
}

// part gives a slice back to the lease that it was cut from.
type part struct{ whole *Lease }

func (p part) Reclaim(*Lease) { p.whole.Release() }

// Release gives the lease back. The caller must not use it again; a second call
// panics (always, unless the owner has lent the lease again in between: builds with
// the race detector do not recycle leases, so that there it is always found).
func (l *Lease) Release() {
	switch r := l.refs.Add(-1); {
	case r > 0:
	case r < 0:
		panic("buffer: lease released twice")
	default:
		if l.owner != nil {
			l.owner.Reclaim(l)
		}
	}
}

// Copy copies from src into l at off and returns the number of bytes, which is
// less than len(src) only at the end of the lease.
func (l *Lease) Copy(off int64, src []byte) int {
	done := 0
	for done < len(src) {
		dst := l.At(off + int64(done))
		if dst == nil {
			break
		}
		if l.kept {
			done += nontemporal.Copy(dst, src[done:])
		} else {
			done += copy(dst, src[done:])
		}
	}
	return done
}

// Read copies from l at off into dst and returns the number of bytes, which is
// less than len(dst) only at the end of the lease.
func (l *Lease) Read(off int64, dst []byte) int {
	done := 0
	for done < len(dst) {
		src := l.At(off + int64(done))
		if src == nil {
			break
		}
		done += copy(dst[done:], src)
	}
	return done
}

// Clear zeroes n bytes at off. Memory that is lent again is not clean, so whoever
// answers with less than was filled clears the rest first.
func (l *Lease) Clear(off, n int64) {
	for n > 0 {
		dst := l.At(off)
		if dst == nil {
			return
		}
		if int64(len(dst)) > n {
			dst = dst[:n]
		}
		clear(dst)
		off += int64(len(dst))
		n -= int64(len(dst))
	}
}
