package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// A unitPlan is what a transition does to units: those that its steps are about, and no other is looked at
// but for what it claims.
type unitPlan struct {
	c      *units
	x      *transition
	now    map[string]*unit // as they will be
	jobs   []*unitJob
	opened map[*unit]*device // devices that are open already, of units that are not served yet
	fresh  map[string]string // places of stores that this transition opens or hands over, and the units
}

// A unitJob is one step of the plan.
type unitJob struct {
	old  *unit       // nil: it comes
	spec *model.Unit // nil: it goes
	how  difference  // of those that change
	// loses: the plan says that data goes.
	loses bool
	move  *move // what happens behind its logical units; nil: nothing
	// ahead is what was opened already, of a unit that comes; nil: nothing was.
	ahead *opened
}

func (j *unitJob) key() model.Key {
	if j.spec != nil {
		return model.Key{Kind: model.UnitObject, Name: j.spec.Name}
	}
	return model.Key{Kind: model.UnitObject, Name: j.old.name()}
}

// prepare opens the units that come, changes those that can be changed where they are, and prepares devices
// that take the place of others. Daemon.changing is held.
func (c *units) prepare(ctx context.Context, x *transition) error {
	p := &unitPlan{c: c, x: x, opened: make(map[*unit]*device), fresh: make(map[string]string)}
	if err := p.settled(ctx); err != nil {
		return err
	}
	if err := p.gather(); err != nil {
		return err
	}
	p.openAhead(ctx)
	for i, j := range p.jobs {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := p.prepare(ctx, j); err != nil {
			return fmt.Errorf("unit %s: %w", j.key().Name, err)
		}
		if x.Progress != nil {
			x.Progress(i + 1)
		}
	}
	if x.Reload {
		if err := p.follow(ctx); err != nil {
			return err
		}
	}
	for _, j := range p.jobs {
		if err := p.erases(j); err != nil {
			return fmt.Errorf("unit %s: %w", j.key().Name, err)
		}
	}
	all := ordered(x.New, p.now)
	if err := p.unclaimed(all); err != nil {
		return err
	}
	x.logical = make(map[string]*logicalUnit, len(all))
	for _, u := range all {
		for _, l := range u.logical {
			x.logical[l.name] = l
		}
	}
	p.looksAgain()
	p.publish(all)
	return nil
}

// looksAgain lets targets be looked at that map what is not there any more: they refuse it.
func (p *unitPlan) looksAgain() {
	gone := make(map[string]bool)
	for _, j := range p.jobs {
		if j.old == nil {
			continue
		}
		for _, l := range j.old.logical {
			if p.x.logical[l.name] == nil {
				gone[l.name] = true
			}
		}
	}
	if len(gone) == 0 {
		return
	}
	maps := func(all []model.LUN) bool {
		return slices.ContainsFunc(all, func(l model.LUN) bool { return gone[l.Unit] })
	}
	for _, t := range p.x.New.Targets {
		if maps(t.LUNs) || slices.ContainsFunc(t.Access, func(a model.Access) bool { return maps(a.LUNs) }) {
			p.x.anew[t.Name] = true
		}
	}
}

// settled waits for the ends of moves that earlier changes have begun, of the units that the steps are about: until then
// it is open which device has their stores, and a store would be handed over that the other move closes.
func (p *unitPlan) settled(ctx context.Context) error {
	for _, s := range p.x.steps(model.UnitObject) {
		name := s.Key.Name
		if s.Op == plan.Rename {
			name = s.From.Name
		}
		u, ok := p.c.find(name)
		if !ok {
			continue
		}
		for _, m := range p.c.underWay(u) {
			if !ended(ctx, m.done) {
				return fmt.Errorf("unit %s: an earlier change of it has not ended, since tasks have not: %w", name, context.Cause(ctx))
			}
		}
	}
	return nil
}

// gather finds out what the steps mean.
func (p *unitPlan) gather() error {
	before := byName(p.c.load())
	wanted := make(map[string]*model.Unit, len(p.x.New.Units))
	for i := range p.x.New.Units {
		wanted[p.x.New.Units[i].Name] = &p.x.New.Units[i]
	}
	p.now = maps.Clone(before)
	for _, s := range p.x.steps(model.UnitObject) {
		j := &unitJob{loses: s.Effect == plan.LosesData}
		switch s.Op {
		case plan.Create:
		case plan.Rename:
			j.old = before[s.From.Name]
		default:
			j.old = before[s.Key.Name]
		}
		if s.Op != plan.Create && j.old == nil {
			return fmt.Errorf("there is no unit %s", s.Key.Name)
		}
		if s.Op != plan.Remove {
			if j.spec = wanted[s.Key.Name]; j.spec == nil {
				return fmt.Errorf("there is no unit %s in the document", s.Key.Name)
			}
		}
		if j.old != nil {
			delete(p.now, j.old.name())
			if j.spec != nil {
				j.how = p.c.compare(j.old, j.spec)
			}
		}
		p.jobs = append(p.jobs, j)
	}
	for _, j := range p.jobs { // of units whose device goes, and which may hand over what it has
		if j.old != nil && (j.spec == nil || !j.how.inPlace) {
			j.move = newMove(p.c, j)
		}
	}
	return nil
}

// prepare prepares one step.
func (p *unitPlan) prepare(ctx context.Context, j *unitJob) error {
	switch {
	case j.spec == nil:
		return p.removing(j)
	case j.old != nil && j.how.inPlace:
		u, err := p.c.following(j.old, *j.spec)
		if err != nil {
			return err
		}
		p.now[u.name()] = u
		return p.change(ctx, j.key(), j.old, j.spec, j.how.sizes)
	}
	return p.opening(ctx, j)
}

// change prepares other options of a unit, and sizes of its stores, where it is.
func (p *unitPlan) change(ctx context.Context, key model.Key, u *unit, spec *model.Unit, sizes map[string]int64) error {
	d, x := u.device.Load(), p.x
	for name, b := range d.stores.all() {
		if has := b.Info().Size; b.File != "" && sizes[name] > has {
			if err := x.makes(plugin.Made{Path: b.File, Grown: true, Size: has}); err != nil {
				return err
			}
		}
	}
	for i, part := range d.parts {
		if part.Change == nil {
			continue
		}
		ch, err := part.Change(ctx, plugin.Changing{Unit: u.logical[i].Unit, Old: u.spec.Device.Values, New: spec.Device.Values, Sizes: sizes})
		if err != nil {
			return err
		}
		if ch.Undo != nil {
			x.undo.add(ch.Undo)
		}
		if ch.Publish != nil {
			x.shows = append(x.shows, ch.Publish)
		}
		if ch.Retire != nil {
			x.ends = append(x.ends, once(key, d, ch.Retire))
		}
	}
	return nil
}

// once calls retire until it has gone well or d leaves, and tells of which object its errors are. No move is published
// meanwhile: who retires has the turn.
func once(key model.Key, d *device, retire func(context.Context) error) func(context.Context) error {
	done := false
	return func(ctx context.Context) error {
		if done || d.leaves.Load() {
			return nil
		}
		if err := retire(ctx); err != nil {
			return &apply.EndingError{Key: key, Err: err}
		}
		done = true
		return nil
	}
}

// follow lets the units that no step is about have the sizes that the places of their stores have by now,
// where the document leaves them open.
func (p *unitPlan) follow(ctx context.Context) error {
	about := make(map[string]bool)
	for _, j := range p.jobs {
		about[j.key().Name] = true
	}
	for _, u := range p.c.load() {
		if about[u.name()] || p.now[u.name()] != u {
			continue
		}
		sizes := make(map[string]int64)
		for name, b := range u.device.Load().stores.all() {
			if b.same != "" && !p.c.sized(b.spec) {
				sizes[name] = 0
			}
		}
		if len(sizes) == 0 {
			continue
		}
		key := model.Key{Kind: model.UnitObject, Name: u.name()}
		if err := p.change(ctx, key, u, &u.spec, sizes); err != nil {
			return fmt.Errorf("unit %s: %w", u.name(), err)
		}
	}
	return nil
}

// unclaimed refuses two units that claim the same. At the start, unless it is strict, the second one is not
// opened.
func (p *unitPlan) unclaimed(all []*unit) error {
	for {
		u, err := unclaimed(all, p.opened)
		if err == nil {
			return nil
		}
		d := p.opened[u]
		if !p.mayFail(&u.spec) || d == nil {
			return err
		}
		delete(p.opened, u)
		*u = *p.c.absentUnit(u.spec, errors.Join(err, d.abandon()))
	}
}

// mayFail reports that a unit which cannot be opened is NOT READY, and not the end of all.
func (p *unitPlan) mayFail(spec *model.Unit) bool {
	return p.x.first && (!p.c.d.opts.Strict || spec.Optional)
}

// publish shows the units, and lets devices take the place of others.
func (p *unitPlan) publish(all []*unit) {
	c, x := p.c, p.x
	var moves []*move
	for _, j := range p.jobs {
		if j.move != nil {
			moves = append(moves, j.move)
		}
	}
	x.shows = append(x.shows, func() {
		for _, m := range moves {
			m.drain()
		}
		c.replace(all)
		c.start(moves)
		c.tryAll(all)
	})
	for _, m := range moves {
		x.ends = append(x.ends, m.wait)
	}
}

// makes notes what is going to be made.
func (x *transition) makes(m plugin.Made) error {
	return x.Makes(state.Made{Path: absolute(m.Path), Grown: m.Grown, Size: m.Size})
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// sized reports that a document says how large a store is.
func (c *units) sized(spec model.Plugin) bool {
	kind, err := plugin.Find(c.d.reg.Stores, "store", spec.Kind)
	if err != nil {
		return false
	}
	for _, o := range kind.Options {
		if o.Change == model.Growing && spec.Values.Size(o.Name) > 0 {
			return true
		}
	}
	return false
}

var errHeld = errors.New("a store has one unit, which many targets may have")
