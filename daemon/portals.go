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
	"github.com/lunette-io/lunette/internal/handed"
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

// prepare binds the portals that come, and takes those out that go. What is bound already stays bound,
// whatever it is called and shows now; a socket that another kind of portal shall listen on is handed to it.
// Daemon.changing is held.
func (c *portals) prepare(ctx context.Context, x *transition) error {
	keys := x.New.PortalKeys()
	kept, before := c.keep(x, keys)
	now := make([]*portal, 0, len(keys))
	for i, key := range keys {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		spec, old := x.New.Portals[i], kept[i]
		switch {
		case old == nil:
			p, err := c.bind(ctx, x, key.Name, spec, now, before)
			if err != nil {
				return err
			}
			x.shows = append(x.shows, p.Start)
			now = append(now, p)
		case old.key == key.Name && reflect.DeepEqual(old.spec, spec):
			now = append(now, old)
		default:
			if r, ok := old.Portal.(plugin.Refuser); ok {
				if err := r.Refuses(binding(old.pair, spec)); err != nil {
					return explain(old.pair.Provider, err, spec, now)
				}
			}
			p := *old
			p.key, p.spec = key.Name, spec
			x.shows = append(x.shows, func() { p.Set(binding(p.pair, spec)) })
			now = append(now, &p)
		}
	}
	x.shows = append(x.shows, func() { c.replace(now) })
	for _, old := range before {
		x.ends = append(x.ends, func(context.Context) error { return old.Close() })
	}
	return nil
}

// keep finds the bound portals that stay, for each of the keys of the new document, nil: it has to be bound; and
// those that go. Daemon.changing is held.
func (c *portals) keep(x *transition, keys []model.Key) (kept, rest []*portal) {
	before := byName(c.load())
	from := make(map[string]string) // names that portals had
	for _, s := range x.steps(model.PortalObject) {
		if s.Op == plan.Rename {
			from[s.Key.Name] = s.From.Name
		}
	}
	kept = make([]*portal, len(keys))
	find := func(by func(key string, spec *model.Portal) *portal) {
		for i, key := range keys {
			if kept[i] != nil {
				continue
			}
			spec := &x.New.Portals[i]
			if p := by(key.Name, spec); p != nil && p.stays(spec) {
				kept[i] = p
				delete(before, p.key)
			}
		}
	}
	find(func(key string, _ *model.Portal) *portal { return before[key] })
	find(func(key string, _ *model.Portal) *portal { return before[from[key]] })
	find(func(_ string, spec *model.Portal) *portal {
		for _, p := range c.load() {
			if before[p.key] == p && p.stays(spec) {
				return p
			}
		}
		return nil
	})
	for _, p := range c.load() {
		if before[p.key] == p {
			rest = append(rest, p)
		}
	}
	return kept, rest
}

// stays reports that what p has bound is what spec wants: all else changes live.
func (p *portal) stays(spec *model.Portal) bool {
	if p.spec.Kind != spec.Kind || p.spec.Address != spec.Address {
		return false
	}
	for _, o := range model.Merge(p.pair.Kind.Options, p.pair.Provider.Options) {
		if o.Change != model.Live && !reflect.DeepEqual(p.spec.Values[o.Name], spec.Values[o.Name]) {
			return false
		}
	}
	return true
}

// takes is what the portal takes of which space; nil: nothing that another could want as well.
func (p *portal) takes() any {
	if p.spec.Address.Takes == "" {
		return nil
	}
	return [2]string{p.pair.Provider.Listen(p.pair.Kind.Port).Space, p.spec.Address.Takes}
}

// bind binds a portal, with the network that it needs; going are those whose place it may take.
// Daemon.changing is held.
func (c *portals) bind(ctx context.Context, x *transition, key string, spec model.Portal, beside, going []*portal) (*portal, error) {
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
	p := &portal{key: key, spec: spec, pair: pair}
	for _, old := range going {
		s, ok := old.Portal.(handed.Sharer)
		if takes := p.takes(); takes == nil || old.takes() != takes || !ok {
			continue
		}
		if socket, err := s.Share(); err == nil { // without one it is bound, if it can be
			defer socket.Close()
			ctx = handed.With(ctx, socket)
		}
	}
	if p.Portal, err = pair.Listen(ctx, n.Node, network, binding(pair, spec)); err != nil {
		return nil, explain(pair.Provider, err, spec, beside)
	}
	x.undo.add(p.Close)
	return p, nil
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
