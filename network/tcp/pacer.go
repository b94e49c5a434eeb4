package tcp

import "time"

// A share is how long a connection receives and handles before others have their turn.
const share = 200 * time.Microsecond

// A pacer knows how much of its share a connection with a goroutine of its own takes. One that takes
// half of it, or more, is heavy. As long as some are not, those that are go on by the turnstile.
type pacer struct {
	e     *Goroutines
	began time.Time // of the turn
	spins bool      // nothing was found: the turn begins when something is
	long  int       // turns, up to the last one, that took half a share or more
	heavy bool
}

// weighty is after how many long turns a connection is heavy: who was only kept from the processor
// for a while is not.
const weighty = 4

// begin begins a turn.
func (p *pacer) begin() { p.began, p.spins = time.Now(), false }

// idle says that there was nothing to receive.
func (p *pacer) idle() { p.spins = true }

// found says that there was something.
func (p *pacer) found() {
	if p.spins {
		p.begin()
	}
}

// over reports that the turn has lasted as long as a share.
func (p *pacer) over() bool { return time.Since(p.began) >= share }

// end ends a turn.
func (p *pacer) end() {
	if p.spins || time.Since(p.began) < share/2 {
		p.long = 0
	} else {
		p.long++
	}
	p.set(p.long >= weighty)
}

func (p *pacer) set(heavy bool) {
	if heavy == p.heavy {
		return
	}
	p.heavy = heavy
	if heavy {
		p.e.heavy.Add(1)
	} else {
		p.e.heavy.Add(-1)
	}
}

// rarely is every how many long turns a heavy connection lets others go first though all of them are
// heavy too: one may be so by mistake.
const rarely = 8

// yields reports that the connection is heavy, and that it is the turn of others.
func (p *pacer) yields() bool {
	return p.heavy && (p.e.heavy.Load() < p.e.live.Load() || p.long%rarely == 0)
}
