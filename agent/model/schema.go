package model

import (
	"fmt"
	"slices"
	"strings"
)

// A Schema is what there is to choose from, and what can be said beside it. It is put together
// from what each plugin says of itself; this package knows none of them.
type Schema struct {
	// Kinds of the axes "store", "filter", "device" and "transport"; the names of transports
	// are TRANSPORT+PROVIDER. The first of an axis is what is meant where none is written.
	Kinds []Kind
	// Document are the options of the whole document, and Target those of each target, beside
	// the keys that every document has.
	Document, Target []Option
	// Flags are options of the whole document that go before what a document says, as those of a
	// command line do: they are in its Values, and not in what is given.
	Flags []Flag
	// Checks look at a document whose options are right.
	Checks []func(*Check)
	// Restricts say how the options of a target keep initiators out, in words that come after
	// "the target": "asks for …"; empty: they let all in. What they say holds for the target,
	// by whichever transport it is shown.
	Restricts []func(target Values) string
}

// A Flag is an option that was not given in a document; Name is where it was given, for errors.
type Flag struct {
	Name string
	Given
}

// A Kind is one plugin: its name, and what can be said about it.
type Kind struct {
	Axis, Name, Help string
	Options          []Option
	// Volatile, of the axis "store": what it holds is gone when it is closed.
	Volatile bool
	Device   // of the axis "device"
	Listen   // of the axis "transport"
	// Tied, of the axis "transport": sessions that have come by a portal end with it, and with what it shows.
	Tied bool
}

// Device says what a unit of a device type is made of, and what it gives.
type Device struct {
	Stores StoreUse
	// Units are the names of the logical units, each of which a LUN can map as UNIT/NAME; an
	// empty name is the unit's own. nil: there is one, with the unit's own name.
	Units func(v Values) []string
	// Actions are what people can do with a unit, beside changing the document.
	Actions []Action
}

// An Action is something that people can do with a unit, such as to put a medium into it.
type Action struct {
	Name string // in the API and on the command line: "load"
	Help string // one or two sentences
	// Arguments are what it is told, each with a name: see [Arguments].
	Arguments []Option
	// Changes: it changes something, and is not for those who may only look.
	Changes bool
}

// StoreUse is how many stores a device type needs.
type StoreUse uint8

// Uses of stores.
const (
	OneStore      StoreUse = iota // store: {kind: …}
	OptionalStore                 // as above, or none
	NoStore
	ManyStores // stores: {NAME: {kind: …}, …}
)

// Listen says how portals of a transport over a provider are written.
type Listen struct {
	// Parse reads the address of a portal: what is behind ://. written is all of the portal,
	// and kind its TRANSPORT+PROVIDER, for errors.
	Parse func(kind, text, written string) (Address, error)
	// Space is what kind of thing portals take: two cannot take the same thing of a space.
	Space string
	// Thing says in an error what two portals of different kinds have both taken: "port", with what makes it one thing for both; empty: "address".
	Thing, Since string
	// Default is the address of the portal of a document that has none: of this machine alone.
	// Open is one that others reach as well. Both are as Parse reads them.
	Default, Open string
	// Reach is what initiators connect to when a portal at an address is bound to another, as
	// with a wildcard; nil: what it is bound to.
	Reach func(at Address, bound string) string
}

// An Address is where a portal listens.
type Address struct {
	Text string // as it is written
	// Takes is what no other portal of the space can take as well; empty: it takes nothing.
	Takes string
	Next  string // an address that takes something else
	Open  string // the address at which everybody reaches what takes the same; empty: that of [Listen]
	Local bool   // only this machine reaches it
	All   bool   // all that the machine has: none to connect to
}

// Names are the kinds of an axis, in order.
func (s Schema) Names(axis string) []string {
	var all []string
	for _, k := range s.Kinds {
		if k.Axis == axis {
			all = append(all, k.Name)
		}
	}
	return all
}

// Default is the kind of an axis that is meant where none is written; empty: there is none at all.
func (s Schema) Default(axis string) string {
	if names := s.Names(axis); len(names) > 0 {
		return names[0]
	}
	return ""
}

// Find returns a kind; the error lists those that there are.
func (s Schema) Find(axis, name string) (Kind, error) {
	for _, k := range s.Kinds {
		if k.Axis == axis && k.Name == name {
			return k, nil
		}
	}
	names := s.Names(axis)
	return Kind{}, fmt.Errorf("there is no %s %q: there is %s%s", axis, name, list(names), meant(name, names))
}

// Merge adds options to others: groups of one name are put together, in the order in which they
// come.
func Merge(all, more []Option) []Option {
	all = slices.Clone(all)
	for _, o := range more {
		i := slices.IndexFunc(all, func(have Option) bool { return have.Name == o.Name })
		if i >= 0 && all[i].Type == Group && o.Type == Group && all[i].List == o.List {
			all[i].Options = Merge(all[i].Options, o.Options)
			continue
		}
		all = append(all, o)
	}
	return all
}

// noTransport says which part of TRANSPORT+PROVIDER there is not.
func (s Schema) noTransport(kind string) error {
	transport, provider, _ := strings.Cut(kind, "+")
	var transports, providers []string
	names := s.Names("transport")
	for _, name := range names {
		t, n, _ := strings.Cut(name, "+")
		transports = append(transports, t)
		if t == transport {
			providers = append(providers, n)
		}
	}
	if len(providers) > 0 {
		return fmt.Errorf("there is no provider %q for the transport %s: there is %s%s", provider, transport, list(providers), meant(provider, providers))
	}
	slices.Sort(transports)
	return fmt.Errorf("there is no transport %q: there is %s (as %s)%s", transport, list(slices.Compact(transports)), list(names), meant(transport, transports))
}
