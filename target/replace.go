package target

import (
	"context"
	"fmt"
)

// A drain is the time in which tasks of a unit end, and none starts: then another device server can take
// the place of the one that there is.
type drain struct {
	ended   bool          // nothing that has started is with the device server
	drained chan struct{} // closed when the transports have given all of that back
}

// Drain lets no task of the unit start any more, and does not wait for those that have: they go on to
// their ends. Tasks that come wait, for as long as it takes until Refill.
func (u *Unit) Drain() {
	u.mu.Lock()
	if u.drain != nil {
		u.mu.Unlock()
		return
	}
	u.drain = &drain{drained: make(chan struct{})}
	u.barrier.Add(1)
	u.mu.Unlock()
	u.advance()
}

// Drained returns when all tasks that had started before Drain have ended, and nothing touches what the
// device server has lent: or when ctx ends.
func (u *Unit) Drained(ctx context.Context) error {
	u.mu.Lock()
	d := u.drain
	u.mu.Unlock()
	if d == nil {
		return nil
	}
	select {
	case <-d.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("unit %s: tasks still run: %w", u.Name, context.Cause(ctx))
	}
}

// AbortStarted aborts the tasks that Drained waits for. Those that wait for their turn stay.
func (u *Unit) AbortStarted() {
	u.Abort(nil, func(t *Task) bool { return t.phase.Load() != queued }, func() {})
}

// Install puts another device server in the place of the one that there is, and returns that. Its I_T_L
// nexuses are attached to the new one. The unit is drained; no lock is held.
func (u *Unit) Install(lu LogicalUnit) (old LogicalUnit) {
	u.swap.Lock()
	defer u.swap.Unlock()
	old = u.server()
	u.lu.Store(&lu)
	u.mu.Lock()
	u.shared = false // as after power on
	for _, w := range u.waiters {
		w.at.Store(new(waits))
	}
	u.mu.Unlock()
	for _, x := range u.ITLs() {
		lu.Attach(x)
	}
	lu.Event(Replaced, nil)
	return old
}

// Refill ends a drain: tasks start again, those that have waited first.
func (u *Unit) Refill() {
	u.mu.Lock()
	if u.drain == nil {
		u.mu.Unlock()
		return
	}
	u.drain = nil
	u.barrier.Add(-1)
	u.mu.Unlock()
	u.advance()
}

// empty notes that no task is with the device server any more, if a drain waits for that. What it returns,
// which may be nil, is called without a lock: it waits for what the transports still have. u.mu is held.
func (u *Unit) empty() func() {
	d := u.drain
	if d == nil || d.ended {
		return nil
	}
	for x := range u.itls {
		if x.any(func(t *Task) bool { return t.phase.Load() != queued }) {
			return nil
		}
	}
	d.ended = true
	g := newGroup(func() { close(d.drained) })
	var some []*ITL
	for x := range u.itls {
		x.mu.Lock()
		if x.ending.Load() != 0 {
			g.add()
			x.waiters = append(x.waiters, g)
			x.awaited.Store(true)
			some = append(some, x)
		}
		x.mu.Unlock()
	}
	return func() {
		for _, x := range some {
			x.wake() // the last of them may not have seen us
		}
		g.done()
	}
}
