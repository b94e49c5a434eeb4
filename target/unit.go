package target

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Unit is a logical unit with its task sets (SAM-5 8): one for each I_T_L nexus, or one for
// all of them. It may be mapped into any number of targets.
type Unit struct {
	Name string
	// lu is the device server; only Install replaces it. swap is held for writing by Install, and for
	// reading while an I_T_L nexus comes or goes: so each is known to one device server.
	lu   atomic.Pointer[LogicalUnit]
	swap sync.RWMutex

	// barrier is not 0 while tasks cannot simply start; see taskset.go.
	barrier atomic.Int32

	mu      sync.Mutex
	itls    map[*ITL]struct{}
	retired Totals
	closed  bool

	// I_T_L nexuses that are lost and whose tasks have not all ended, and those that are the
	// same and have come back: they are busy.
	leaving map[itlKey]int
	back    map[itlKey][]*ITL

	waiters map[string]*waiter // by the names of initiators

	shared      bool    // one task set for all nexuses
	first, last *Task   // tasks that wait for their turn, in order, linked by Task.queue
	tickets     uint64  // how many ever waited
	atomics     []*Task // atomic commands that have their data
	scan        uint64  // of the queue
	census      census  // of the one task set
	advancing   bool    // one goroutine is in advance
	again       bool    // and shall look again
	pause       *pause
	drain       *drain
	timer       *time.Timer // of patience
}

// NewUnit makes a unit of lu, which it takes: Close closes it.
func NewUnit(name string, lu LogicalUnit) *Unit {
	u := &Unit{
		Name: name, itls: make(map[*ITL]struct{}),
		leaving: make(map[itlKey]int), back: make(map[itlKey][]*ITL), waiters: make(map[string]*waiter),
	}
	u.lu.Store(&lu)
	return u
}

// server is the device server now.
func (u *Unit) server() LogicalUnit { return *u.lu.Load() }

// LogicalUnit is the device server; Install may put another in its place.
func (u *Unit) LogicalUnit() LogicalUnit { return u.server() }

// ShareTaskSet says whether all I_T nexuses share one task set (TST=000b of the control mode
// page, SPC-5 7.5.10) or have one each (TST=001b).
func (u *Unit) ShareTaskSet(yes bool) {
	u.mu.Lock()
	u.shared = yes
	u.mu.Unlock()
	u.advance()
}

// SharesTaskSet reports what ShareTaskSet was told last: false at first.
func (u *Unit) SharesTaskSet() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.shared
}

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

// ITLs are the I_T_L nexuses now, in no order; those that are lost and whose tasks have not all
// ended as well.
func (u *Unit) ITLs() []*ITL {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]*ITL, 0, len(u.itls))
	for x := range u.itls {
		all = append(all, x)
	}
	return all
}

// Close closes the logical unit. Every nexus is lost already, and its tasks have ended.
func (u *Unit) Close() error {
	u.mu.Lock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	return u.server().Close()
}

// attach announces x. If x was lost before and has tasks left, it is busy until they have
// ended.
func (u *Unit) attach(x *ITL) {
	u.swap.RLock()
	defer u.swap.RUnlock()
	u.mu.Lock()
	u.itls[x] = struct{}{}
	u.join(x)
	if u.leaving[x.key] > 0 {
		x.busy.Store(true)
		u.back[x.key] = append(u.back[x.key], x)
	}
	u.mu.Unlock()
	u.server().Attach(x)
}

// losing notes that x will be detached when its tasks have ended.
func (u *Unit) losing(x *ITL) {
	u.mu.Lock()
	u.leaving[x.key]++
	u.mu.Unlock()
}

// detach forgets x, which has no task any more.
func (u *Unit) detach(x *ITL) {
	u.swap.RLock()
	defer u.swap.RUnlock()
	u.server().Detach(x)
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.itls, x)
	u.part(x)
	u.retired.add(&x.Stats)
	if x.busy.Load() { // it came back, and is lost again before it was served
		u.back[x.key] = slices.DeleteFunc(u.back[x.key], func(y *ITL) bool { return y == x })
	}
	if u.leaving[x.key]--; u.leaving[x.key] > 0 {
		return
	}
	delete(u.leaving, x.key)
	for _, y := range u.back[x.key] {
		y.busy.Store(false)
	}
	delete(u.back, x.key)
}

// Abort aborts the tasks of the unit that match. done is called when they have ended
// and nothing touches their memory, perhaps before Abort returns. PREEMPT AND ABORT
// uses it; by is the nexus that asked, the others get CommandsCleared.
func (u *Unit) Abort(by *Nexus, match func(*Task) bool, done func()) {
	var cleared []*ITL
	g := newGroup(func() {
		for _, x := range cleared {
			u.server().Event(CommandsCleared, x)
		}
		done()
	})
	for _, x := range u.ITLs() {
		if _, ending := x.abort(match, g); ending > 0 && x.Nexus != by {
			cleared = append(cleared, x)
		}
	}
	g.done()
}

// Reset is LOGICAL UNIT RESET by management: no initiator has asked for it.
func (u *Unit) Reset(done func()) { u.reset(LogicalUnitReset, nil, done) }

// reset is LOGICAL UNIT RESET, or the unit's part of a target reset. A device server that is a
// [Resetter] begins with its part when all tasks are aborted, and before their ends are waited for.
func (u *Unit) reset(e Event, by *ITL, done func()) {
	g := newGroup(func() {
		u.server().Event(e, by)
		done()
	})
	for _, x := range u.ITLs() {
		x.abort(everyTask, g)
	}
	if r, ok := u.server().(Resetter); ok {
		g.add()
		r.Resetting(g.done)
	}
	g.done()
}
