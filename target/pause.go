package target

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A pause is the time in which nothing of a unit runs.
type pause struct {
	since   time.Time
	idle    chan struct{} // closed when nothing runs
	reached bool
}

// ErrPaused reports a unit that is paused already.
var ErrPaused = errors.New("target: the unit is paused already")

// Pause lets no task of the unit start or go on, and returns when none runs: then the unit's
// store or size can be changed. Tasks that come wait. Those that wait for data of their
// initiators do not run, unless the data lands in the medium: such an initiator has [Patience]
// long to deliver it, and as long to take what it reads. When ctx ends first the unit goes on, and Pause returns an error.
func (u *Unit) Pause(ctx context.Context) error {
	p := &pause{since: time.Now(), idle: make(chan struct{})}
	u.mu.Lock()
	if u.pause != nil {
		u.mu.Unlock()
		return ErrPaused
	}
	u.pause = p
	u.barrier.Add(1)
	u.mu.Unlock()
	u.advance()
	u.mu.Lock()
	if !p.reached {
		u.expect()
	}
	u.mu.Unlock()
	select {
	case <-p.idle:
		return nil
	case <-ctx.Done():
		u.Resume()
		return fmt.Errorf("unit %s: tasks still run: %w", u.Name, context.Cause(ctx))
	}
}

// Resume ends a pause.
func (u *Unit) Resume() {
	u.mu.Lock()
	if u.pause == nil {
		u.mu.Unlock()
		return
	}
	u.pause = nil
	u.barrier.Add(-1)
	u.mu.Unlock()
	u.advance()
}

// quiet notes that nothing runs, if a pause waits for that. u.mu is held.
func (u *Unit) quiet() {
	p := u.pause
	if p == nil || p.reached {
		return
	}
	for x := range u.itls {
		if x.any(func(t *Task) bool {
			phase := t.phase.Load()
			return phase == started || phase == landing
		}) {
			return
		}
	}
	p.reached = true
	close(p.idle)
}
