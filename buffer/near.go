package buffer

import "math/bits"

// Small blocks are kept near the processors that use them: a lease of up to nearMax bytes comes
// from there, and goes back there, without the arena's lock. They count as lent to the
// arena's limit, until it needs them back.
const (
	nearOrders = 5
	nearMax    = MinBlock << (nearOrders - 1)
	nearBytes  = 256 << 10 // of blocks of one size, for each shard
)

// near are the free small blocks of one shard, by order: leases that have theirs.
type near struct {
	free [nearOrders]*Lease
	n    [nearOrders]int
}

// lendNear lends n bytes from near by; nil if there are none.
func (a *Arena) lendNear(n int64) *Lease {
	order := orderOf(n)
	c := a.near.take()
	l := c.v.free[order]
	if l != nil {
		c.v.free[order] = l.next
		c.v.n[order]--
	}
	a.near.give(c)
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

// keepNear takes l back if it is of one small block. When there are many of them here, half
// go to the arena.
func (a *Arena) keepNear(l *Lease) bool {
	mem := l.store[0].Mem
	if cap(l.segs) != inline || l.store[1].Region != nil || cap(mem) > nearMax {
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
	c := a.near.take()
	v := &c.v
	k.next = v.free[order]
	v.free[order] = k
	v.n[order]++
	var over *Lease
	if most := nearBytes / (MinBlock << order); v.n[order] > most {
		over = v.cut(order, most/2)
	}
	a.near.give(c)
	if over != nil {
		a.mu.Lock()
		a.giveBackAll(over)
		a.mu.Unlock()
	}
	return true
}

// cut leaves the n blocks of an order that came back last, and returns the others.
func (v *near) cut(order, n int) *Lease {
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

// drain gets all small blocks back that are not lent. a.mu is held. It reports whether
// there were any.
func (a *Arena) drain() bool {
	any := false
	a.near.each(func(v *near) {
		for order := range v.free {
			any = any || v.n[order] > 0
			a.giveBackAll(v.cut(order, 0))
		}
	})
	return any
}

// nearby is how many bytes are kept near.
func (a *Arena) nearby() int64 {
	sum := int64(0)
	a.near.each(func(v *near) {
		for order, n := range v.n {
			sum += int64(n) * MinBlock << order
		}
	})
	return sum
}
