package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// A portal is one that is bound. It is not changed: an update makes another, of the same binding.
type portal struct {
	key  string // its name in the document, as of [model.PortalObject]
	spec model.Portal
	pair plugin.Pair
	plugin.Portal
}

func (p *portal) name() string { return p.key }

// url is the portal as it is bound.
func (p *portal) url() string { return p.spec.Kind + "://" + p.Addr() }

// reachable is what initiators connect to.
func (p *portal) reachable() string {
	if reach := p.pair.Provider.Listen(p.pair.Kind.Port).Reach; reach != nil {
		return reach(p.spec.Address, p.Addr())
	}
	return p.Addr()
}

// portals are the portals of a daemon.
type portals struct {
	d *Daemon
	list[*portal]
}

// prepare binds the portals that come, and takes those out that go. Daemon.changing is held.
func (c *portals) prepare(ctx context.Context, x *transition) error {
	before := byName(c.load())
	steps := make(map[string]plan.Step)
	for _, s := range x.steps(model.PortalObject) {
		steps[s.Key.Name] = s
	}
	var now []*portal
	for i, key := range x.New.PortalKeys() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		spec, old := x.New.Portals[i], before[key.Name]
		step, changes := steps[key.Name]
		switch {
		case old != nil && !changes:
			now = append(now, old)
			delete(before, key.Name)
			continue
		case old != nil && onlyShows(old.spec, spec):
			p := *old
			p.spec = spec
			x.shows = append(x.shows, func() { p.Set(binding(p.pair, spec)) })
			now = append(now, &p)
			delete(before, key.Name)
			continue
		case old == nil && step.Op == plan.Rename && before[step.From.Name] != nil:
			p := *before[step.From.Name]
			delete(before, step.From.Name)
			p.key, p.spec = key.Name, spec
			x.shows = append(x.shows, func() { p.Set(binding(p.pair, spec)) })
			now = append(now, &p)
			continue
		}
		p, err := c.bind(ctx, x, key.Name, spec, now)
		if err != nil {
			return err
		}
		x.shows = append(x.shows, p.Start)
		now = append(now, p)
	}
	x.shows = append(x.shows, func() { c.replace(now) })
	for _, old := range before {
		x.ends = append(x.ends, func(context.Context) error { return old.Close() })
	}
	return nil
}

// onlyShows reports that two portals are bound alike, and may show other targets.
func onlyShows(old, now model.Portal) bool {
	return old.Kind == now.Kind && old.Address == now.Address && reflect.DeepEqual(old.Values, now.Values) && old.Tag == now.Tag
}

// bind binds a portal, with the network that it needs. Daemon.changing is held.
func (c *portals) bind(ctx context.Context, x *transition, key string, spec model.Portal, beside []*portal) (*portal, error) {
	pair, err := c.d.reg.Pair(spec.Kind)
	if err != nil {
		return nil, err
	}
	network, err := c.d.networks.need(pair.Provider, x.New.Values, &x.undo)
	if err != nil {
		return nil, err
	}
	n, err := c.d.nodes.need(pair.Transport, x)
	if err != nil {
		return nil, err
	}
	bound, err := pair.Listen(ctx, n.Node, network, binding(pair, spec))
	if err != nil {
		return nil, explain(pair.Provider, err, spec, beside)
	}
	x.undo.add(bound.Close)
	return &portal{key, spec, pair, bound}, nil
}

// binding is what a portal of the pair is told.
func binding(pair plugin.Pair, spec model.Portal) plugin.Binding {
	return plugin.Binding{
		Provider: pair.Provider.Name, Address: spec.Address.Text, Targets: named(spec.Targets), Tag: max(1, spec.Tag), Values: spec.Values,
	}
}

// named is a copy of the names of targets that a portal shows; nil, which means all, if there are none.
func named(targets []string) []string {
	if len(targets) == 0 {
		return nil
	}
	return slices.Clone(targets)
}

// errBusy is wrapped by the error of a portal that another program is in the way of.
var errBusy = errors.New("busy")

// An unbound is the error of a portal that cannot be bound, in words that say what to do.
type unbound struct {
	text string
	busy bool
}

func (e *unbound) Error() string { return e.text }

// Is implements the interface of [errors.Is].
func (e *unbound) Is(err error) bool { return e.busy && err == errBusy }

// explain says what to do about a portal that cannot be bound.
func explain(p plugin.Provider, err error, spec model.Portal, beside []*portal) error {
	f := plugin.Failed{Err: err, At: spec.Address}
	space := p.Listen(0).Space
	for _, other := range beside {
		if other.pair.Provider.Listen(0).Space == space {
			f.Beside = append(f.Beside, other.spec)
		}
	}
	e := &unbound{busy: p.Busy != nil && p.Busy(f)}
	if p.Explain == nil {
		e.text = fmt.Sprintf("portal %s: %s", spec, oneLine(err))
	} else {
		e.text = fmt.Sprintf("portal %s: %s", spec, p.Explain(f))
	}
	return e
}

// closeAll lets nobody in any more. Daemon.changing is held.
func (c *portals) closeAll() error {
	var errs []error
	for _, p := range c.load() {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
