package srp

import (
	"slices"
	"sync"
	"sync/atomic"
)

// arrivals keep the requests of a channel in the order in which they came, up to the target. A
// command whose descriptor table is still in the initiator's memory waits for that, and what
// comes behind it waits with it: so a task management function finds at the target all commands
// that were sent before it, and nobody has to look for them anywhere else. Who is slow to deliver a
// table holds up itself alone.
type arrivals struct {
	// waiting counts the requests in list, and the one of them that is being delivered.
	waiting atomic.Int32

	mu         sync.Mutex
	list       []arrival
	delivering bool // one goroutine is in advance
	closed     bool // the connection has ended
}

// An arrival is a command, or the place of a task management function, on its way to the target.
type arrival interface {
	// complete reports that it may be delivered if nothing is before it. It is called for the
	// first of the list, with the list's lock, or by add.
	complete() bool
	// retain makes it independent of the message that it came in.
	retain()
	// deliver hands it to the target. No lock is held.
	deliver()
	// lose gives up what has not been delivered: the connection has ended. No lock is held.
	lose()
}

// add takes a command that has come, on the goroutine of the connection. It is delivered at once if
// nothing is in its way. No lock is held.
func (a *arrivals) add(r arrival) {
	if a.waiting.Load() == 0 && r.complete() {
		r.deliver()
		return
	}
	r.retain()
	a.push(r)
	a.advance()
}

// push puts r at the end, for advance to deliver.
func (a *arrivals) push(r arrival) {
	a.mu.Lock()
	a.waiting.Add(1)
	a.list = append(a.list, r)
	a.mu.Unlock()
}

// advance delivers requests that wait for nothing any more. It is called when one of them may have
// become complete. No lock is held.
func (a *arrivals) advance() {
	a.mu.Lock()
	if a.delivering { // whoever that is looks again
		a.mu.Unlock()
		return
	}
	a.delivering = true
	for len(a.list) > 0 && (a.closed || a.list[0].complete()) {
		r, lost := a.list[0], a.closed
		a.list = slices.Delete(a.list, 0, 1)
		a.mu.Unlock()
		if lost {
			r.lose()
		} else {
			r.deliver()
		}
		a.waiting.Add(-1) // not before it is with the target: what comes next must not overtake it
		a.mu.Lock()
	}
	a.delivering = false
	a.mu.Unlock()
}

// close gives up what waits, and what comes.
func (a *arrivals) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.advance()
}
