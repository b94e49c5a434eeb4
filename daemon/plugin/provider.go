package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
)

// A Provider is a network below transports. [Opens] or [OpensOn] says how one is opened; the type of
// the network that it opens says which kinds of portals go over it.
type Provider struct {
	About
	// Document is what the provider has in the whole of a document.
	Document []model.Option
	Check    func(c *model.Check) // nil: its options say all
	// Listen is how portals are written that go over it, those whose kind has the port. It must be there.
	Listen func(port uint16) model.Listen
	// Host are lines for people: what a host does to get on the network of a portal at an address; nil: nothing.
	Host func(at string) []string
	// Soft is the type of the device of RDMA in software that a Linux host makes for it, as "rdma link" has it; empty: there is none, or hosts
	// have adapters. SoftLocal is what is to be said where the portal is one that only this machine reaches.
	Soft, SoftLocal string
	// Explain says what to do about a portal that cannot be bound; nil: the error says it.
	Explain func(f Failed) string
	// Busy reports that nothing is wrong with the portal, but that another program has what it takes; nil: that
	// does not happen.
	Busy func(f Failed) bool

	on   string
	is   reflect.Type
	open func(v model.Values, below any) (Network, error)
}

func (p Provider) add(r *Registry) { r.Providers = append(r.Providers, p) }

// A Network is an open network. It is closed after all that goes over it has ended.
type Network interface{ Close() error }

// A Describer is a [Network] that says of itself how it works.
type Describer interface{ Describe() api.Facts }

// A Logger is a [Network] that has something to say later. LogTo is called once, before anything goes over it.
type Logger interface{ LogTo(log *slog.Logger) }

// A Registrant is a [Network] whose adapters reach memory of this process. Register is called once, before anything goes over it, with the list of all
// memory that data lies in: the list is there as long as the network.
type Registrant interface{ Register(all *buffer.Regions) }

// Failed is a portal that could not be bound.
type Failed struct {
	Err error
	At  model.Address
	// Beside are the portals that are bound already, of all providers of the same space.
	Beside []model.Portal
}

// Opens returns p with the function that opens it, once for all transports. v are the values of the document.
func Opens[N Network](p Provider, open func(v model.Values) (N, error)) Provider {
	p.is = reflect.TypeFor[N]()
	p.open = func(v model.Values, _ any) (Network, error) { return network(open(v)) }
	return p
}

// OpensOn is as [Opens] for a provider that is on the network of another, which it borrows.
func OpensOn[N, B Network](p Provider, on string, open func(v model.Values, below B) (N, error)) Provider {
	p.is, p.on = reflect.TypeFor[N](), on
	p.open = func(v model.Values, below any) (Network, error) {
		b, ok := below.(B)
		if !ok {
			return nil, fmt.Errorf("%s is not on a %T", p.Name, below)
		}
		return network(open(v, b))
	}
	return p
}

// network keeps a network that could not be opened from being an interface with nothing in it.
func network[N Network](n N, err error) (Network, error) {
	if err != nil {
		return nil, err
	}
	return n, nil
}

// HostLines are the lines of Host.
func (p Provider) HostLines(at string) []string {
	if p.Host == nil {
		return nil
	}
	return p.Host(at)
}

// On is the provider below this one; empty: there is none.
func (p Provider) On() string { return p.on }

// OpenNetwork opens the network; below is that of the provider that On names.
func (p Provider) OpenNetwork(v model.Values, below Network) (Network, error) {
	return p.open(v, below)
}

// A Pair is a kind of portal over a provider: what a document names before ://.
type Pair struct {
	Transport Transport
	Kind      PortalKind
	Provider  Provider
}

// Name is TRANSPORT+PROVIDER.
func (p Pair) Name() string { return p.Kind.Name + "+" + p.Provider.Name }

// Listen binds a portal.
func (p Pair) Listen(ctx context.Context, node Node, network Network, b Binding) (Portal, error) {
	return p.Kind.listen(ctx, node, network, b)
}

func (p Pair) schema() model.Kind {
	return model.Kind{
		Axis: "transport", Name: p.Name(),
		Help:    strings.TrimSpace(p.Kind.Help + " " + p.Provider.Help),
		Options: model.Merge(p.Kind.Options, p.Provider.Options),
		Listen:  p.Provider.Listen(p.Kind.Port),
		Tied:    p.Kind.Tied,
	}
}

// portals are all pairs: each kind of portal with each provider of a network that it goes over.
func (r Registry) portals() []Pair {
	var all []Pair
	for _, t := range r.Transports {
		for _, k := range t.Portals {
			for _, p := range r.Providers {
				if p.is == k.over {
					all = append(all, Pair{t, k, p})
				}
			}
		}
	}
	return all
}

// Pair finds the pair of the name TRANSPORT+PROVIDER.
func (r Registry) Pair(name string) (Pair, error) {
	for _, p := range r.portals() {
		if p.Name() == name {
			return p, nil
		}
	}
	return Pair{}, fmt.Errorf("there is no transport %q", name)
}
