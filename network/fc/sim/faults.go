package sim

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/internal/station"
)

// Faults say what becomes of each frame. They are asked once for each, when it is about to leave, with the network's
// lock held: they call nothing of it.
type Faults func(Event) Fate

// An Event is a frame that is about to leave.
type Event struct {
	From fc.Name // the port that sends it, or, of one that comes from a fabric, that which gets it
	Down bool    // it comes from the fabric
	N    int     // how many frames were about to leave this way before
	fc.Header
	First, Last bool
	Len         int // of the payload
}

// A Fate is what becomes of a frame. The zero Fate is that it arrives.
type Fate struct {
	Gate   *Gate         // it leaves when the test says so, and what is behind it to the same address
	Drop   bool          // it is lost
	Damage bool          // it arrives with a wrong CRC: whoever gets it throws it away, and counts it
	Copies int           // it arrives once more, so many times
	Hold   int           // it arrives when so many others that leave after it have arrived there, or after 50 ms
	Delay  time.Duration // it arrives so much later, and is overtaken
}

// A Gate holds frames until it is opened. Its zero value is closed.
type Gate struct {
	mu      sync.Mutex
	open    bool
	waiting []waiter
}

// A waiter is who sends frames that a gate holds.
type waiter struct {
	net *Network
	who *station.Station
}

// Open lets go what the gate holds, and whatever comes to it later.
func (g *Gate) Open() {
	g.mu.Lock()
	waiting := g.waiting
	g.open, g.waiting = true, nil
	g.mu.Unlock()
	for _, w := range waiting {
		w.net.mu.Lock()
		w.who.Poke()
		w.net.mu.Unlock()
	}
}

// wait reports whether somebody has to wait at the gate: it is poked when it opens. n.mu is held.
func (g *Gate) wait(n *Network, who *station.Station) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w := (waiter{n, who}); !g.open && !slices.Contains(g.waiting, w) {
		g.waiting = append(g.waiting, w)
	}
	return !g.open
}

// Break sets what goes wrong from now on; nil is nothing.
func (n *Network) Break(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
}

// fate asks what becomes of a frame. n.mu is held.
func (n *Network) fate(e Event) Fate {
	if n.faults == nil {
		return Fate{}
	}
	return n.faults(e)
}

// Nth is the fate of frame number n of a port, from 0 on.
func Nth(from fc.Name, n int, f Fate) Faults {
	return func(e Event) Fate {
		if e.From == from && e.N == n && !e.Down {
			return f
		}
		return Fate{}
	}
}

// Rates are how often something goes wrong, out of 1000 frames each.
type Rates struct {
	Drop, Damage, Double, Hold, Delay int
	Most                              time.Duration // of a delay; 0: a millisecond
}

// Seeded draws fates. They depend on the seed, the port and the number of the frame alone.
func Seeded(seed uint64, r Rates) Faults {
	if r.Most <= 0 {
		r.Most = time.Millisecond
	}
	return func(e Event) (f Fate) {
		stream := uint64(e.From)*0x9e3779b97f4a7c15 + uint64(e.N)<<1
		if e.Down {
			stream++
		}
		draw := rand.New(rand.NewPCG(seed, stream))
		hit := func(rate int) bool { return draw.IntN(1000) < rate }
		f.Drop, f.Damage = hit(r.Drop), hit(r.Damage)
		if hit(r.Double) {
			f.Copies = 1
		}
		if hit(r.Hold) {
			f.Hold = 1 + draw.IntN(8)
		}
		if hit(r.Delay) {
			f.Delay = time.Duration(draw.Int64N(int64(r.Most)) + 1)
		}
		return f
	}
}

// misuse is what a user has got wrong. Hardware would send something else, or nothing: here it is said at once.
func misuse(what string) { panic("fc/sim: misuse: " + what) }
