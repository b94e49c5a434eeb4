package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// An openNetwork is the network of a provider.
type openNetwork struct {
	provider plugin.Provider
	plugin.Network
}

func (n *openNetwork) name() string { return n.provider.Name }

// networks are those that portals have needed: whichever transport uses one, it is the same.
type networks struct {
	d *Daemon
	list[*openNetwork]
}

// need opens the network of a provider, and those below it, unless they are open; u takes it back.
// Daemon.changing is held.
func (c *networks) need(p plugin.Provider, v model.Values, u *undo) (plugin.Network, error) {
	if n, ok := c.find(p.Name); ok {
		return n.Network, nil
	}
	var below plugin.Network
	if p.On() != "" {
		on, err := plugin.Find(c.d.reg.Providers, "provider", p.On())
		if err != nil {
			return nil, err
		}
		if below, err = c.need(on, v, u); err != nil {
			return nil, err
		}
	}
	n, err := p.OpenNetwork(v, below)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	if l, ok := n.(plugin.Logger); ok {
		l.LogTo(c.d.log.With("provider", p.Name))
	}
	if r, ok := n.(plugin.Registrant); ok {
		r.Register(c.d.arena.Regions())
	}
	c.put(&openNetwork{p, n})
	u.add(func() error {
		c.remove(p.Name)
		return n.Close()
	})
	return n, nil
}

// facts are what the networks say of themselves.
func (c *networks) facts() (all api.Facts) {
	for _, n := range c.load() {
		if d, ok := n.Network.(plugin.Describer); ok {
			all = append(all, d.Describe()...)
		}
	}
	return all
}

// close ends all networks, those that are on others first. Daemon.changing is held.
func (c *networks) close() error {
	var errs []error
	all := c.load()
	for i := len(all) - 1; i >= 0; i-- {
		c.remove(all[i].name())
		errs = append(errs, all[i].Close())
	}
	return errors.Join(errs...)
}

// An openNode is a transport at work.
type openNode struct {
	transport plugin.Transport
	plugin.Node
}

func (n *openNode) name() string { return n.transport.Name }

// nodes are the transports that portals have needed. Each shows all targets; a portal may show some.
type nodes struct {
	d *Daemon
	list[*openNode]
}

// prepare makes the nodes that the portals of the document need. Daemon.changing is held.
func (c *nodes) prepare(_ context.Context, x *transition) error {
	for _, n := range c.load() {
		limits, err := c.limits(x.New)
		if err != nil {
			return err
		}
		publish, err := n.Prepare(c.config(n.transport, x, limits))
		if err != nil {
			return err
		}
		x.shows = append(x.shows, publish)
	}
	for _, p := range x.New.Portals {
		pair, err := c.d.reg.Pair(p.Kind)
		if err != nil {
			return err
		}
		if _, err := c.need(pair.Transport, x); err != nil {
			return err
		}
	}
	return nil
}

// config is what the node of a transport is told.
func (c *nodes) config(t plugin.Transport, x *transition, limits model.Limits) plugin.NodeConfig {
	cfg := plugin.NodeConfig{
		Log: c.d.log.With("transport", t.Name), Arena: c.d.arena, Limits: limits, Values: x.New.Values,
		Targets: make([]string, 0, len(x.New.Targets)),
	}
	for _, t := range x.New.Targets {
		cfg.Targets = append(cfg.Targets, t.Name)
	}
	return cfg
}

// need makes the node of a transport, which shows no target yet, unless there is one. Daemon.changing
// is held.
func (c *nodes) need(t plugin.Transport, x *transition) (*openNode, error) {
	if n, ok := c.find(t.Name); ok {
		return n, nil
	}
	limits, err := c.limits(x.New)
	if err != nil {
		return nil, err
	}
	made, err := t.New(c.config(t, x, limits))
	if err != nil {
		return nil, err
	}
	n := &openNode{t, made}
	x.undo.add(func() error {
		c.remove(t.Name)
		now, cancel := context.WithCancel(context.Background())
		cancel() // nobody has come yet
		return n.Shutdown(now)
	})
	c.put(n)
	x.made[n] = true
	return n, nil
}

// shutdown ends all transports at the same time: initiators of each have all of it to leave.
func (c *nodes) shutdown(ctx context.Context) error {
	all := c.load()
	errs := make([]error, len(all))
	var ended sync.WaitGroup
	for i, n := range all {
		ended.Go(func() { errs[i] = n.Shutdown(ctx) })
	}
	ended.Wait()
	return errors.Join(errs...)
}
