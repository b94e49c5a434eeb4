package target

import (
	"sync/atomic"
	"time"
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

// abort aborts the tasks of x that match, wherever they are: waiting for their turn, with the
// device server, waiting for data, or waiting to be answered. g waits for their ends, and for
// those whose response is just being handed over, so that no response comes after that of
// the task management function. It returns how many matched, and how many of them will get
// no response. No lock is held.
func (x *ITL) abort(match func(*Task) bool, g *group) (matched, ending int) {
	var hit []*Task
	x.mu.Lock()
	for t := x.head; t != nil; t = t.next {
		if !match(t) {
			continue
		}
		matched++
		g.add()
		if before := t.group; before != nil { // somebody else waits for it as well
			t.group = newGroup(func() { before.done(); g.done() })
		} else {
			t.group = g
			t.awaited = time.Now()
		}
		if t.fate.CompareAndSwap(open, aborted) {
			ending++
		} else if t.Aborted() {
			continue // whoever was first has told everybody
		}
		t.pins++
		hit = append(hit, t)
	}
	wait := x.ending.Load() != 0
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
		t.stop()
		x.unpin(t)
	}
	u := x.unit
	if u == nil {
		return matched, ending
	}
	if len(hit) > 0 && x.any((*Task).lingers) {
		u.mu.Lock()
		u.expect()
		u.mu.Unlock()
	}
	if u.barrier.Load() != 0 {
		u.advance()
	}
	return matched, ending
}

// stop makes what t waits for end now. The caller has a pin, and t is aborted or answered.
func (t *Task) stop() {
	if t.Aborted() {
		t.tellAbort()
		if t.pace.stop() {
			t.pace.more(t)
		}
		switch u := t.itl.unit; {
		case u != nil && u.unqueue(t):
			if t.phase.Load() == queued { // nobody else ends it
				t.channel.svc.TerminateTransfers(t)
				t.finish()
				return
			}
			t.dataOutEnds(ErrAborted) // it had its data, and was held back
		case t.channel.unqueue(t):
			t.dataOutEnds(ErrAborted)
		}
	}
	t.channel.svc.TerminateTransfers(t)
}
