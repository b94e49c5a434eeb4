package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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
}

// mappings are the units of a target, as they will be. Daemon.changing is held.
func (c *targets) mappings(x *transition, spec model.Target) ([]target.Mapping, error) {
	var all []target.Mapping
	for _, l := range spec.LUNs {
		lun, err := scsi.FlatLUN(uint32(l.Number))
		if err != nil {
			return nil, err
		}
		u, ok := x.logical[l.Unit]
		if !ok {
			return nil, fmt.Errorf("LUN %d: there is no unit %s", l.Number, l.Unit)
		}
		all = append(all, target.Mapping{LUN: lun, Unit: u.Unit})
	}
	return all, nil
}

// concerned are the names of the targets that are to be shown anew, or for the first time.
func (c *targets) concerned(x *transition) map[string]bool {
	some := maps.Clone(x.anew)
	for _, s := range x.Plan.Steps {
		name := s.Key.Name
		switch s.Key.Kind {
		case model.AccessObject:
			name, _, _ = strings.Cut(name, "/")
		case model.TargetObject:
		case model.UserObject:
			for _, t := range x.New.Targets {
				some[t.Name] = true
			}
			continue
		default:
			continue
		}
		some[name] = true
	}
	if x.Reload {
		for _, t := range x.New.Targets {
			some[t.Name] = true
		}
	}
	return some
}

// prepare makes the targets that come, shows those anew that change, and takes those out that go.
// Daemon.changing is held.
func (c *targets) prepare(ctx context.Context, x *transition) error {
	before, concerned := byName(c.load()), c.concerned(x)
	now := make([]*served, 0, len(x.New.Targets))
	for _, spec := range x.New.Targets {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		old := before[spec.Name]
		delete(before, spec.Name)
		t := old
		if old == nil || concerned[spec.Name] {
			var err error
			if t, err = c.renew(x, spec, old); err != nil {
				return fmt.Errorf("target %s: %w", spec.Name, err)
			}
		}
		for _, n := range c.d.nodes.load() {
			if t == old && !x.made[n] {
				continue
			}
			if err := c.show(x, n, t); err != nil {
				return err
			}
		}
		now = append(now, t)
	}
	x.shows = append(x.shows, func() { c.replace(now) })
	for _, old := range before {
		c.ending(x, old)
	}
	x.ends = append(x.ends, x.ended)
	return nil
}

// renew is the target of spec, which is old with another map if there is one. Daemon.changing is held.
func (c *targets) renew(x *transition, spec model.Target, old *served) (*served, error) {
	all, err := c.mappings(x, spec)
	if err != nil {
		return nil, err
	}
	t := &served{spec: spec}
	if old == nil {
		t.Target, err = target.NewTarget(spec.Name, all...)
		return t, err
	}
	t.Target = old.Target
	views, err := target.NewViews(t.Name, all)
	if err != nil {
		return nil, err
	}
	gone := x.losing()
	x.undo.add(func() error { gone(); return nil })
	x.shows = append(x.shows, func() { t.SetViews(views, gone) })
	return t, nil
}

// show lets a node show t from the publication on. Daemon.changing is held.
func (c *targets) show(x *transition, n *openNode, t *served) error {
	show, err := n.PrepareTarget(t.shown())
	if err != nil {
		return err
	}
	x.shows = append(x.shows, show)
	return nil
}

// ending ends the sessions with a target from the publication on. Daemon.changing is held.
func (c *targets) ending(x *transition, old *served) {
	for _, n := range c.d.nodes.load() {
		gone := x.losing()
		x.undo.add(func() error { gone(); return nil })
		x.shows = append(x.shows, func() {
			if err := n.RemoveTarget(old.Name, gone); err != nil {
				gone() // it does not show it
			}
		})
	}
}
