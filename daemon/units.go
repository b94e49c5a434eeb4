package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/target"
)

// A unit is a device with its logical units. It is not changed: an update makes another.
type unit struct {
	spec    model.Unit
	logical []*logicalUnit
	stores  *stores
	made    undo   // takes back what opening it has made
	told    string // what was told last of what it has lost; Daemon.watching guards it
}

// A logicalUnit is one that LUNs can map.
type logicalUnit struct {
	*target.Unit // its Name is UNIT or UNIT/NAME
	describe     func() plugin.Description
	claims       []plugin.Claim
}

func (u *unit) name() string { return u.spec.Name }

// close makes everything durable and closes it. What others have taken away is not durable.
func (u *unit) close() error {
	err := u.stores.lost()
	if err != nil {
		err = fmt.Errorf("unit %s: %w", u.name(), err)
	}
	return errors.Join(err, u.closeAll())
}

// closeAll closes it, whatever has become of what it was on.
func (u *unit) closeAll() error {
	var errs []error
	for _, l := range u.logical {
		if err := l.Close(); err != nil { // which flushes
			errs = append(errs, fmt.Errorf("unit %s: %w", l.Name, err))
		}
	}
	return errors.Join(errs...)
}

// abandon takes the unit back: what opening it has made is gone afterwards.
func (u *unit) abandon() error { return errors.Join(u.made.run(), u.closeAll()) }

// units are the units of a daemon.
type units struct {
	d *Daemon
	list[*unit]
	absent list[*absentUnit]

	// mu guards retired: units that are served no more, and still known to sessions. They are closed
	// when the daemon stops.
	mu      sync.Mutex
	retired []*unit
}

// leave keeps a unit that cannot be closed yet.
func (c *units) leave(u *unit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.retired, u) {
		c.retired = append(c.retired, u)
	}
}

// leaves forgets a unit that is going to be closed.
func (c *units) leaves(u *unit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = slices.DeleteFunc(c.retired, func(o *unit) bool { return o == u })
}

// conditions are those of units that are not as they should be.
func (c *units) conditions() (all []apply.Condition) {
	for _, a := range c.absent.load() {
		all = append(all, apply.Condition{Key: model.Key{Kind: model.UnitObject, Name: a.spec.Name}, Type: apply.NotReady, Message: oneLine(a.why)})
	}
	return all
}

// left takes the units that could not be closed when they went.
func (c *units) left() []*unit {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.retired
	c.retired = nil
	return all
}

// logicalUnit finds a logical unit by its name.
func (c *units) logicalUnit(name string) (*logicalUnit, bool) {
	unit, _, _ := strings.Cut(name, "/")
	if u, ok := c.find(unit); ok {
		for _, l := range u.logical {
			if l.Name == name {
				return l, true
			}
		}
	}
	return nil, false
}

// prepare opens the units that come, and takes those out that go. Daemon.changing is held.
func (c *units) prepare(ctx context.Context, x *transition) error {
	before := byName(c.load())
	wanted := make(map[string]model.Unit, len(x.New.Units))
	for _, u := range x.New.Units {
		wanted[u.Name] = u
	}
	now := maps.Clone(before)
	absent := byName(c.absent.load())
	for _, s := range x.steps(model.UnitObject) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		name := s.Key.Name
		if s.Op == plan.Rename {
			name = s.From.Name
		}
		if old, ok := before[name]; ok && s.Op != plan.Create {
			delete(now, name)
			x.closing(old)
		}
		delete(absent, name)
		if s.Op == plan.Remove {
			continue
		}
		spec, ok := wanted[s.Key.Name]
		if !ok {
			return fmt.Errorf("there is no unit %s in the document", s.Key.Name)
		}
		u, err := c.open(ctx, spec)
		switch {
		case err == nil:
			x.undo.add(u.abandon)
			now[spec.Name] = u
		case x.first && spec.Optional && ctx.Err() == nil:
			absent[spec.Name] = &absentUnit{spec, err}
		default:
			return err
		}
	}
	if x.first && len(x.New.Units) > 0 && len(now) == 0 {
		return errNoUnits
	}
	ordered := make([]*unit, 0, len(now))
	missing := make([]*absentUnit, 0, len(absent))
	for _, spec := range x.New.Units {
		if u, ok := now[spec.Name]; ok {
			ordered = append(ordered, u)
		}
		if a, ok := absent[spec.Name]; ok {
			missing = append(missing, a)
		}
	}
	x.logical = make(map[string]*logicalUnit, len(ordered))
	for _, u := range ordered {
		for _, l := range u.logical {
			x.logical[l.Name] = l
		}
	}
	if err := unclaimed(ordered); err != nil {
		return err
	}
	x.shows = append(x.shows, func() {
		c.replace(ordered)
		c.absent.replace(missing)
		for _, a := range missing {
			c.d.log.Error("an optional unit is not served, until the daemon is started again", "unit", a.spec.Name, "error", a.why)
		}
	})
	for _, t := range x.Old.Targets { // those that see units which were replaced
		for _, l := range t.LUNs {
			if u, _, _ := strings.Cut(l.Unit, "/"); before[u] != nil && before[u] != now[u] {
				x.anew[t.Name] = true
			}
		}
	}
	return nil
}

// closing closes a unit when the transition retires, once nobody knows it any more.
func (x *transition) closing(old *unit) {
	x.ends = append(x.ends, func(ctx context.Context) error {
		if err := x.lost(ctx); err != nil {
			x.d.units.leave(old)
			return &apply.EndingError{Key: model.Key{Kind: model.UnitObject, Name: old.name()}, Err: err}
		}
		x.d.units.leaves(old)
		return old.close()
	})
}

// open opens a unit. Daemon.changing is held.
func (c *units) open(ctx context.Context, spec model.Unit) (*unit, error) {
	fail := func(err error) (*unit, error) { return nil, fmt.Errorf("unit %s: %w", spec.Name, err) }
	kind, err := plugin.Find(c.d.reg.Devices, "device", spec.Device.Kind)
	if err != nil {
		return fail(err)
	}
	log := c.d.log.With("unit", spec.Name)
	s := &stores{reg: &c.d.reg, spec: spec, log: log}
	some, err := kind.Open(ctx, plugin.Parts{Name: spec.Name, Log: log, Note: s.note, Values: spec.Device.Values, Arena: c.d.arena, Stores: s})
	if err != nil {
		return fail(errors.Join(err, s.drop()))
	}
	u := &unit{spec: spec, stores: s, made: s.taken()}
	var names []string
	for _, l := range some {
		name := model.LogicalUnit(spec.Name, l.Name)
		names = append(names, name)
		u.logical = append(u.logical, &logicalUnit{target.NewUnit(name, l.LU), l.Describe, l.Claims})
	}
	if !slices.Equal(names, spec.Names) {
		return fail(errors.Join(fmt.Errorf("a %s device is %v, and not %v as it says", kind.Name, names, spec.Names), u.abandon()))
	}
	return u, nil
}

// unclaimed reports an error if two logical units have the same.
func unclaimed(all []*unit) error {
	type claim struct{ what, value string }
	taken := make(map[claim]string)
	for _, u := range all {
		for _, l := range u.logical {
			for _, x := range l.claims {
				k := claim{x.What, x.Value}
				if other, ok := taken[k]; ok {
					return fmt.Errorf("unit %s: its %s %s is that of the unit %s already: initiators would take the two for one: %s", u.name(), x.What, x.Value, other, x.Cure)
				}
				taken[k] = l.Name
			}
		}
	}
	return nil
}

// tell writes what there is to tell of the units into the log, once there is no start that may fail.
func (c *units) tell() {
	if !c.d.serving.Load() {
		return
	}
	for _, u := range c.load() {
		u.stores.tell()
	}
}
