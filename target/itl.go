package target

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// An ITL is an I_T_L nexus: one nexus's view of one unit, with all of its tasks from their
// arrival to their response. Unless the unit's initiators share one task set, it is a task set.
// Counters are here so that connections share none.
type ITL struct {
	Nexus *Nexus
	LUN   scsi.LUN
	Stats Stats

	state atomic.Pointer[any] // see State

	unit *Unit
	key  itlKey

	// busy: tasks of an I_T_L nexus that was lost are left at the unit, and x is the same one
	// back again.
	busy     atomic.Bool
	readOnly atomic.Bool // see ReadOnly; changed with the target's mu

	mu         sync.Mutex
	head, tail *Task  // in order of arrival
	count      [4]int // tasks in the list, by attribute
	waiting    [4]int // of these, those whose turn has not come
	closed     bool
	// ending counts the tasks that are out of the list and not given back to the transport
	// yet; it is counted up with the lock. Task management waits for them too.
	ending    atomic.Int32
	awaited   atomic.Bool // somebody waits for that
	waiters   []*group
	losers    []*group // who waits for the unit to forget x
	forgotten bool     // it has

	census census  // The unit's mu guards it.
	waiter *waiter // its initiator at the unit: set when the unit attaches x

	purse atomic.Pointer[buffer.Purse] // set once, when the first task asks for memory
}

// An itlKey says which I_T_L nexus this is: the same after a new login.
type itlKey struct {
	initiator scsi.TransportID
	port      *Port
	lun       scsi.LUN
}

// Stats count what an I_T_L nexus has done. They are cumulative.
type Stats struct {
	Commands, Errors  atomic.Int64
	BytesIn, BytesOut atomic.Int64 // to the initiator, from it
	Failures          atomic.Int64 // the errors that came of the medium: see [failure]
	_                 [24]byte     // the lock beside them has another owner
}

// Totals are sums of [Stats].
type Totals struct {
	Commands, Errors, Failures, BytesIn, BytesOut int64
}

// failure reports that a command was right, and the medium or the unit failed: a medium or a hardware
// error, or no room for what was written.
func failure(s *scsi.Sense) bool {
	return s.Key == scsi.KeyMediumError || s.Key == scsi.KeyHardwareError || s.ASC == scsi.ASCSpaceAllocationFailed
}

func (s *Totals) add(x *Stats) {
	s.Commands += x.Commands.Load()
	s.Errors += x.Errors.Load()
	s.Failures += x.Failures.Load()
	s.BytesIn += x.BytesIn.Load()
	s.BytesOut += x.BytesOut.Load()
}

func newITL(n *Nexus, lun scsi.LUN, u *Unit) *ITL {
	return &ITL{Nexus: n, LUN: lun, unit: u, key: itlKey{n.Initiator.Port, n.Port, lun}}
}

// Unit is the unit that x leads to; nil for LUNs without a unit.
func (x *ITL) Unit() *Unit { return x.unit }

// State is what the device server keeps of x: what its Attach has set.
func (x *ITL) State() any {
	if s := x.state.Load(); s != nil {
		return *s
	}
	return nil
}

// SetState is called by the device server in Attach.
func (x *ITL) SetState(s any) { x.state.Store(&s) }

// ReadOnly reports that the initiator may not write to the unit at this LUN, whatever the unit is for
// others. It may change at any time: then the unit is told of ProtectionChanged.
func (x *ITL) ReadOnly() bool { return x.readOnly.Load() }

// link puts t at the end of the list; it reports false when x or the channel is going.
func (x *ITL) link(t *Task) bool {
	x.mu.Lock()
	if x.closed || t.channel.closed.Load() {
		x.mu.Unlock()
		return false
	}
	t.prev, t.next = x.tail, nil
	if x.tail != nil {
		x.tail.next = t
	} else {
		x.head = t
	}
	x.tail = t
	x.count[t.Attr&3]++
	x.mu.Unlock()
	return true
}

// unlink takes t out of the list. It returns who waits for that, and whether the task may be
// forgotten now.
func (x *ITL) unlink(t *Task) (*group, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		x.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		x.tail = t.prev
	}
	t.prev, t.next = nil, nil
	x.count[t.Attr&3]--
	t.ended = true
	x.ending.Add(1)
	return t.group, t.pins == 0
}

// returned tells that a task which is out of the list has been given back to the transport.
func (x *ITL) returned() {
	if x.ending.Add(-1) == 0 && x.awaited.Load() {
		x.wake()
	}
}

// wake ends the waiting of groups if no task is ending.
func (x *ITL) wake() {
	x.mu.Lock()
	if x.ending.Load() != 0 {
		x.mu.Unlock()
		return
	}
	waiters := x.waiters
	x.waiters = nil
	x.awaited.Store(false)
	x.mu.Unlock()
	for _, g := range waiters {
		g.done()
	}
}

// any reports whether a task of the list matches.
func (x *ITL) any(match func(*Task) bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for t := x.head; t != nil; t = t.next {
		if match(t) {
			return true
		}
	}
	return false
}

// pinned returns the tasks that match, each with a pin: it stays what it is until unpin.
func (x *ITL) pinned(match func(*Task) bool) []*Task {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []*Task
	for t := x.head; t != nil; t = t.next {
		if match(t) {
			t.pins++
			all = append(all, t)
		}
	}
	return all
}

// unpin ends a pin of t.
func (x *ITL) unpin(t *Task) {
	x.mu.Lock()
	t.pins--
	drop := t.ended && t.pins == 0
	g := t.group
	x.mu.Unlock()
	if drop {
		t.forget(g)
	}
}

// close lets no task in any more.
func (x *ITL) close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
}

// lose ends x: no task starts any more, those that are there are aborted, and when the last of
// them has ended the unit forgets x. g waits for that. It may be called again.
func (x *ITL) lose(g *group) {
	x.mu.Lock()
	if x.forgotten {
		x.mu.Unlock()
		return
	}
	first := len(x.losers) == 0
	x.losers = append(x.losers, g)
	g.add()
	x.closed = true
	x.mu.Unlock()
	if !first {
		return
	}
	x.unit.losing(x)
	all := newGroup(func() {
		x.unit.detach(x)
		x.closePurse()
		x.mu.Lock()
		x.forgotten = true
		losers := x.losers
		x.mu.Unlock()
		for _, g := range losers {
			g.done()
		}
	})
	x.abort(everyTask, all)
	all.done()
}
