package target

import (
	"errors"
	"time"
)

// Patience is how long a task may be waited for while its initiator owes it something: data that
// lands where an atomic command of another initiator wants to, or where a unit is to be paused, the taking
// of data by a command that a pause waits for, data for a command behind which others wait in one task set, or
// the end of what is on its way of a command that is aborted. A reset or an abort is answered soon,
// whatever the initiator does whose commands it ends.
const Patience = 3 * time.Second

var (
	errOverdue = errors.New("the initiator owes data that tasks of others wait for")
	errUntaken = errors.New("the initiator does not take data of a task that tasks of others wait for")
	errLingers = errors.New("the initiator does not let the transfers of a command end that was aborted")
)

// expect lets the wait for what initiators owe be bounded. u.mu is held.
func (u *Unit) expect() {
	if u.timer == nil {
		u.timer = time.AfterFunc(Patience, u.overdue)
	}
}

// overdue tells the transports of tasks that others have waited for long enough.
func (u *Unit) overdue() {
	type debt struct {
		x   *ITL
		t   *Task
		why error
	}
	var all []debt
	u.mu.Lock()
	u.timer = nil
	if u.closed {
		u.mu.Unlock()
		return
	}
	again := false
	for x := range u.itls {
		for _, t := range x.pinned(func(o *Task) bool {
			if o.lingers() {
				long := time.Since(o.awaited) >= Patience
				again = again || !long
				return long
			}
			if u.untaken(o) {
				return time.Since(u.pause.since) >= Patience
			}
			if phase := o.phase.Load(); phase != landing && phase != receiving {
				return false
			}
			long, wait := u.waited(o)
			again = again || wait
			return long
		}) {
			why := errOverdue
			switch phase := t.phase.Load(); {
			case t.Aborted() || phase == responding:
				why = errLingers
			case phase == started:
				why = errUntaken
			}
			all = append(all, debt{x, t, why})
		}
	}
	if again || u.pause != nil && !u.pause.reached {
		u.expect()
	}
	u.mu.Unlock()
	for _, d := range all {
		d.t.channel.svc.Overdue(d.t, d.why)
		d.x.unpin(d.t)
	}
}

// untaken reports that a pause waits for o, which waits for its initiator to take data. u.mu is held.
func (u *Unit) untaken(o *Task) bool {
	return u.pause != nil && !u.pause.reached && !o.ended && o.phase.Load() == started && o.pace.state.Load()&paceWaits != 0
}

// HeldUp ends the connection of the initiator of t, a task of x, if the device server waits for leave to send more data-in of
// it: see [Task.SendDataIn]. It is for device servers at which tasks of others have waited for t for [Patience]. t may have ended.
func (x *ITL) HeldUp(t *Task) {
	for _, t := range x.pinned(func(o *Task) bool { return o == t && !o.ended && o.pace.state.Load()&paceWaits != 0 }) {
		t.channel.svc.Overdue(t, errUntaken)
		x.unpin(t)
	}
}

// lingers reports that the end of t is waited for by a task management function, and does not come since
// something of it is on its way to its initiator or from it: data, or the response of a task that was
// answered before. The mu of its I_T_L nexus is held.
func (t *Task) lingers() bool {
	if t.group == nil || t.ended {
		return false
	}
	phase := t.phase.Load()
	if !t.Aborted() {
		return phase == responding
	}
	return phase == receiving || phase == landing || t.pace.state.Load()&paceCount != 0
}

// blocked reports whether, in the one task set of all initiators, a task of another initiator waits
// behind one that waits for o, and whether for long enough. u.mu is held.
func (u *Unit) blocked(o *Task) (long, wait bool) {
	if !u.shared {
		return false, false
	}
	behind := false
	for t := u.first; t != nil; t = t.queue {
		switch {
		case t.phase.Load() != queued:
		case t.itl == o.itl:
			behind = behind || attributeOrder(t.Attr, o.Attr) == block
		case behind:
			wait = true
			long = long || time.Since(t.since) >= Patience
		}
	}
	return long, wait
}

// waited reports whether an atomic command, a pause, or a task of the same set waits for o, and whether for long
// enough. u.mu is held.
func (u *Unit) waited(o *Task) (long, wait bool) {
	if long, wait = u.blocked(o); o.phase.Load() != landing {
		return long, wait
	}
	for _, a := range u.atomics {
		if !a.alone && conflicts(a.order, u.server().Order(o.CDB)) {
			wait = true
			long = long || time.Since(a.since) >= Patience
		}
	}
	if p := u.pause; p != nil && !p.reached {
		wait = true
		long = long || time.Since(p.since) >= Patience
	}
	return long, wait
}
