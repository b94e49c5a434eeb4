package sim

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// Faults say what becomes of each work. They are asked once for each, when it is about to
// leave, with no lock held, from any goroutine.
type Faults func(Event) Fate

// An Event is a work that is about to leave.
type Event struct {
	Dialed bool // by the side that dialed
	N      int  // how many works have left on this side before
	Op     rdma.Op
	Len    int64 // of the message, or of the data that moves
}

// A Fate is what becomes of a work. The zero Fate is that it is done.
type Fate struct {
	Delay time.Duration // it leaves so much later, and all that is behind it
	Hold  *Gate         // it leaves when the test says so, and all that is behind it
	Late  time.Duration // Done is so much later than the effect

	// Cut loses the connection when At bytes of the work have moved: in the middle of a
	// Write or Read, or before a Send. Both sides learn of it at once.
	Cut bool
	At  int64

	// Drop loses the work, and with it everything that follows in both directions, since a
	// reliable connection loses nothing else. Both sides learn of it after Learn; if that is
	// 0 each learns when it closes.
	Drop  bool
	Learn time.Duration

	// Mute is a peer that never answers a Read.
	Mute bool

	// Swap has a SendInvalidate arrive with this key instead of its own, if Swaps.
	Swaps bool
	Swap  rdma.Key
}

// A Gate holds works until it is opened.
type Gate struct {
	mu      sync.Mutex
	open    bool
	waiting []func()
}

// Open lets go what the gate holds, and holds nothing any more.
func (g *Gate) Open() {
	g.mu.Lock()
	waiting := g.waiting
	g.open, g.waiting = true, nil
	g.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

// wait calls f when the gate opens. false: it is open.
func (g *Gate) wait(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open {
		g.waiting = append(g.waiting, f)
	}
	return !g.open
}

// Nth is the fate of the nth work of the side that dialed, or of the other, from 0 on.
func Nth(dialed bool, n int, f Fate) Faults {
	return func(e Event) Fate {
		if e.Dialed == dialed && e.N == n {
			return f
		}
		return Fate{}
	}
}

// Rates are how often something goes wrong, out of 1000 works each.
type Rates struct {
	Delay, Late int           // by up to Most
	Most        time.Duration // 0: a millisecond
	Cut, Drop   int           // a Drop is learnt of after Most
}

// Seeded draws fates. They depend on the seed, the side and the number of the work alone.
func Seeded(seed uint64, r Rates) Faults {
	if r.Most <= 0 {
		r.Most = time.Millisecond
	}
	return func(e Event) (f Fate) {
		stream := uint64(e.N) << 1
		if e.Dialed {
			stream++
		}
		draw := rand.New(rand.NewPCG(seed, stream))
		hit := func(rate int) bool { return draw.IntN(1000) < rate }
		if hit(r.Delay) {
			f.Delay = time.Duration(draw.Int64N(int64(r.Most)) + 1)
		}
		if hit(r.Late) {
			f.Late = time.Duration(draw.Int64N(int64(r.Most)) + 1)
		}
		if hit(r.Cut) {
			f.Cut, f.At = true, draw.Int64N(e.Len+1)
		}
		if hit(r.Drop) {
			f.Drop, f.Learn = true, r.Most
		}
		return f
	}
}
