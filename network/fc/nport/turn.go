package nport

import (
	"sync"
	"sync/atomic"
)

// A turn lets the calls to the upper layer be one at a time, and with them all that changes logins: whoever has the turn may call.
// It is no lock of anybody's data, and stands before all locks. Those that may wait for each other (the network's goroutine, the
// clock, Close) wait for their turn; Logout, which may come from inside a call, leaves its work to whoever has it.
type turn struct {
	mu sync.Mutex // held by who has the turn

	left  atomic.Int32 // how much has been left
	queue sync.Mutex   // guards work
	work  []func()
}

// take waits for the turn, and runs f with it. It is not called by who has the turn.
func (t *turn) take(f func()) {
	t.mu.Lock()
	f()
	t.rest()
	t.mu.Unlock()
	t.again()
}

// leave runs f with the turn: now, or as the last of what is done in the turn that is under way.
func (t *turn) leave(f func()) {
	t.queue.Lock()
	t.work = append(t.work, f)
	t.left.Add(1)
	t.queue.Unlock()
	t.again()
}

// rest does what has been left. t.mu is held.
func (t *turn) rest() {
	for t.left.Load() > 0 {
		t.queue.Lock()
		work := t.work
		t.work = nil
		t.left.Add(-int32(len(work)))
		t.queue.Unlock()
		for _, f := range work {
			f()
		}
	}
}

// again does what has been left since, if nobody else has the turn, who does it otherwise.
func (t *turn) again() {
	for t.left.Load() > 0 {
		if !t.mu.TryLock() {
			return
		}
		t.rest()
		t.mu.Unlock()
	}
}
