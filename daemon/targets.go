package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// served is a target as the document has it. It is not changed: an update makes another, of the same
// SCSI target.
type served struct {
	spec model.Target
	*target.Target
}

func (t *served) name() string { return t.spec.Name }

// luns are the LUNs of the target by number.
func (t *served) luns() []model.LUN {
	return slices.SortedFunc(slices.Values(t.spec.LUNs), func(a, b model.LUN) int { return a.Number - b.Number })
}

// shown is what transports are told of the target.
func (t *served) shown() plugin.Target {
	return plugin.Target{
		Name: t.spec.Name, SCSI: t.Target, Alias: t.spec.Alias, Maintenance: t.spec.Maintenance, Values: t.spec.Values,
	}
}

// targets are the targets of a daemon.
type targets struct {
	d *Daemon
	list[*served]
	// ending are closed when what was taken away from initiators is not known to any unit any more;
	// Daemon.changing guards it.
	ending []chan struct{}
}

// mappings are the units of a target. Daemon.changing is held.
func (c *targets) mappings(spec model.Target) ([]target.Mapping, error) {
	var maps []target.Mapping
	for _, l := range spec.LUNs {
		lun, err := scsi.FlatLUN(uint32(l.Number))
		if err != nil {
			return nil, err
		}
		u, ok := c.d.units.logicalUnit(l.Unit)
		if _, absent := c.d.units.missing(l.Unit); absent && !ok {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("LUN %d: there is no unit %s", l.Number, l.Unit)
		}
		maps = append(maps, target.Mapping{LUN: lun, Unit: u.Unit})
	}
	return maps, nil
}

// prepare makes a target. Daemon.changing is held.
func (c *targets) prepare(spec model.Target) (*change, error) {
	fail := func(err error) (*change, error) { return nil, fmt.Errorf("target %s: %w", spec.Name, err) }
	maps, err := c.mappings(spec)
	if err != nil {
		return fail(err)
	}
	scsiTarget, err := target.NewTarget(spec.Name, maps...)
	if err != nil {
		return nil, err
	}
	t := &served{spec: spec, Target: scsiTarget}
	show, err := c.told(t)
	if err != nil {
		return nil, err
	}
	return &change{publish: func() {
		show()
		c.put(t)
	}}, nil
}

// told prepares what transports are told of t. Daemon.changing is held.
func (c *targets) told(t *served) (show func(), err error) {
	var all []func()
	for _, n := range c.d.nodes.load() {
		one, err := n.PrepareTarget(t.shown())
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return func() {
		for _, one := range all {
			one()
		}
	}, nil
}

// create makes a target and shows it.
func (c *targets) create(ctx context.Context, spec model.Target) error {
	defer c.d.change()()
	if _, ok := c.find(spec.Name); ok {
		return fmt.Errorf("there is a target %s already", spec.Name)
	}
	x, err := c.prepare(spec)
	if err != nil {
		return err
	}
	return x.do(ctx)
}

// update shows a target as spec says from now on: another map for those who are there as well, all
// else for those who log in later.
func (c *targets) update(ctx context.Context, spec model.Target) error {
	defer c.d.change()()
	old, ok := c.find(spec.Name)
	if !ok {
		return fmt.Errorf("there is no target %s", spec.Name)
	}
	maps, err := c.mappings(spec)
	if err != nil {
		return fmt.Errorf("target %s: %w", spec.Name, err)
	}
	t := &served{spec: spec, Target: old.Target}
	show, err := c.told(t)
	if err != nil {
		return err
	}
	x := &change{}
	x.publish = func() {
		show()
		c.put(t)
		c.remap(t.Target, maps)
	}
	x.retire = c.ended
	return x.do(ctx)
}

// remap replaces the map of a target, for those who are there too. Daemon.changing is held.
func (c *targets) remap(t *target.Target, maps []target.Mapping) {
	gone := make(chan struct{})
	c.ending = append(c.ending, gone)
	v, err := target.NewViews(t.Name, maps)
	if err != nil {
		close(gone) // the map was checked before
		c.d.log.Error("a target shows what it did before", "target", t.Name, "error", err)
		return
	}
	t.SetViews(v, func() { close(gone) })
}

// uses are the targets that map a logical unit of u. Daemon.changing is held.
func (c *targets) uses(u *unit) (some []*served) {
	for _, t := range c.load() {
		if slices.ContainsFunc(t.spec.LUNs, func(l model.LUN) bool { return u.has(l.Unit) }) {
			some = append(some, t)
		}
	}
	return some
}

// remove ends the sessions with a target and takes it out. It waits until no unit knows them any more, or
// ctx is done: then they end by themselves.
func (c *targets) remove(ctx context.Context, name string) error {
	defer c.d.change()()
	if _, ok := c.find(name); !ok {
		return fmt.Errorf("there is no target %s", name)
	}
	x := change{
		publish: func() { c.list.remove(name) },
		retire: func(ctx context.Context) error {
			var errs []error
			for _, n := range c.d.nodes.load() {
				ended := make(chan struct{})
				if err := n.RemoveTarget(name, func() { close(ended) }); err != nil {
					errs = append(errs, fmt.Errorf("target %s: %w", name, err))
					continue
				}
				c.ending = append(c.ending, ended)
			}
			return errors.Join(append(errs, c.ended(ctx))...)
		},
	}
	return x.do(ctx)
}

// ended waits until no unit knows those any more from whom it was taken away, or whose sessions
// with removed targets are ending. Daemon.changing is held.
func (c *targets) ended(ctx context.Context) error {
	for len(c.ending) > 0 {
		select {
		case <-c.ending[0]:
			c.ending = c.ending[1:]
		case <-ctx.Done():
			return fmt.Errorf("sessions are still ending: %w", context.Cause(ctx))
		}
	}
	return nil
}
