package target

import (
	"errors"
	"time"
)

// Patience is how long a task may be waited for by those of other initiators while its own
// initiator owes it data.
const Patience = 3 * time.Second

var errOverdue = errors.New("the initiator owes data that tasks of others wait for")

// expect lets the wait for data that lands in the medium be bounded. u.mu is held.
func (u *Unit) expect() {
	if u.timer == nil {
		u.timer = time.AfterFunc(Patience, u.overdue)
	}
}

// overdue tells the transports of tasks that others have waited for long enough.
func (u *Unit) overdue() {
	type debt struct {
		x *ITL
		t *Task
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
			if o.phase.Load() != landing {
				return false
			}
			long, wait := u.waited(o)
			again = again || wait
			return long
		}) {
			all = append(all, debt{x, t})
		}
	}
	if again {
		u.expect()
	}
	u.mu.Unlock()
	for _, d := range all {
		d.t.channel.svc.Overdue(d.t, errOverdue)
		d.x.unpin(d.t)
	}
}

// waited reports whether an atomic command, or a pause, waits for o, and whether for long
// enough. u.mu is held.
func (u *Unit) waited(o *Task) (long, wait bool) {
	for _, a := range u.atomics {
		if !a.alone && conflicts(a.order, u.lu.Order(o.CDB)) {
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
