package sim

import (
	"math/rand/v2"
	"time"
)

// Faults say what becomes of each frame. They are asked once for each, when it leaves, with a lock of the network held: they do not call it.
type Faults func(Event) Fate

// An Event is a frame that leaves.
type Event struct {
	N     int    // how many frames have left on the network before
	Host  string // whose it is
	Frame []byte // borrowed, and not changed
}

// A Fate is what becomes of a frame. The zero Fate is that it arrives.
type Fate struct {
	Drop   bool
	Double bool          // it arrives twice
	Delay  time.Duration // it arrives later, behind those that have left in the meantime
	Damage int           // so many bits of it are wrong
	Seed   uint64        // which ones
}

// Rates are how often something happens to a frame: 0 to 1.
type Rates struct {
	Drop, Double, Reorder, Damage float64
	// Late is how much later those arrive at most that are not in order; 0: a millisecond.
	Late time.Duration
}

// Random are faults at random, which depend on the seed and the number of the frame alone.
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
		return f
	}
}

// Nth is the fate of the nth frame, from 0 on.
func Nth(n int, f Fate) Faults {
	return func(e Event) Fate {
		if e.N == n {
			return f
		}
		return Fate{}
	}
}

// damage makes bits behind the addresses and the type wrong.
func damage(b []byte, bits int, seed uint64) {
	if len(b) <= 14 {
		return
	}
	x := rand.New(rand.NewPCG(seed, 1))
	at := x.IntN((len(b) - 14) * 8)
	for i := range bits { // bits next to each other: they do not make each other right again
		k := (at + i) % ((len(b) - 14) * 8)
		b[14+k/8] ^= 1 << (k % 8)
	}
}
