package target

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
)

// A Unit is a logical unit with its task set (SAM-5 8; one task set for all I_T
// nexuses: TST=000b). It may be mapped into any number of targets.
type Unit struct {
	Name string
	lu   LogicalUnit

	// barrier is not 0 while ORDERED tasks wait or run, and makes everyone go the
	// slow way through admit and advance.
	barrier atomic.Int32

	mu      sync.Mutex
	itls    map[*ITL]struct{}
	retired Totals

	// Tasks that wait for an ORDERED task, or are one, in order of arrival.
	first, last *Task
	ordered     *Task // the ORDERED task that runs
	advancing   bool
	again       bool
}

// Totals are sums of [Stats].
type Totals struct {
	Commands, Errors, BytesIn, BytesOut int64
}

func (s *Totals) add(x *Stats) {
	s.Commands += x.Commands.Load()
	s.Errors += x.Errors.Load()
	s.BytesIn += x.BytesIn.Load()
	s.BytesOut += x.BytesOut.Load()
}

// Totals sums the counters of the nexus.
func (n *Nexus) Totals() Totals {
	var sum Totals
	for _, x := range n.itls {
		if x != nil {
			sum.add(&x.Stats)
		}
	}
	return sum
}

// NewUnit makes a unit of lu, which it takes: Close closes it.
func NewUnit(name string, lu LogicalUnit) *Unit {
	return &Unit{Name: name, lu: lu, itls: make(map[*ITL]struct{})}
}

// LogicalUnit is the device server.
func (u *Unit) LogicalUnit() LogicalUnit { return u.lu }

// Totals sums the counters of all I_T_L nexuses, those that are gone included.
func (u *Unit) Totals() Totals {
	u.mu.Lock()
	defer u.mu.Unlock()
	sum := u.retired
	for x := range u.itls {
		sum.add(&x.Stats)
	}
	return sum
}

// ITLs are the I_T_L nexuses now, in no order.
func (u *Unit) ITLs() []*ITL {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]*ITL, 0, len(u.itls))
	for x := range u.itls {
		all = append(all, x)
	}
	return all
}

// Close closes the logical unit. Every nexus is lost already.
func (u *Unit) Close() error { return u.lu.Close() }

func (u *Unit) attach(x *ITL) {
	u.mu.Lock()
	u.itls[x] = struct{}{}
	u.mu.Unlock()
	u.lu.Attach(x)
}

func (u *Unit) detach(x *ITL) {
	u.lu.Detach(x)
	u.mu.Lock()
	delete(u.itls, x)
	u.retired.add(&x.Stats)
	u.mu.Unlock()
}

// admit takes a task that is ORDERED or that came while one was there: it runs when
// the rules let it (SAM-5 8.6: an ORDERED task starts after all older tasks have
// ended, and everything younger waits for it).
func (u *Unit) admit(t *Task) {
	u.barrier.Add(1) // before we look: who is not in a task list yet will see it
	u.mu.Lock()
	if t.Attr != Ordered && u.first == nil && u.ordered == nil {
		u.barrier.Add(-1)
		u.mu.Unlock()
		u.lu.Execute(t)
		return
	}
	if t.svc.Keep(t) != nil {
		u.barrier.Add(-1)
		u.mu.Unlock()
		t.Respond(Response{Status: scsi.TaskSetFull})
		return
	}
	t.state.Store(waiting)
	t.queue = nil
	if u.last != nil {
		u.last.queue = t
	} else {
		u.first = t
	}
	u.last = t
	u.mu.Unlock()
	if t.aborted.Load() && u.unqueue(t) {
		// The abort came before it was in the queue, and left the end to us.
		t.itl.end(t)
	}
	u.advance()
}

// advance starts what may start. It is called whenever a task has ended while the
// barrier is up. Only one goroutine is in the loop; a call meanwhile makes it look again.
func (u *Unit) advance() {
	u.mu.Lock()
	if u.advancing {
		u.again = true
		u.mu.Unlock()
		return
	}
	u.advancing = true
	for {
		u.again = false
		if t := u.runnable(); t != nil {
			u.mu.Unlock()
			u.lu.Execute(t)
			u.mu.Lock()
			continue
		}
		if !u.again {
			break
		}
	}
	u.advancing = false
	u.mu.Unlock()
}

// runnable takes the first waiting task off the queue if it may start. u.mu is held.
func (u *Unit) runnable() *Task {
	t := u.first
	if u.ordered != nil || t == nil || (t.Attr == Ordered && u.anyStarted()) {
		return nil
	}
	if u.first = t.queue; u.first == nil {
		u.last = nil
	}
	t.queue = nil
	t.state.Store(started)
	if t.Attr == Ordered {
		u.ordered = t
	} else {
		u.barrier.Add(-1)
	}
	return t
}

// leave notes that t has ended, if it is the ORDERED task that everyone waits for.
func (u *Unit) leave(t *Task) {
	u.mu.Lock()
	if u.ordered == t {
		u.ordered = nil
		u.barrier.Add(-1)
	}
	u.mu.Unlock()
}

// anyStarted looks for a task that has started and not ended. u.mu is held.
func (u *Unit) anyStarted() bool {
	for x := range u.itls {
		x.mu.Lock()
		for t := x.head; t != nil; t = t.next {
			if t.state.Load() == started {
				x.mu.Unlock()
				return true
			}
		}
		x.mu.Unlock()
	}
	return false
}

// unqueue takes t out of the waiting queue; it reports whether t was there.
func (u *Unit) unqueue(t *Task) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for p, q := (*Task)(nil), u.first; q != nil; p, q = q, q.queue {
		if q != t {
			continue
		}
		if p != nil {
			p.queue = q.queue
		} else {
			u.first = q.queue
		}
		if u.last == q {
			u.last = p
		}
		q.queue = nil
		u.barrier.Add(-1)
		return true
	}
	return false
}
