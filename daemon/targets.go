package daemon

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// served is a target as the document has it. It is not changed: an update makes another, of the same
// SCSI target.
type served struct {
	spec model.Target
	// mapped are the units that it has by the names in its LUNs, those of its access included.
	mapped map[string]*target.Unit
	*target.Target
}

func (t *served) name() string { return t.spec.Name }

func (t *served) key() model.Key { return model.Key{Kind: model.TargetObject, Name: t.spec.Name} }

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

// maps are the units at LUNs, as they will be; mapped notes them. Daemon.changing is held.
func (c *targets) maps(x *transition, luns []model.LUN, mapped map[string]*target.Unit) ([]target.Mapping, error) {
	var all []target.Mapping
	for _, l := range luns {
		lun, err := scsi.FlatLUN(uint32(l.Number))
		if err != nil {
			return nil, err
		}
		u, ok := x.logical[l.Unit]
		if !ok {
			return nil, fmt.Errorf("LUN %d: there is no unit %s", l.Number, l.Unit)
		}
		mapped[l.Unit] = u.Unit
		all = append(all, target.Mapping{LUN: lun, Unit: u.Unit, ReadOnly: l.ReadOnly})
	}
	return all, nil
}

// views are what initiators see of a target, as it will be; mapped notes the units. Daemon.changing is held.
func (c *targets) views(x *transition, spec model.Target, mapped map[string]*target.Unit) (*target.Views, error) {
	all, err := c.maps(x, spec.LUNs, mapped)
	if err != nil {
		return nil, err
	}
	var some []target.View
	for _, a := range spec.Access {
		v := target.View{Initiators: a.Initiators, Users: a.Users}
		for _, text := range a.Addresses {
			p, err := network(text)
			if err != nil {
				return nil, fmt.Errorf("access %s: %w", a.Name, err)
			}
			v.Addresses = append(v.Addresses, p)
		}
		if v.Maps, err = c.maps(x, a.LUNs, mapped); err != nil {
			return nil, fmt.Errorf("access %s: %w", a.Name, err)
		}
		some = append(some, v)
	}
	return target.NewViews(spec.Name, all, some...)
}

// network reads an address, or a network as ADDRESS/BITS.
func network(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a.WithZone(""), a.BitLen()), nil
}

// same reports that the units that t maps are those that there will be.
func (t *served) same(x *transition) bool {
	for name, u := range t.mapped {
		if l, ok := x.logical[name]; !ok || l.Unit != u {
			return false
		}
	}
	return true
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

// prepare makes the targets that come, shows those anew that change, and takes those out that go. A target of
// another name is another SCSI target: for initiators one goes, and another comes. Daemon.changing is held.
func (c *targets) prepare(ctx context.Context, x *transition) error {
	before, concerned := byName(c.load()), c.concerned(x)
	now := make([]*served, 0, len(x.New.Targets))
	var again []func() error // what could not be prepared before the others were
	for _, spec := range x.New.Targets {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		old := before[spec.Name]
		delete(before, spec.Name)
		t := old
		if old == nil || concerned[spec.Name] || !old.same(x) {
			var err error
			if t, err = c.renew(x, spec, old); err != nil {
				return fmt.Errorf("target %s: %w", spec.Name, err)
			}
		}
		now = append(now, t)
		for _, n := range c.d.nodes.load() {
			if t == old && !x.made[n] {
				continue
			}
			if err := c.show(x, n, t); err != nil {
				again = append(again, func() error { return c.show(x, n, t) })
			}
		}
	}
	for _, show := range again {
		if err := show(); err != nil {
			return err
		}
	}
	x.shows = append(x.shows, func() { c.replace(now) })
	for _, old := range before {
		c.ending(x, old)
	}
	return nil
}

// renew is the target of spec, which is old with other views if there is one. Daemon.changing is held.
func (c *targets) renew(x *transition, spec model.Target, old *served) (*served, error) {
	t := &served{spec: spec, mapped: make(map[string]*target.Unit)}
	views, err := c.views(x, spec, t.mapped)
	if err != nil {
		return nil, err
	}
	if old == nil {
		if t.Target, err = target.NewTarget(spec.Name); err != nil {
			return nil, err
		}
		t.SetViews(views, nil)
		return t, nil
	}
	t.Target = old.Target
	gone := x.losing(t.key())
	x.undo.add(func() error { gone(); return nil })
	x.shows = append(x.shows, func() { t.SetViews(views, gone) })
	return t, nil
}

// show lets a node show t from the publication on, and ends the sessions then that it refuses. Who finds the
// target under maintenance has the time to leave. Daemon.changing is held.
func (c *targets) show(x *transition, n *openNode, t *served) error {
	shown := t.shown()
	show, err := n.PrepareTarget(shown)
	if err != nil {
		return err
	}
	if x.made[n] {
		x.shows = append(x.shows, show)
		return nil
	}
	var after time.Duration
	if shown.Maintenance.On {
		after = x.New.Limits.StopTimeout * 3 / 4 // the rest is for the end of those who have not left
	}
	gone := x.losing(t.key())
	x.undo.add(func() error { gone(); return nil })
	x.shows = append(x.shows, func() {
		show()
		n.EndRefused(shown, after, gone)
	})
	return nil
}

// ending ends the sessions with a target from the publication on. Daemon.changing is held.
func (c *targets) ending(x *transition, old *served) {
	for _, n := range c.d.nodes.load() {
		gone := x.losing(old.key())
		x.undo.add(func() error { gone(); return nil })
		x.shows = append(x.shows, func() {
			if err := n.RemoveTarget(old.Name, gone); err != nil {
				gone() // it does not show it
			}
		})
	}
}
