package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/internal/failpoint"
)

// tryAgain is after which time a change that was tried is taken back again, if that has failed.
const tryAgain = 5 * time.Second

// A try is a change that runs and is not committed. Its transaction stays open: what was made for it is
// in the journal, so that a crash takes the whole of it back. Who has the turn uses it.
type try struct {
	before  *Snapshot // what is served again if nobody confirms
	plan    *plan.Plan
	request Request
	made    *makings
	until   time.Time
	ended   chan struct{} // is closed when it was confirmed or taken back
}

// makings are what was made in one transaction.
type makings struct {
	tx state.Transaction // nil: its commit has failed

	mu  sync.Mutex
	all []state.Made
}

// makes is [Transition.Makes].
func (m *makings) makes(one state.Made) error {
	if err := m.tx.Makes(one); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, one)
	return nil
}

// begin begins to wait for the end of a try. The caller has the turn.
func (e *Engine) begin(t *try) {
	e.try = t
	e.spawn(func() {
		wait := time.Until(t.until)
		for {
			select {
			case <-time.After(wait):
			case <-t.ended:
				return
			case <-e.ctx.Done():
				return
			}
			e.expire(t)
			wait = tryAgain
		}
	})
}

// expire takes t back, whose time is over.
func (e *Engine) expire(t *try) {
	const author = "the end of its time"
	ctx, op := e.operations.begin(e.ctx, "revert", author)
	var res *Result
	var left *ending
	back, err := e.takeTurn(ctx)
	if err == nil {
		if e.try == t {
			res, left, err = e.revert(ctx, op, t, author)
		}
		back()
	}
	if left != nil {
		res.Conditions = e.await(left)
	}
	op.end(res, err)
}

// Confirm keeps the change that is tried.
func (e *Engine) Confirm(ctx context.Context, author string) (*Result, error) {
	return e.decide(ctx, "confirm", author, e.confirm)
}

// Revert takes the change that is tried back, before its time.
func (e *Engine) Revert(ctx context.Context, author string) (*Result, error) {
	return e.decide(ctx, "revert", author, e.revert)
}

// decide does something with the change that is tried.
func (e *Engine) decide(ctx context.Context, kind, author string, do decision) (res *Result, err error) {
	ctx, op := e.operations.begin(ctx, kind, author)
	defer func() { op.end(res, err) }()
	res, left, err := e.decided(ctx, op, kind, author, do)
	if err == nil {
		res.Conditions = e.await(left)
	}
	return res, err
}

// A decision is what is done with a change that is tried, with the turn. What has not ended then is awaited.
type decision func(ctx context.Context, op *operation, t *try, author string) (*Result, *ending, error)

// decided takes the turn for a decision, and gives it back.
func (e *Engine) decided(ctx context.Context, op *operation, kind, author string, do decision) (*Result, *ending, error) {
	back, err := e.takeTurn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer back()
	if e.try == nil {
		return nil, nil, &ConflictError{Generation: e.shown.Load().Generation, Try: true, Message: "no change is being tried: there is none to " + kind}
	}
	return do(ctx, op, e.try, author)
}

// confirm commits t. The caller has the turn.
func (e *Engine) confirm(ctx context.Context, op *operation, t *try, author string) (*Result, *ending, error) {
	now := e.shown.Load()
	if t.made.tx == nil { // its commit has failed before
		tx, err := e.c.Generations.Begin()
		if err != nil {
			return nil, nil, e.failed("confirm", author, err)
		}
		t.made.tx = tx
	}
	if !op.decides(ctx) {
		return nil, nil, context.Cause(ctx)
	}
	op.is(persisting)
	var m state.Meta
	err := e.renameUnits(t.plan, t.before.Document, now.Document)
	if err == nil {
		m, err = t.made.tx.Commit(now.Document.Text(), metaOf(now.Generation, t.request))
	}
	if err != nil {
		// It goes on running, and can be confirmed again. What was made is not in a journal any more.
		err = errors.Join(err, aborted(t.made.tx))
		t.made.tx = nil
		return nil, nil, e.failed("confirm", author, err)
	}
	failpoint.Here("apply/confirmed")
	next := snapshot(m, now.Document)
	e.shown.Store(next)
	e.dropUnits(t.plan, t.before.Document, now.Document)
	e.over(t)
	e.c.Log.Info("a change that was tried is kept", "generation", m.Generation, "author", author)
	e.Note(Event{Type: "confirmed", Message: fmt.Sprintf("generation %d%s", m.Generation, by(author))})
	op.has(len(t.plan.Steps), len(t.plan.Steps))
	return &Result{Plan: t.plan, Generation: m.Generation, Changed: true, ETag: next.ETag}, nil, nil
}

// revert serves again what was before t. The caller has the turn.
func (e *Engine) revert(ctx context.Context, op *operation, t *try, author string) (*Result, *ending, error) {
	now := e.shown.Load()
	p, err := plan.Make(e.c.Schema, t.before.Generation, now.Document, t.before.Document, e.c.Runner)
	if err != nil {
		return nil, nil, err
	}
	op.has(0, len(p.Steps))
	prepared, err := e.prepareTransition(ctx, op, Transition{Old: now.Document, New: t.before.Document, Plan: p, Makes: t.back})
	if err != nil {
		if ctx.Err() == nil {
			e.stuck(err)
		}
		return nil, nil, e.failed("revert", author, err)
	}
	e.publish(op, prepared, t.before)
	failpoint.Here("apply/reverted")
	e.over(t)
	e.c.Log.Info("a change that was tried was taken back", "generation", t.before.Generation, "author", author)
	e.Note(Event{Type: "reverted", Message: fmt.Sprintf("back to generation %d%s", t.before.Generation, by(author))})
	e.pending(p, t.before.Document)
	result := &Result{Plan: p, Generation: t.before.Generation, Changed: true, ETag: t.before.ETag}
	left := e.retire(prepared, op, t.before.Document.Limits.StopTimeout, func() { e.takeBack(t) })
	if t.made.tx != nil {
		if err := aborted(t.made.tx); err != nil {
			e.c.Log.Warn("what was tried was taken back", "error", err)
		}
	}
	op.has(len(p.Steps), len(p.Steps))
	return result, left, nil
}

// back is [Transition.Makes] of the way back: what it makes is of the generation that is kept, so that no
// journal takes it back.
func (t *try) back(state.Made) error { return nil }

// takeBack removes what was made for t, now that nothing uses it any more.
func (e *Engine) takeBack(t *try) {
	for _, m := range slices.Backward(t.made.all) {
		if err := state.TakeBack(m); err != nil {
			e.c.Log.Warn("what was made for a change that was tried is left", "error", err)
		}
	}
}

// over ends a try. The caller has the turn.
func (e *Engine) over(t *try) {
	e.try = nil
	close(t.ended)
	e.conditions.mu.Lock()
	was := e.conditions.stuck
	e.conditions.stuck = nil
	e.conditions.mu.Unlock()
	if was != nil {
		e.clear([]Condition{*was})
	}
}

// stuck notes that the change that is tried could not be taken back.
func (e *Engine) stuck(err error) {
	c := Condition{Type: Degraded, Message: fmt.Sprintf("a change that was tried cannot be taken back: %v; it is tried again", err), Since: time.Now()}
	e.conditions.mu.Lock()
	was := e.conditions.stuck
	if was != nil {
		c.Since = was.Since
	}
	e.conditions.stuck = &c
	e.conditions.mu.Unlock()
	if was == nil {
		e.appear([]Condition{c})
	}
}
