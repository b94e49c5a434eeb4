package cm

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// Limits are how many messages of a kind are answered in a second, and at once after a time without any. What is more is dropped, as the network may do it, and
// comes again if it was meant.
type Limits struct {
	Address int // REQs of one address (of IPv6, one /64)
	All     int // REQs of all addresses that have no connection
	Unknown int // answers to messages that belong to nothing: DREP, REJ, and refusals
}

// DefaultLimits are those of a manager that was not told others.
func DefaultLimits() Limits { return Limits{Address: 200, All: 2000, Unknown: 1000} }

func (l Limits) filled() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ l, d *int }{{&l.Address, &d.Address}, {&l.All, &d.All}, {&l.Unknown, &d.Unknown}} {
		if *f.l <= 0 {
			*f.l = *f.d
		}
	}
	return l
}

// house is who an address belongs to: of IPv6 the network, since every host there has more addresses than anybody could count.
func house(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr().WithZone(a.Zone())
}

// A bucket has tokens, which come at a rate, up to those of one second.
type bucket struct {
	left float64
	at   time.Time
}

// take takes a token, if there is one.
func (b *bucket) take(now time.Time, rate int) bool {
	b.left = min(float64(rate), b.left+now.Sub(b.at).Seconds()*float64(rate))
	if b.at.IsZero() {
		b.left = float64(rate)
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// A gate lets REQs in at the rates of Limits. It has no memory for an address that it sees for the first time: those without connections share buckets by a hash that
// nobody outside can know.
type gate struct {
	limits       Limits
	seed         maphash.Seed
	strangers    [1024]bucket
	all, unknown bucket
}

func newGate(l Limits) *gate { return &gate{limits: l.filled(), seed: maphash.MakeSeed()} }

// stranger lets a REQ in that is from a house with no connection, or not. again: it is one that has come before, and costs nothing new.
func (g *gate) stranger(h netip.Addr, again bool) bool {
	now := time.Now()
	b := &g.strangers[maphash.Comparable(g.seed, h)%uint64(len(g.strangers))]
	return b.take(now, g.limits.Address) && (again || g.all.take(now, g.limits.All))
}

// answer reports whether a message that belongs to nothing is answered.
func (g *gate) answer() bool { return g.unknown.take(time.Now(), g.limits.Unknown) }

// A resident is a house that has connections.
type resident struct {
	connections int
	asks        bucket
}
