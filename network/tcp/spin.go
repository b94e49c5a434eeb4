package tcp

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A Spin says how long to look for work before sleeping. Sleeping and being woken again
// takes longer than many a command.
type Spin struct {
	// Time is how long; 0: not at all.
	Time time.Duration
	// Always spins before every sleep. Else a sleeper spins where it pays: as long as work does come
	// within Time, and on one processor fewer than there are.
	Always bool
}

// AutoSpin spins where it pays. A peer with one command outstanding, which sends the next one at once
// when it has the answer, does so within that time: it takes two wake-ups, and what both sides do
// between them. Engines do not spin for a peer that sends many commands at a time: the next batch is
// worth a wake-up.
func AutoSpin() Spin { return Spin{Time: 100 * time.Microsecond} }

// spinners counts the sleepers that spin with one Spin. At most one fewer than processors may: what
// they wait for needs a processor.
type spinners struct {
	Spin
	now atomic.Int32
}

// A spinner looks for work for one sleeper.
type spinner struct {
	all  *spinners
	ends time.Time // of what it does now; zero: it does not spin
	skip int       // how many times it sleeps without spinning before it tries again
	back int       // what skip was after the last time that it has spun in vain
}

// maxBack is how many sleeps without spinning follow a spin in vain, at most. So an idle connection
// wastes next to nothing.
const maxBack = 4096

// more reports, when nothing was found, whether to look again.
func (s *spinner) more() bool {
	if s.all.Time <= 0 {
		return false
	}
	if s.ends.IsZero() {
		if !s.begin() {
			return false
		}
	} else if time.Now().After(s.ends) {
		s.end()
		s.back = min(2*s.back+1, maxBack)
		s.skip = s.back
		return false
	}
	return true
}

func (s *spinner) begin() bool {
	a := s.all
	if !a.Always {
		if s.skip > 0 {
			s.skip--
			return false
		}
		if int(a.now.Add(1)) >= runtime.GOMAXPROCS(0) {
			a.now.Add(-1)
			return false
		}
	}
	s.ends = time.Now().Add(a.Time)
	return true
}

// found ends spinning because there is work.
func (s *spinner) found() {
	if !s.ends.IsZero() {
		s.end()
		s.back = 0
	}
}

// end ends spinning.
func (s *spinner) end() {
	s.ends = time.Time{}
	if !s.all.Always {
		s.all.now.Add(-1)
	}
}
