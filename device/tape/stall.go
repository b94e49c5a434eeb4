package tape

import (
	"sync"
	"time"

	"github.com/lunette-io/lunette/target"
)

// A stall is a READ that has the turn and waits for its initiator, which has to take data-in first. When others have waited for
// the turn meanwhile, for [target.Patience], its connection is ended: whoever takes nothing would keep the drive from all others.
type stall struct {
	mu    sync.Mutex
	task  *target.Task // nil: none
	x     *target.ITL  // of task
	since time.Time
	timer *time.Timer // nil: none has stalled yet, or the drive is closed
	over  bool        // the drive is closed
}

// begin notes that t may have to wait from now on.
func (s *stall) begin(t *target.Task) {
	s.mu.Lock()
	s.task, s.x, s.since = t, t.ITL(), time.Now()
	s.mu.Unlock()
}

// end notes that the task goes on.
func (s *stall) end() {
	s.mu.Lock()
	s.task, s.x = nil, nil
	s.mu.Unlock()
}

// watch has check called when a task has stalled long enough.
func (s *stall) watch(check func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over || s.task == nil: // it goes on already
	case s.timer == nil:
		s.timer = time.AfterFunc(target.Patience, check)
	default:
		s.timer.Reset(target.Patience)
	}
}

// long is the task that has stalled for long enough, if there is one, and its nexus. If one has not, or if one shall be
// looked at later, the timer goes on.
func (s *stall) long(others func(x *target.ITL) bool) (*target.Task, *target.ITL) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.task == nil || s.over {
		return nil, nil
	}
	left := target.Patience - time.Since(s.since)
	if left <= 0 && others(s.x) {
		return s.task, s.x
	}
	if left <= 0 {
		left = target.Patience // somebody may come
	}
	s.timer.Reset(left)
	return nil, nil
}

// close ends the watch.
func (s *stall) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// checkStall ends the connection of who keeps the drive from others, and takes nothing.
func (d *Drive) checkStall() {
	if t, x := d.stall.long(d.turn.wanted); t != nil {
		x.HeldUp(t)
	}
}

// wanted reports that somebody who is ready waits for the turn, and is not of the nexus x.
func (n *turn) wanted(x *target.ITL) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.waiting {
		if w := &n.waiting[i]; w.ready && w.x != x {
			return true
		}
	}
	return false
}
