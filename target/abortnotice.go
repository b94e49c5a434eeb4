package target

import (
	"context"
	"time"
)

// OnAbort lets f be called once if t is aborted: at once if it was already, else on the
// goroutine that aborts it. A device server uses it to cancel what works for t. It lasts
// until the task ends. OnAbort(nil) takes f back; when it returns f does not run and will not.
// f must not wait, and must not end the task.
func (t *Task) OnAbort(f func(*Task)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onAbort = f
	if f != nil && t.Aborted() {
		t.onAbort = nil
		f(t)
	}
}

// tellAbort tells those that have asked to be told that t is aborted.
func (t *Task) tellAbort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.onAbort; f != nil {
		t.onAbort = nil
		f(t)
	}
	if t.canceled != nil {
		close(t.canceled)
		t.canceled = nil
	}
}

// Context is canceled when t is aborted. It is t itself, so that none is allocated: nobody may
// use it after Respond.
func (t *Task) Context() context.Context { return (*taskContext)(t) }

// A taskContext is a Task as a context.
type taskContext Task

// Deadline implements context.Context: tasks have none here.
func (*taskContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (*taskContext) Value(any) any { return nil }

// Err implements context.Context.
func (c *taskContext) Err() error {
	if (*Task)(c).Aborted() {
		return context.Canceled
	}
	return nil
}

// Done implements context.Context. The channel is made when it is asked for: most stores never
// do.
func (c *taskContext) Done() <-chan struct{} {
	t := (*Task)(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.canceled == nil {
		t.canceled = make(chan struct{})
	}
	done := t.canceled
	if t.Aborted() {
		close(done)
		t.canceled = nil
	}
	return done
}
