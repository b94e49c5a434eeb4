package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// A portal is one that is bound. It is not changed: an update makes another, of the same binding.
type portal struct {
	spec model.Portal
	pair plugin.Pair
	plugin.Portal
}

func (p *portal) name() string { return p.spec.String() + " " + p.Addr() }

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

// prepare binds a portal, with the network and the node that it needs. Daemon.changing is held.
func (c *portals) prepare(ctx context.Context, spec model.Portal, beside []*portal) (*portal, *change, error) {
	pair, err := c.d.reg.Pair(spec.Kind)
	if err != nil {
		return nil, nil, err
	}
	x := &change{}
	network, err := c.d.networks.need(pair.Provider, &x.undo)
	if err != nil {
		return nil, nil, x.cancel(err)
	}
	n, err := c.d.nodes.need(pair.Transport, &x.undo)
	if err != nil {
		return nil, nil, x.cancel(err)
	}
	bound, err := pair.Listen(ctx, n.Node, network, binding(pair, spec))
	if err != nil {
		return nil, nil, x.cancel(explain(pair.Provider, err, spec, beside))
	}
	x.undo.add(bound.Close)
	p := &portal{spec, pair, bound}
	x.publish = func() {
		p.Start()
		c.put(p)
	}
	return p, x, nil
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

// create binds a portal and lets initiators in.
func (c *portals) create(ctx context.Context, spec model.Portal) error {
	defer c.d.change()()
	_, x, err := c.prepare(ctx, spec, c.load())
	if err != nil {
		return err
	}
	return x.do(ctx)
}

// open binds portals, all of them before the first lets initiators in.
func (c *portals) open(ctx context.Context, specs []model.Portal) error {
	defer c.d.change()()
	var changes []*change
	var bound []*portal
	for _, spec := range specs {
		p, x, err := c.prepare(ctx, spec, bound)
		if err != nil {
			for _, x := range slices.Backward(changes) {
				err = x.cancel(err)
			}
			return err
		}
		changes, bound = append(changes, x), append(bound, p)
	}
	for _, x := range changes {
		x.publish()
	}
	return nil
}

// at finds a portal by what it is bound to, TRANSPORT+PROVIDER://ADDRESS. Daemon.changing is held.
func (c *portals) at(url string) (*portal, error) {
	for _, p := range c.load() {
		if p.url() == url {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no portal %s", url)
}

// show lets a portal show other targets; none: all.
func (c *portals) show(url string, names []string) error {
	defer c.d.change()()
	p, err := c.at(url)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := c.d.targets.find(name); !ok {
			return fmt.Errorf("portal %s: there is no target %s", url, name)
		}
	}
	now := *p
	now.spec.Targets = named(names)
	p.Set(binding(p.pair, now.spec))
	c.put(&now)
	return nil
}

// close lets nobody in by a portal any more. Those who have come by it stay.
func (c *portals) close(ctx context.Context, url string) error {
	defer c.d.change()()
	p, err := c.at(url)
	if err != nil {
		return err
	}
	x := change{
		publish: func() { c.remove(p.name()) },
		retire:  func(context.Context) error { return p.Close() },
	}
	return x.do(ctx)
}

// closeAll lets nobody in any more. Daemon.changing is held.
func (c *portals) closeAll() error {
	var errs []error
	for _, p := range c.load() {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
