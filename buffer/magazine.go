package buffer

import "math/bits"

// Small blocks have a cache for each processor before the arena: magazines, as Bonwick's
// allocator has them. A lease of up to smallMax bytes is taken from the magazine of the processor
// that asks, and goes into that of the processor that releases it, without the arena's lock. Blocks
// in magazines count against the arena's limit until the arena needs them back (drain).
const (
	smallOrders   = 5
	smallMax      = MinBlock << (smallOrders - 1)
	magazineBytes = 256 << 10 // of blocks of one size, for each processor
)

// magazines are the free small blocks of one processor, by order: as leases that lead to them.
type magazines struct {
	free [smallOrders]*Lease
	n    [smallOrders]int
}

// getSmall lends n bytes of a block from a magazine; nil if that is empty.
func (a *Arena) getSmall(n int64) *Lease {
	order := orderOf(n)
	c := a.magazines.take()
	l := c.v.free[order]
	if l != nil {
		c.v.free[order] = l.next
		c.v.n[order]--
	}
	a.magazines.give(c)
	if l == nil {
		return nil
	}
	l.next = nil
	l.segs = l.store[:1]
	l.segs[0].Mem = l.segs[0].Mem[:n]
	l.n = n
	l.refs.Store(1)
	return l
}

// putSmall takes l back into a magazine, if it is a lease of one small block. When that has too
// many blocks, half of them go to the arena.
func (a *Arena) putSmall(l *Lease) bool {
	mem := l.store[0].Mem
	if cap(l.segs) != inline || l.store[1].Region != nil || cap(mem) > smallMax {
		return false
	}
	order := bits.TrailingZeros(uint(cap(mem))) - minShift
	k := l
	if !recycle {
		k = &Lease{owner: a}
		k.store[0] = l.store[0]
		clear(l.store[:])
	}
	k.segs = nil
	c := a.magazines.take()
	v := &c.v
	k.next = v.free[order]
	v.free[order] = k
	v.n[order]++
	var over *Lease
	if most := magazineBytes / (MinBlock << order); v.n[order] > most {
		over = v.cut(order, most/2)
	}
	a.magazines.give(c)
	if over != nil {
		a.mu.Lock()
		a.giveBackAll(over)
		a.mu.Unlock()
	}
	return true
}

// cut leaves the n blocks of an order that came back last, and returns the list of the others.
func (v *magazines) cut(order, n int) *Lease {
	v.n[order] = n
	at := &v.free[order]
	for ; n > 0; n-- {
		at = &(*at).next
	}
	rest := *at
	*at = nil
	return rest
}

// giveBackAll gives back a list of small blocks. a.mu is held.
func (a *Arena) giveBackAll(l *Lease) {
	for l != nil {
		next := l.next
		l.next = nil
		l.segs = l.store[:1]
		a.giveBack(l)
		l = next
	}
}

// drain empties all magazines into the arena, and reports whether there were any blocks in them.
// a.mu is held.
func (a *Arena) drain() bool {
	any := false
	a.magazines.each(func(v *magazines) {
		for order := range v.free {
			any = any || v.n[order] > 0
			a.giveBackAll(v.cut(order, 0))
		}
	})
	return any
}

// inMagazines is how many bytes lie in magazines.
func (a *Arena) inMagazines() int64 {
	sum := int64(0)
	a.magazines.each(func(v *magazines) {
		for order, n := range v.n {
			sum += int64(n) * MinBlock << order
		}
	})
	return sum
}
