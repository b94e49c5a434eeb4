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
	// Always spins every time. Else it is done where it pays: while what is looked for does
	// come in time, and for one processor less than there are.
	Always bool
}

// AutoSpin spins where it pays. A peer that has one command out sends the next one within
// that time, if it does not think: two wake-ups, and what both sides do between them. Engines
// do not spin for a peer that sends much at a time: what follows is a batch again, which is
// worth a wake-up.
func AutoSpin() Spin { return Spin{Time: 100 * time.Microsecond} }

// spinners are those that spin with one Spin: at most one less than processors, since what
// they wait for needs one.
type spinners struct {
	Spin
	now atomic.Int32
}

// A spinner looks for work for one sleeper.
type spinner struct {
	all  *spinners
	ends time.Time // of what it does now; zero: it does not spin
	skip int       // sleeps until it tries again
	back int       // how many that will be after the next time in vain
}

// maxBack is how many sleeps follow one spin in vain at most: what idles wastes nothing.
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

// found ends spinning: there is work.
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
