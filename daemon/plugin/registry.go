// Package plugin is what the daemon and its plugins agree on: what a store, a filter, a device type,
// a transport and a provider say of themselves, and what they are asked to do. A plugin's kind package
// makes one of these; the daemon has one list of them.
package plugin

import (
	"fmt"

	"github.com/lunette-io/lunette/agent/model"
)

// About is what every plugin says of itself.
type About struct {
	Name    string
	Help    string // one or two sentences
	Options []model.Option
}

func (a About) name() string { return a.Name }

func (a About) kind(axis string) model.Kind {
	return model.Kind{Axis: axis, Name: a.Name, Help: a.Help, Options: a.Options}
}

// A Plugin is a [Store], [Filter], [Device], [Transport] or [Provider].
type Plugin interface{ add(r *Registry) }

// A Registry has all plugins, axis by axis. The first of an axis is what a document means that names
// none.
type Registry struct {
	Stores     []Store
	Filters    []Filter
	Devices    []Device
	Transports []Transport
	Providers  []Provider
}

// List makes a registry of plugins.
func List(all ...Plugin) Registry { return Registry{}.With(all...) }

// With returns a registry with more plugins.
func (r Registry) With(more ...Plugin) Registry {
	all := Registry{
		Stores: clone(r.Stores), Filters: clone(r.Filters), Devices: clone(r.Devices),
		Transports: clone(r.Transports), Providers: clone(r.Providers),
	}
	for _, p := range more {
		p.add(&all)
	}
	return all
}

func clone[T any](all []T) []T { return append([]T(nil), all...) }

// Find returns the plugin of the name among those of an axis. A document that is valid by
// [Registry.Schema] names none that is not there.
func Find[T interface{ name() string }](all []T, axis, name string) (T, error) {
	for _, p := range all {
		if p.name() == name {
			return p, nil
		}
	}
	var none T
	return none, fmt.Errorf("there is no %s %q", axis, name)
}

// Schema is what a document can choose from, and say.
func (r Registry) Schema() model.Schema {
	var s model.Schema
	for _, p := range r.Stores {
		k := p.kind("store")
		k.Volatile = p.Volatile
		s.Kinds = append(s.Kinds, k)
	}
	for _, p := range r.Filters {
		s.Kinds = append(s.Kinds, p.kind("filter"))
	}
	for _, p := range r.Devices {
		k := p.kind("device")
		k.Device = model.Device{Stores: p.Stores, Units: p.Units, Actions: p.Actions}
		s.Kinds = append(s.Kinds, k)
	}
	for _, p := range r.portals() {
		s.Kinds = append(s.Kinds, p.schema())
	}
	for _, t := range r.Transports {
		s.Document = model.Merge(s.Document, t.Document)
		s.Target = model.Merge(s.Target, t.Target)
		s.Checks = appendNot(s.Checks, t.Check)
		if t.Restricts != nil {
			s.Restricts = append(s.Restricts, t.Restricts)
		}
	}
	for _, p := range r.Providers {
		s.Document = model.Merge(s.Document, p.Document)
		s.Checks = appendNot(s.Checks, p.Check)
	}
	return s
}

func appendNot(all []func(*model.Check), f func(*model.Check)) []func(*model.Check) {
	if f == nil {
		return all
	}
	return append(all, f)
}

// Several are plugins that come together, such as a transport and the network that only it uses.
type Several []Plugin

func (s Several) add(r *Registry) {
	for _, p := range s {
		p.add(r)
	}
}
