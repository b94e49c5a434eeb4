package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/internal/failpoint"
)

// A change is one transition, from its planning to its end. Who makes it has the turn.
type change struct {
	*Engine
	op      *operation
	now     *Snapshot
	new     *model.Document
	plan    *plan.Plan
	request Request
	same    bool // the text is that of now: it is a reload
}

// make makes the change, or leaves nothing of it. What has come of it is added to the result; what is left to end
// the caller awaits, when it has given the turn back.
func (c *change) make(ctx context.Context, result *Result) (*ending, error) {
	tx, err := c.c.Generations.Begin()
	if err != nil {
		return nil, err
	}
	made := &makings{tx: tx}
	prepared, err := c.prepare(ctx, made)
	if err != nil {
		return nil, errors.Join(err, aborted(tx))
	}
	failpoint.Here("apply/prepared")
	next, err := c.commit(tx, made)
	if err != nil {
		return nil, errors.Join(err, takenBack(prepared), aborted(tx))
	}
	// From here on the request has succeeded.
	failpoint.Here("apply/committed")
	c.publish(c.op, prepared, next)
	failpoint.Here("apply/published")
	if !c.same && c.request.Try == 0 {
		c.dropUnits(c.plan, c.now.Document, c.new)
	}
	result.Generation, result.ETag, result.Changed, result.TryUntil = next.Generation, next.ETag, !c.same, next.TryUntil
	c.tell(next)
	c.pending(c.plan, c.new)
	left := c.retire(prepared, c.op, c.new.Limits.StopTimeout, nil)
	failpoint.Here("apply/retired")
	c.op.has(len(c.plan.Steps), len(c.plan.Steps))
	return left, nil
}

// prepare does all that can fail, until nobody can take the change back any more.
func (c *change) prepare(ctx context.Context, made *makings) (Prepared, error) {
	t := Transition{Old: c.now.Document, New: c.new, Plan: c.plan, Makes: made.makes, Reload: c.request.Reload, Delete: c.request.Delete}
	return c.prepareTransition(ctx, c.op, t)
}

// prepareTransition prepares t, for as long as it may take and ctx is not done.
func (e *Engine) prepareTransition(ctx context.Context, op *operation, t Transition) (Prepared, error) {
	op.is(preparing)
	t.Progress = func(steps int) { op.has(steps, len(t.Plan.Steps)) }
	limited, cancel := context.WithTimeoutCause(ctx, e.c.Deadline, fmt.Errorf("it was not prepared within %v", e.c.Deadline))
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	prepared, err := e.c.Runner.Prepare(limited, t)
	switch {
	case err != nil && e.ctx.Err() != nil:
		return nil, ErrClosed
	case err != nil && limited.Err() != nil && errors.Is(err, limited.Err()):
		return nil, context.Cause(limited)
	case err != nil:
		return nil, err
	case e.ctx.Err() != nil:
		err = ErrClosed
	case !op.decides(ctx):
		err = context.Cause(ctx)
	default:
		return prepared, nil
	}
	return nil, errors.Join(err, takenBack(prepared))
}

// takenBack cancels what was prepared.
func takenBack(p Prepared) error {
	if err := p.Cancel(); err != nil {
		return fmt.Errorf("not all of it could be taken back: %w", err)
	}
	return nil
}

// aborted ends a transaction. That it has ended already is all right.
func aborted(tx state.Transaction) error {
	if err := tx.Abort(); err != nil && !errors.Is(err, state.ErrEnded) {
		return fmt.Errorf("its journal could not be cleared: %w", err)
	}
	return nil
}

// commit is the decision: what it returns is shown from now on, or nothing was.
func (c *change) commit(tx state.Transaction, made *makings) (*Snapshot, error) {
	c.op.is(persisting)
	switch {
	case c.same:
		// What was made belongs to a generation that is there: from here on no crash takes it back.
		if err := tx.Abort(); err != nil {
			return nil, err
		}
		return c.now, nil
	case c.request.Try != 0:
		// It is not committed before it is confirmed: see docs/adr/0022-tries.md.
		next := snapshot(c.now.Meta, c.new)
		next.Tried, next.TryUntil = true, time.Now().Add(c.request.Try)
		c.begin(&try{before: c.now, plan: c.plan, request: c.request, made: made, until: next.TryUntil, ended: make(chan struct{})})
		return next, nil
	}
	if err := c.renameUnits(c.plan, c.now.Document, c.new); err != nil {
		return nil, err
	}
	m, err := tx.Commit(c.new.Text(), metaOf(c.now.Generation, c.request))
	if err != nil {
		return nil, err
	}
	return snapshot(m, c.new), nil
}

// publish shows what was prepared, and then the document.
func (e *Engine) publish(op *operation, p Prepared, next *Snapshot) {
	op.is(publishing)
	p.Publish()
	e.shown.Store(next)
}

// tell tells of what was made.
func (c *change) tell(next *Snapshot) {
	author, what := c.request.Author, c.plan.Summary()
	switch {
	case next.Tried:
		c.c.Log.Info("a change is tried", "until", next.TryUntil, "author", author, "steps", what)
		c.Note(Event{Type: "tried", Message: fmt.Sprintf("tried%s until %s: %s", by(author), next.TryUntil.Format(time.TimeOnly), what)})
	case c.same:
		c.c.Log.Info("what the document names was read again", "author", author)
		c.Note(Event{Type: "reloaded", Message: "what the document names was read again" + by(author)})
	default:
		c.c.Log.Info("a change was made", "generation", next.Generation, "author", author, "steps", what)
		c.Note(Event{Type: "applied", Message: fmt.Sprintf("generation %d%s: %s", next.Generation, by(author), what)})
	}
}
