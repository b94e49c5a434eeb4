package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
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

// has reports that a logical unit is one of u.
func (u *unit) has(name string) bool {
	return slices.ContainsFunc(u.logical, func(l *logicalUnit) bool { return l.Name == name })
}

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
	absent list[*absent]
	// retired are units that were replaced, and still known to sessions: they are closed at the end.
	// Daemon.changing guards it.
	retired []*unit
}

// logical finds a logical unit by its name.
func (c *units) logicalUnit(name string) (*logicalUnit, bool) {
	for _, u := range c.load() {
		for _, l := range u.logical {
			if l.Name == name {
				return l, true
			}
		}
	}
	return nil, false
}

// prepare opens a unit. Daemon.changing is held.
func (c *units) prepare(ctx context.Context, spec model.Unit) (*change, error) {
	fail := func(err error) (*change, error) { return nil, fmt.Errorf("unit %s: %w", spec.Name, err) }
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
	if err := c.unclaimed(u); err != nil {
		return fail(errors.Join(err, u.abandon()))
	}
	return &change{undo: undo{u.abandon}, publish: func() { c.put(u) }}, nil
}

// unclaimed reports an error if u has what another unit has, or two of its own logical units have the
// same. One of its name is about to go. Daemon.changing is held.
func (c *units) unclaimed(u *unit) error {
	type claim struct{ what, value string }
	taken := make(map[claim]string)
	for _, o := range append(slices.Clone(c.load()), u) {
		if o != u && o.name() == u.name() {
			continue
		}
		for _, l := range o.logical {
			for _, x := range l.claims {
				k := claim{x.What, x.Value}
				if other, ok := taken[k]; ok && o == u {
					return fmt.Errorf("its %s %s is that of the unit %s already: initiators would take the two for one: %s", x.What, x.Value, other, x.Cure)
				}
				taken[k] = l.Name
			}
		}
	}
	return nil
}

// create opens a unit and adds it.
func (c *units) create(ctx context.Context, spec model.Unit) error {
	defer c.d.change()()
	if _, ok := c.find(spec.Name); ok {
		return fmt.Errorf("there is a unit %s already", spec.Name)
	}
	x, err := c.prepare(ctx, spec)
	if err != nil {
		return err
	}
	err = x.do(ctx)
	c.tell()
	return err
}

// tell writes what there is to tell of the units into the log, once there is no start that may
// fail. Daemon.changing is held.
func (c *units) tell() {
	if !c.d.serving {
		return
	}
	for _, u := range c.load() {
		u.stores.tell()
	}
}

// update puts another unit in the place of one: targets that map it map the new one from then on, and
// tell their initiators. The new one is open before the old one is closed: two that cannot be open
// together, since they are on one file, are removed and created.
func (c *units) update(ctx context.Context, spec model.Unit) error {
	defer c.d.change()()
	old, ok := c.find(spec.Name)
	if !ok {
		return fmt.Errorf("there is no unit %s", spec.Name)
	}
	uses := c.d.targets.uses(old)
	for _, t := range uses {
		for _, l := range t.spec.LUNs {
			if old.has(l.Unit) && !slices.Contains(spec.Names, l.Unit) {
				return fmt.Errorf("the target %s has the unit %s at LUN %d, which would not be there any more: take it away there first", t.Name, l.Unit, l.Number)
			}
		}
	}
	x, err := c.prepare(ctx, spec)
	if err != nil {
		return err
	}
	show := x.publish
	x.publish = func() {
		show()
		for _, t := range uses {
			if maps, err := c.d.targets.mappings(t.spec); err == nil { // all of its units are there
				c.d.targets.remap(t.Target, maps)
			}
		}
	}
	x.retire = func(ctx context.Context) error {
		if err := c.d.targets.ended(ctx); err != nil {
			c.retired = append(c.retired, old)
			return err
		}
		return old.close()
	}
	err = x.do(ctx)
	c.tell()
	return err
}

// remove closes a unit that no target maps, and takes it out. What it holds stays where it is.
func (c *units) remove(ctx context.Context, name string) error {
	defer c.d.change()()
	u, ok := c.find(name)
	if !ok {
		return fmt.Errorf("there is no unit %s", name)
	}
	for _, t := range c.d.targets.uses(u) {
		for _, l := range t.luns() {
			if u.has(l.Unit) {
				return fmt.Errorf("the target %s has the unit %s at LUN %d: take it away there first", t.Name, l.Unit, l.Number)
			}
		}
	}
	if err := c.d.targets.ended(ctx); err != nil {
		return err
	}
	x := change{
		publish: func() { c.list.remove(name) },
		retire:  func(context.Context) error { return u.close() },
	}
	return x.do(ctx)
}
