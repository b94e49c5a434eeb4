package target

import "sync/atomic"

// What many initiators want at a time goes by turns: each of them that waits has a line, and the
// lines are served one after the other, a step of each. So who has a thousand commands waits for
// their end, and who has one waits for a step of each of the others.

// A line is what one initiator has waiting: tasks in order, linked by Task.queue. The lock of who
// serves it guards it.
type line struct {
	first, last *Task
	held        int   // of its steps that run
	next        *line // the next of the lines that wait
	open        bool  // it has no owner, whose share could be exceeded
}

// push puts t at the end, and reports whether it is the only one now.
func (l *line) push(t *Task) bool {
	t.queue = nil
	alone := l.first == nil
	if alone {
		l.first = t
	} else {
		l.last.queue = t
	}
	l.last = t
	return alone
}

// pop takes the first one.
func (l *line) pop() *Task {
	t := l.first
	if l.first = t.queue; l.first == nil {
		l.last = nil
	}
	t.queue = nil
	return t
}

// lines are those that wait, in the order of their turns: a ring, of which this is the end.
type lines struct{ last *line }

// push puts l behind all others.
func (r *lines) push(l *line) {
	if r.last == nil {
		l.next = l
	} else {
		l.next, r.last.next = r.last.next, l
	}
	r.last = l
}

// remove takes l out, which comes behind before.
func (r *lines) remove(before, l *line) {
	switch {
	case before == l: // the only one
		r.last = nil
	case r.last == l:
		r.last = before
	}
	before.next, l.next = l.next, nil
}

// find returns the first line that may, and the one before it, or nil. Those that are passed over
// keep their places; they hold something each, so that there are few of them.
func (r *lines) find(may func(*line) bool) (before, l *line) {
	if r.last == nil {
		return nil, nil
	}
	for before = r.last; ; before = l {
		if l = before.next; may(l) {
			return before, l
		}
		if l == r.last {
			return nil, nil
		}
	}
}

// take takes a task of l, which comes behind before; what l has beside that waits behind all others.
func (r *lines) take(before, l *line) *Task {
	t := l.pop()
	r.remove(before, l)
	if l.first != nil {
		r.push(l)
	}
	return t
}

// greed is how many times of what would still be free after it an owner may hold. So one alone gets
// seven eighths of a pot and two get less than half of it each, and who comes finds something.
const greed = 7

// mayHold reports whether who holds so much of a pot may have one more of the free ones. Who has
// nothing may always have one.
func mayHold(held, free int) bool {
	return free > 0 && (held == 0 || held+1 <= greed*(free-1))
}

// A waiter is an initiator at a unit: all of its I_T nexuses together, by the owner of its memory.
type waiter struct {
	at   atomic.Pointer[waits]
	itls int // I_T_L nexuses that it has. The unit's mu guards it.
}

// waits are where a waiter waits for workers, whose mu guards them. Who takes the place of a logical unit has other
// workers: each waiter has new ones then, since the last worker of the old may not yet have given back what it held.
type waits struct{ short, long line }

// join makes x one of the I_T_L nexuses of its initiator. u.mu is held.
func (u *Unit) join(x *ITL) {
	name := x.Nexus.Initiator.owner()
	w := u.waiters[name]
	if w == nil {
		w = new(waiter)
		w.at.Store(new(waits))
		u.waiters[name] = w
	}
	w.itls++
	x.waiter = w
}

// part is the end of join: x has no task any more. u.mu is held.
func (u *Unit) part(x *ITL) {
	if x.waiter.itls--; x.waiter.itls == 0 {
		delete(u.waiters, x.Nexus.Initiator.owner())
	}
}
