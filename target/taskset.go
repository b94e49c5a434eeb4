package target

import (
	"slices"
	"time"

	"github.com/lunette-io/lunette/scsi"
)

// A unit's task sets. A SIMPLE task of a unit whose barrier is down starts at once, and takes no
// lock here. The barrier is up while a task waits here, while a task that is not SIMPLE is
// there, while an atomic command has its data, and while the unit is paused. Then everybody
// who comes, goes on, or ends, comes by.
//
// Who raises the barrier looks at the others afterwards; who starts has noted that before it
// looks at the barrier. So one of two always sees the other.

// admit takes a task whose turn may not have come.
func (u *Unit) admit(t *Task) {
	switch {
	case t.Attr >= ACA:
		// Without an ACA condition the attribute is wrong (SAM-5 8.6.5).
		t.Fail(scsi.IllegalRequest(scsi.ASCInvalidMessage))
		return
	case !t.retain():
		t.Respond(Response{Status: scsi.TaskSetFull})
		return
	}
	order := u.server().Order(t.CDB)
	x := t.itl
	u.mu.Lock()
	t.order = order
	t.phase.Store(queued)
	if t.Attr != Simple {
		t.barred = true
		u.barrier.Add(1)
	}
	u.enqueue(t)
	if u.shared {
		t.since = time.Now()
		u.expect()
	}
	x.mu.Lock()
	x.waiting[t.Attr]++
	x.mu.Unlock()
	gone := t.Aborted() && u.take(t) // the abort may have looked for t before it was here
	u.mu.Unlock()
	if gone {
		t.finish()
		return
	}
	u.advance()
}

// resume takes a task that has its data, or its budget, and goes on when its turn comes.
func (u *Unit) resume(t *Task) {
	order := u.server().Order(t.CDB)
	u.mu.Lock()
	t.order = order
	t.phase.Store(receiving)
	if order.Class == Atomic && !t.exclusive && !t.transfer.landing {
		t.exclusive, t.since = true, time.Now()
		u.atomics = append(u.atomics, t)
		u.barrier.Add(1)
	}
	u.enqueue(t)
	gone := t.Aborted() && u.take(t)
	u.mu.Unlock()
	if gone {
		t.dataOutEnds(ErrAborted)
		return
	}
	u.advance()
}

// enqueue puts t at the end of the queue. u.mu is held.
func (u *Unit) enqueue(t *Task) {
	u.barrier.Add(1)
	u.tickets++
	t.ticket = u.tickets
	t.queue = nil
	if u.last != nil {
		u.last.queue = t
	} else {
		u.first = t
	}
	u.last = t
}

// take takes t out of the queue; it reports whether t was there. u.mu is held.
func (u *Unit) take(t *Task) bool {
	for p, q := (*Task)(nil), u.first; q != nil; p, q = q, q.queue {
		if q == t {
			u.dequeue(p, t)
			return true
		}
	}
	return false
}

// dequeue takes t, which follows p, out of the queue. u.mu is held.
func (u *Unit) dequeue(p, t *Task) {
	if p != nil {
		p.queue = t.queue
	} else {
		u.first = t.queue
	}
	if u.last == t {
		u.last = p
	}
	t.queue = nil
	u.barrier.Add(-1)
	if t.phase.Load() == queued {
		x := t.itl
		x.mu.Lock()
		x.waiting[t.Attr]--
		x.mu.Unlock()
	}
}

// unqueue takes t, which is aborted, out of the queue; it reports whether t was there.
func (u *Unit) unqueue(t *Task) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.take(t)
}

// leave takes t, which ends, out of what makes others wait.
func (u *Unit) leave(t *Task) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t.barred {
		t.barred = false
		u.barrier.Add(-1)
	}
	u.shareAgain(t)
}

// yield lets those go on soon who wait for the end of an atomic command: the device server is
// done with t.
func (u *Unit) yield(t *Task) {
	u.mu.Lock()
	u.shareAgain(t)
	u.mu.Unlock()
}

// shareAgain takes t off the list of atomic commands. u.mu is held.
func (u *Unit) shareAgain(t *Task) {
	if t.exclusive {
		t.exclusive, t.alone = false, false
		u.atomics = slices.DeleteFunc(u.atomics, func(o *Task) bool { return o == t })
		u.barrier.Add(-1)
	}
}

// advance lets tasks go on whose turn has come. It is called whenever something has happened
// while the barrier is up. No lock is held. One goroutine is in the loop; a call in the
// meantime makes it look again.
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
		t := u.next()
		if t == nil {
			if u.again {
				continue
			}
			break
		}
		resumed := t.phase.Load() == receiving
		t.alone = t.exclusive
		t.phase.Store(started)
		u.mu.Unlock()
		if resumed {
			t.goOn()
		} else {
			u.server().Execute(t)
		}
		u.mu.Lock()
	}
	u.advancing = false
	u.quiet()
	drained := u.empty()
	u.mu.Unlock()
	if drained != nil {
		drained()
	}
}

// next takes the first task off the queue whose turn has come. u.mu is held.
func (u *Unit) next() *Task {
	if u.pause != nil {
		return nil
	}
	u.scan++
	var p *Task
	for t := u.first; t != nil; p, t = t, t.queue {
		fresh := t.phase.Load() == queued
		if fresh && u.drain != nil {
			continue
		}
		if u.attributeAllows(t, fresh) && u.classAllows(t) {
			u.dequeue(p, t)
			return t
		}
		if fresh {
			u.set(t.itl).ahead[t.Attr] = true
		}
	}
	return nil
}

// A census says which attributes the tasks have that wait before the one that is looked at in
// this scan of the queue.
type census struct {
	scan  uint64
	ahead [4]bool
}

// set is the census of the task set of x. u.mu is held.
func (u *Unit) set(x *ITL) *census {
	c := &x.census
	if u.shared {
		c = &u.census
	}
	if c.scan != u.scan {
		*c = census{scan: u.scan}
	}
	return c
}

// attributeAllows reports that no task of its set makes t wait: one that is there and not
// waiting, or that waits before it. A task that has started before, and goes on with its data,
// waits only for tasks of other nexuses. u.mu is held.
func (u *Unit) attributeAllows(t *Task, fresh bool) bool {
	if fresh {
		own, ahead := t.itl.active(), u.set(t.itl).ahead
		for a := Simple; a <= ACA; a++ {
			if attributeOrder(t.Attr, a) == block && (own[a] > 0 || ahead[a]) {
				return false
			}
		}
	}
	if !u.shared {
		return true
	}
	for y := range u.itls {
		// What another initiator owes data for joins the set when it has it.
		if y != t.itl && y.any(func(o *Task) bool {
			runs := o.phase.Load() == started || o.phase.Load() == landing
			return runs && attributeOrder(t.Attr, o.Attr) == block && (fresh || o.Attr != Simple)
		}) {
			return false
		}
	}
	return true
}

// active is how many tasks there are of each attribute that do not wait for their turn.
func (x *ITL) active() [4]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.count
	for a := range n {
		n[a] -= x.waiting[a]
	}
	return n
}

// classAllows reports that no atomic command makes t wait, nor, if t is one, any task that
// changes its extent. u.mu is held.
func (u *Unit) classAllows(t *Task) bool {
	if t.order.Class == Atomic && !t.exclusive {
		return true // it asks for its data, and does nothing else before
	}
	for _, a := range u.atomics {
		if a != t && (a.alone || a.ticket < t.ticket) && conflicts(t.order, a.order) {
			return false
		}
	}
	if !t.exclusive {
		return true
	}
	free := true
	for x := range u.itls {
		x.any(func(o *Task) bool {
			phase := o.phase.Load()
			if o == t || (phase != started && phase != landing) {
				return false
			}
			order := u.server().Order(o.CDB)
			if order.Class == Atomic || !conflicts(t.order, order) { // atomic ones: above
				return false
			}
			free = false
			if phase == landing {
				u.expect()
			}
			return phase == landing // one is enough
		})
	}
	return free
}
