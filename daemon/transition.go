package daemon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/internal/failpoint"
)

// A transition is the way of a daemon from one document to another. Nodes, units, targets and portals
// prepare their parts of it, in this order: all that can fail is done then, and nobody sees it. It
// ends with Publish and then Retire, or with Cancel. It implements [apply.Prepared].
type transition struct {
	apply.Transition
	d *Daemon
	// first: it is the start of the daemon.
	first bool

	undo  undo                          // takes the preparation back
	shows []func()                      // publish it, in the order in which they were added
	ends  []func(context.Context) error // end what is not served any more, the last first
	free  func()                        // lets the next change begin

	// logical are the logical units as they will be, by name; units makes it.
	logical map[string]*logicalUnit
	// anew are the targets that are to be shown anew, whatever the document says of them: units that
	// they map were replaced, or users have other secrets.
	anew map[string]bool
	// made are the nodes that this transition has made: they show no target yet.
	made map[*openNode]bool
}

func (d *Daemon) newTransition(t apply.Transition) *transition {
	if t.Makes == nil {
		t.Makes = func(state.Made) error { return nil }
	}
	return &transition{Transition: t, d: d, anew: make(map[string]bool), made: make(map[*openNode]bool)}
}

// Prepare implements [apply.Runner].
func (d *Daemon) Prepare(ctx context.Context, t apply.Transition) (apply.Prepared, error) {
	x := d.newTransition(t)
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	return x, nil
}

// prepare does all that can fail. Daemon.changing is held afterwards, until the transition is published
// or taken back; after an error it is not.
func (x *transition) prepare(ctx context.Context) error {
	d := x.d
	x.free = d.change()
	for _, part := range []func(context.Context, *transition) error{
		d.units.prepare, d.nodes.prepare, d.targets.prepare, d.portals.prepare,
	} {
		err := context.Cause(ctx)
		if err == nil {
			err = part(ctx, x)
			failpoint.Here("daemon/part/prepared")
		}
		if err != nil {
			return errors.Join(err, x.Cancel())
		}
	}
	return nil
}

// Publish implements [apply.Prepared].
func (x *transition) Publish() {
	defer x.free()
	x.d.current.Store(x.New)
	for _, show := range x.shows {
		show()
		failpoint.Here("daemon/part/published")
	}
	x.d.units.tell()
}

// Retire implements [apply.Prepared]. What has not ended by then is looked at again by the next call.
func (x *transition) Retire(ctx context.Context) error {
	var errs []error
	var left []func(context.Context) error
	for _, end := range slices.Backward(x.ends) {
		err := end(ctx)
		failpoint.Here("daemon/part/retired")
		errs = append(errs, err)
		if errors.As(err, new(*apply.EndingError)) {
			left = append(left, end)
		}
	}
	slices.Reverse(left)
	x.ends = left
	if len(left) == 0 && len(x.Plan.Steps) >= wholesale {
		debug.FreeOSMemory() // what a large document took to be read is not wanted again soon
	}
	return errors.Join(errs...)
}

// wholesale is how many steps are so many that what they took in passing is given back to the system.
const wholesale = 1000

// Cancel implements [apply.Prepared].
func (x *transition) Cancel() error {
	defer x.free()
	return x.undo.run()
}

// steps are those of the plan that are about objects of a kind.
func (x *transition) steps(kind model.ObjectKind) []plan.Step {
	var all []plan.Step
	for _, s := range x.Plan.Steps {
		if s.Key.Kind == kind {
			all = append(all, s)
		}
	}
	return all
}

// losing returns what is called when initiators have lost something of an object for good: it is an end of the
// transition.
func (x *transition) losing(key model.Key) (gone func()) {
	c := make(chan struct{})
	x.ends = append(x.ends, func(ctx context.Context) error {
		if ended(ctx, c) {
			return nil
		}
		return &apply.EndingError{Key: key, Err: fmt.Errorf("sessions are still ending: %w", context.Cause(ctx))}
	})
	return func() { close(c) }
}

// ended waits until c is closed, or ctx is done: it reports whether c is closed.
func ended(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
	}
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// fromNothing is the plan that makes all of a document, from nothing.
func fromNothing(doc *model.Document) *plan.Plan {
	p := &plan.Plan{}
	add := func(kind model.ObjectKind, name string) {
		p.Steps = append(p.Steps, plan.Step{Op: plan.Create, Key: model.Key{Kind: kind, Name: name}})
	}
	for _, u := range doc.Units {
		add(model.UnitObject, u.Name)
	}
	for _, t := range doc.Targets {
		add(model.TargetObject, t.Name)
	}
	for _, key := range doc.PortalKeys() {
		add(model.PortalObject, key.Name)
	}
	return p
}
