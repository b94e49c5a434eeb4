// Package daemon wires stores, devices, targets and transports as a document says, and
// takes them down again.
package daemon

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A Registry has all kinds of plugins, axis by axis.
type Registry struct {
	Stores     []agent.Kind[OpenStore]
	Filters    []agent.Kind[WrapStore]
	Devices    []agent.Kind[NewDevice]
	Transports []agent.Kind[NewTransport]
	Providers  []Provider
}

// A Provider is a network that a transport uses, in the words of portals.
type Provider struct {
	agent.Kind[Listen]        // named as the part of a portal before ://
	Transport          string // a transport may have several, and is one thing to them all
	model.Listen
}

// OpenStore opens a store.
type OpenStore func(ctx context.Context, v model.Values) (Opened, error)

// Opened is an open store. Undo, if there is one, takes back what opening has made; it
// is called before Close, when a start fails.
type Opened struct {
	store.Store
	Undo func() error
	// Seed tells this store from all others, here and on other hosts, for as long as
	// its data lives.
	Seed string
}

// WrapStore puts a filter on a store, which it takes.
type WrapStore func(s store.Store, v model.Values) (store.Store, error)

// NewDevice makes a logical unit of p. It takes the store if it succeeds: the unit's Close
// flushes and closes it.
type NewDevice func(p Parts, v model.Values) (target.LogicalUnit, error)

// Parts are what a device is made of.
type Parts struct {
	Store    store.Store
	Arena    *buffer.Arena
	Identity scsi.Identity
}

// NewTransport makes a SCSI transport, which serves nothing yet.
type NewTransport func(c TransportConfig) (Transport, error)

// A Transport shows targets to initiators.
type Transport interface {
	// AddTarget shows a target; before the first portal.
	AddTarget(t *target.Target, spec model.Target) error
	// Attach is what Linux's initiator takes to attach a target at a portal, if names do not do.
	Attach(spec model.Target, addr string) string
	// Sessions are the initiators now.
	Sessions() []api.Session
	// Shutdown asks initiators to leave, waits for them until ctx is done, and ends
	// what is left. All portals are closed.
	Shutdown(ctx context.Context) error
}

// Listen binds a portal of a transport at addr. Nothing is accepted before Start.
type Listen func(ctx context.Context, t Transport, addr string) (Portal, error)

// A Portal is where a transport listens.
type Portal interface {
	Addr() string // ADDR:PORT as it is bound
	Start()
	Close() error // returns when nothing is accepted any more
}

// Schema is what a document can choose from.
func (r Registry) Schema() model.Schema {
	s := agent.Schema("store", r.Stores)
	s = append(s, agent.Schema("filter", r.Filters)...)
	s = append(s, agent.Schema("device", r.Devices)...)
	return append(s, r.providers()...)
}

func (r Registry) providers() model.Schema {
	var s model.Schema
	for _, p := range r.Providers {
		s = append(s, model.Kind{Axis: "transport", Name: p.Name, Help: p.Help, Options: p.Options, Listen: p.Listen})
	}
	return s
}

// provider finds that of a portal.
func (r Registry) provider(p model.Portal) (Provider, error) {
	for _, known := range r.Providers {
		if known.Name == p.Scheme() {
			return known, nil
		}
	}
	return Provider{}, fmt.Errorf("there is no transport %q", p.Scheme())
}
