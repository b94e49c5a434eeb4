package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// Times between two looks at what has not ended: the shortest while the request waits for it; the first later,
// which the request comes to as well; and the longest. While one looks nothing else is changed: for briefLook at
// most as long as the request waits, and for oneLook later.
const (
	soonLook    = 10 * time.Millisecond
	firstLook   = time.Second
	longestLook = time.Minute
	briefLook   = 100 * time.Millisecond
	oneLook     = time.Second
)

// conditions are those that the engine knows of itself.
type conditions struct {
	mu      sync.Mutex
	endings []*ending
	pending []Condition // what counts when the daemon is started again
	stuck   *Condition  // a change that was tried could not be taken back
}

// An ending is a transition that was published, of which something has not ended.
type ending struct {
	prepared Prepared
	after    func()      // what is done when all has ended; nil: nothing
	until    time.Time   // how long the request waits for it
	all      []Condition // conditions.mu guards it
}

// all are the conditions now.
func (s *conditions) list() []Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.pending)
	for _, e := range s.endings {
		all = append(all, e.all...)
	}
	if s.stuck != nil {
		all = append(all, *s.stuck)
	}
	return all
}

// retire begins to end what is not served any more. The caller has the turn, and gives it back before it waits for
// what is left; nil: all has ended. after is done when all has ended.
func (e *Engine) retire(p Prepared, op *operation, limit time.Duration, after func()) *ending {
	op.is(retiring)
	x := &ending{prepared: p, after: after, until: time.Now().Add(limit)}
	if err := e.retireOnce(x, briefLook); err != nil {
		x.all = endings(err, nil)
		return x
	}
	return nil
}

// retireOnce looks once at what has not ended. The caller has the turn.
func (e *Engine) retireOnce(x *ending, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(e.ctx, limit)
	defer cancel()
	err := x.prepared.Retire(ctx)
	if err == nil && x.after != nil {
		x.after()
	}
	return err
}

// await waits for the end of x, which may be nil, while others may have the turn. What has not ended within its time
// is a condition, and is looked at again until it has.
func (e *Engine) await(x *ending) []Condition {
	if x == nil {
		return nil
	}
	ctx, cancel := context.WithDeadline(e.ctx, x.until)
	defer cancel()
	for wait := soonLook; ; wait = min(2*wait, firstLook) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		back, err := e.takeTurn(ctx)
		if err != nil {
			break
		}
		err = e.retireOnce(x, briefLook)
		back()
		if err == nil {
			return nil
		}
		x.all = endings(err, x.all)
	}
	all := slices.Clone(x.all)
	e.conditions.mu.Lock()
	e.conditions.endings = append(e.conditions.endings, x)
	e.conditions.mu.Unlock()
	e.appear(all)
	e.spawn(func() { e.look(x) })
	return all
}

// endings are the conditions that an error of Retire is. Those that were there before are as old as they were.
func endings(err error, before []Condition) []Condition {
	parts := []error{err}
	isEnding := func(err error) bool { return errors.As(err, new(*EndingError)) }
	if joined, ok := err.(interface{ Unwrap() []error }); ok && slices.ContainsFunc(joined.Unwrap(), isEnding) {
		parts = joined.Unwrap()
	}
	var all []Condition
	for _, part := range parts {
		c := Condition{Type: Ending, Message: part.Error(), Since: time.Now()}
		if of := (*EndingError)(nil); errors.As(part, &of) {
			c.Key, c.Message = of.Key, of.Err.Error()
		}
		c.Since = since(before, c)
		all = append(all, c)
	}
	return all
}

// since is since when there has been a condition like c.
func since(before []Condition, c Condition) time.Time {
	for _, was := range before {
		if was.Key == c.Key && was.Type == c.Type {
			return was.Since
		}
	}
	return c.Since
}

// look looks again and again at what has not ended.
func (e *Engine) look(x *ending) {
	for wait := firstLook; ; wait = min(2*wait, longestLook) {
		select {
		case <-time.After(wait):
		case <-e.ctx.Done():
			return
		}
		back, err := e.takeTurn(e.ctx)
		if err != nil {
			return
		}
		err = e.retireOnce(x, oneLook)
		back()
		if e.ctx.Err() != nil {
			return
		}
		e.conditions.mu.Lock()
		was := x.all
		if err == nil {
			e.conditions.endings = slices.DeleteFunc(e.conditions.endings, func(o *ending) bool { return o == x })
		} else {
			x.all = endings(err, was)
		}
		e.conditions.mu.Unlock()
		if err == nil {
			e.clear(was)
			return
		}
	}
}

// pending notes what of a document counts only when the daemon is started again. p is the plan that has led to it.
func (e *Engine) pending(p *plan.Plan, d *model.Document) {
	restart := func(s plan.Step) bool { return s.Effect == plan.NeedsRestart }
	s := &e.conditions
	s.mu.Lock()
	was := s.pending
	s.mu.Unlock()
	if len(was) == 0 && !slices.ContainsFunc(p.Steps, restart) {
		return
	}
	whole, err := plan.Make(e.c.Schema, 0, e.boot, d, nil)
	if err != nil {
		return // both documents are there
	}
	var now []Condition
	for _, step := range whole.Steps {
		if !restart(step) {
			continue
		}
		var fields []string
		for _, f := range step.Fields {
			fields = append(fields, fmt.Sprintf("%s: %q → %q", f.Path, f.Old, f.New))
		}
		c := Condition{Key: step.Key, Type: PendingRestart, Message: "it counts when the daemon is started again: " + strings.Join(fields, ", "), Since: time.Now()}
		c.Since = since(was, c)
		now = append(now, c)
	}
	s.mu.Lock()
	s.pending = now
	s.mu.Unlock()
	e.appear(without(now, was))
	e.clear(without(was, now))
}

// without are the conditions of all that are not among others.
func without(all, others []Condition) []Condition {
	return slices.DeleteFunc(slices.Clone(all), func(c Condition) bool {
		return slices.ContainsFunc(others, func(o Condition) bool { return o.Key == c.Key && o.Type == c.Type })
	})
}

// appear tells of conditions, and clear that they are not there any more.
func (e *Engine) appear(all []Condition) {
	for _, c := range all {
		e.c.Log.Warn("not all is as the document wants it", "object", c.Key.String(), "condition", c.Type, "message", c.Message)
		e.Note(Event{Type: "condition", Key: c.Key, Message: c.Type + ": " + c.Message})
	}
}

func (e *Engine) clear(all []Condition) {
	for _, c := range all {
		e.Note(Event{Type: "cleared", Key: c.Key, Message: c.Type + ": it is not so any more"})
	}
}

// Status is how it stands.
func (e *Engine) Status() Status {
	last := e.events.end() - 1 // what happens while we look may be told twice, and is never missed
	now := e.shown.Load()
	s := Status{Meta: now.Meta, ETag: now.ETag, Directory: e.c.Directory, TryUntil: now.TryUntil, Sequence: last}
	s.Conditions = append(slices.Clone(e.c.Runner.Conditions()), e.conditions.list()...)
	if s.Conditions == nil {
		s.Conditions = []Condition{}
	}
	e.operations.mu.Lock()
	defer e.operations.mu.Unlock()
	if o := e.operations.now; o != nil {
		s.Applying = o.ID
	}
	return s
}
