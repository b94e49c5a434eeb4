package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// Faults say what becomes of each datagram. They are asked once for each, when it leaves, with a lock of the network held: they do not call it.
type Faults func(Event) Fate

// An Event is a datagram that leaves.
type Event struct {
	N             int            // how many datagrams have left on the network before
	Local, Remote netip.AddrPort // of who sends it, and to whom
	ID            uint16         // the identification, of IPv4
	Data          []byte         // borrowed, and not changed
}

// A Fate is what becomes of a datagram. The zero Fate is that it arrives.
type Fate struct {
	Drop   bool
	Double bool          // it arrives twice
	Delay  time.Duration // it arrives later, behind those that have left in the meantime
	Damage int           // so many bits of it are wrong
	Seed   uint64        // which ones
	Mark   bool          // it is marked CE, if its sender is capable
}

// Rates are how often something happens to a datagram: 0 to 1.
type Rates struct {
	Drop, Double, Reorder, Damage, Mark float64
	// Late is how much later those arrive at most that are not in order; 0: a millisecond.
	Late time.Duration
}

// Random are faults at random, which depend on the seed and the number of the datagram alone.
func Random(seed uint64, r Rates) Faults {
	late := r.Late
	if late == 0 {
		late = time.Millisecond
	}
	return func(e Event) Fate {
		x := rand.New(rand.NewPCG(seed, uint64(e.N)))
		f := Fate{Drop: x.Float64() < r.Drop, Double: x.Float64() < r.Double}
		if x.Float64() < r.Reorder {
			f.Delay = 1 + time.Duration(x.Int64N(int64(late)))
		}
		if x.Float64() < r.Damage {
			f.Damage, f.Seed = 1+x.IntN(3), x.Uint64()
		}
		f.Mark = x.Float64() < r.Mark
		return f
	}
}

// Nth is the fate of the nth datagram, from 0 on.
func Nth(n int, f Fate) Faults {
	return func(e Event) Fate {
		if e.N == n {
			return f
		}
		return Fate{}
	}
}

// damage makes bits of a payload wrong.
func damage(b []byte, bits int, seed uint64) {
	if len(b) == 0 {
		return
	}
	x := rand.New(rand.NewPCG(seed, 1))
	at := x.IntN(len(b) * 8)
	for i := range min(bits, len(b)*8) { // bits next to each other: they do not make each other right again
		k := (at + i) % (len(b) * 8)
		b[k/8] ^= 1 << (k % 8)
	}
}

// A Bottleneck is a link that all datagrams between hosts go through, each direction of each pair of hosts for itself.
type Bottleneck struct {
	Rate    int64         // bytes a second, headers of IP and UDP included; 0: no limit
	Queue   int           // bytes that may wait for it; what comes beyond is lost. 0: no limit
	MarkAt  int           // bytes that wait already when a datagram is marked CE, if its sender is capable. 0: never
	Latency time.Duration // how long each datagram is on its way besides
}
