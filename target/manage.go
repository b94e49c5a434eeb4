package target

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
)

// A Function is a task management function (SAM-5 7).
type Function uint8

// Task management functions.
const (
	AbortTask Function = iota + 1
	AbortTaskSet
	ClearACA
	ClearTaskSet
	ResetLogicalUnit
	ResetTarget
	ResetNexus
	QueryTask
	QueryTaskSet
	QueryAsyncEvent
)

// A FunctionResult is the service response of a task management function.
type FunctionResult uint8

// Service responses.
const (
	FunctionComplete FunctionResult = iota
	FunctionSucceeded
	FunctionRejected
	IncorrectLUN
	NoSuchTask
	FunctionUnsupported
)

// A group calls then when all that was added to it has ended.
type group struct {
	n    atomic.Int32
	then func()
}

// newGroup returns a group with one member, the caller, who ends it with done.
func newGroup(then func()) *group {
	g := &group{then: then}
	g.n.Store(1)
	return g
}

func (g *group) add() { g.n.Add(1) }

func (g *group) done() {
	if g.n.Add(-1) == 0 {
		g.then()
	}
}

func everyTask(*Task) bool { return true }

// abort aborts the tasks of x that match; g waits for their ends. It returns how many
// there were.
func abort(x *ITL, match func(*Task) bool, g *group) int {
	var hit []*Task
	matched := 0
	x.mu.Lock()
	for t := x.head; t != nil; t = t.next {
		if !match(t) {
			continue
		}
		matched++
		g.add()
		if before := t.group; before != nil { // somebody else waits for it as well
			both := newGroup(func() { before.done(); g.done() })
			t.group = both
			continue
		}
		t.group = g
		t.pins++
		t.aborted.Store(true)
		hit = append(hit, t)
	}
	wait := x.responding.Load() != 0
	if wait {
		g.add()
		x.waiters = append(x.waiters, g)
		x.awaited.Store(true)
	}
	x.mu.Unlock()
	if wait {
		x.wake() // the last of them may not have seen us
	}
	for _, t := range hit {
		if x.unit != nil && x.unit.unqueue(t) {
			x.end(t) // it had not started: nobody else ends it
		}
		t.svc.TerminateTransfers(t)
		x.unpin(t)
	}
	if u := x.unit; u != nil && u.barrier.Load() != 0 {
		u.advance()
	}
	return matched
}

// unpin is the task manager's last look at t.
func (x *ITL) unpin(t *Task) {
	x.mu.Lock()
	t.pins--
	drop := t.ended && t.pins == 0
	g := t.group
	x.mu.Unlock()
	if drop {
		t.svc.Dropped(t)
		g.done()
	}
}

// Abort aborts the tasks of the unit that match. done is called when they have ended
// and nothing touches their memory, perhaps before Abort returns. PREEMPT AND ABORT
// uses it; by is the nexus that asked, the others get CommandsCleared.
func (u *Unit) Abort(by *Nexus, match func(*Task) bool, done func()) {
	var cleared []*ITL
	g := newGroup(func() {
		for _, x := range cleared {
			u.lu.Event(CommandsCleared, x)
		}
		done()
	})
	for _, x := range u.ITLs() {
		if abort(x, match, g) > 0 && x.Nexus != by {
			cleared = append(cleared, x)
		}
	}
	g.done()
}

// reset is LOGICAL UNIT RESET, or the unit's share of a target reset.
func (u *Unit) reset(e Event, by *ITL, done func()) {
	g := newGroup(func() {
		u.lu.Event(e, by)
		done()
	})
	for _, x := range u.ITLs() {
		abort(x, everyTask, g)
	}
	g.done()
}

// Manage performs a task management function ("Task Management Request Received") and
// calls done with its result once nothing touches the memory of an affected task,
// perhaps before it returns. tag names the task of AbortTask and QueryTask.
func (n *Nexus) Manage(f Function, lun scsi.LUN, tag uint64, done func(FunctionResult)) {
	x := n.find(lun)
	if x == nil && f != ResetTarget && f != ResetNexus {
		done(IncorrectLUN)
		return
	}
	complete := func() { done(FunctionComplete) }
	tagged := func(t *Task) bool { return t.Tag == tag }
	switch f {
	case AbortTask:
		result := FunctionComplete
		g := newGroup(func() { done(result) })
		if abort(x, tagged, g) == 0 {
			result = NoSuchTask // its response, if it had one, is on its way
		}
		g.done()
	case AbortTaskSet:
		g := newGroup(complete)
		abort(x, everyTask, g)
		g.done()
	case ClearTaskSet:
		x.unit.Abort(n, everyTask, complete)
	case ResetLogicalUnit:
		x.unit.reset(LogicalUnitReset, x, complete)
	case ResetTarget:
		g := newGroup(complete)
		for _, y := range n.ITLs() {
			g.add()
			y.unit.reset(TargetReset, y, g.done)
		}
		g.done()
	case ResetNexus:
		g := newGroup(func() {
			for _, y := range n.ITLs() {
				y.unit.lu.Event(NexusReset, y)
			}
			complete()
		})
		for _, y := range n.ITLs() {
			abort(y, everyTask, g)
		}
		g.done()
	case QueryTask:
		done(query(x, tagged))
	case QueryTaskSet:
		done(query(x, everyTask))
	case QueryAsyncEvent:
		done(FunctionComplete) // no unit attention is told this way: TEST UNIT READY tells
	default: // ClearACA: NormACA is 0, so that there never is one
		done(FunctionUnsupported)
	}
}

func query(x *ITL, match func(*Task) bool) FunctionResult {
	x.mu.Lock()
	defer x.mu.Unlock()
	for t := x.head; t != nil; t = t.next {
		if match(t) && !t.aborted.Load() {
			return FunctionSucceeded
		}
	}
	return FunctionComplete
}
