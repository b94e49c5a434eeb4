// Package model is the configuration document: its shape, how it is read, and what makes
// it valid. It knows no plugin: what can be said about each comes in a [Schema].
package model

import (
	"strconv"
	"time"
)

// Version is the version of documents that this package reads.
const Version = 1

// A Document is everything that a daemon is to serve.
type Document struct {
	Version int      `doc:"version"`
	Users   []User   `doc:"users"`
	Units   []Unit   `doc:"units"`
	Targets []Target `doc:"targets"`
	Portals []Portal `doc:"portals"` // nil: the one by default; empty: none
	Limits  Limits   `doc:"limits"`

	// Given are the options that transports and providers have in the whole of the document, as
	// they are written; Values are what they are after validation.
	Given  Settings `doc:"*"`
	Values Values

	// Notes are what is right, and perhaps not what was meant, after validation.
	Notes Problems

	source source
}

// A Unit is a device, perhaps on stores, and through filters. Filters are in the order that a
// write passes them, from the device to the store; they are those of every store of the unit. Most
// devices are one logical unit; the device type says which others there are.
type Unit struct {
	Name    string   `doc:"name"`
	Store   Plugin   `doc:"store"`
	Stores  []Named  `doc:"stores"`
	Filters []Plugin `doc:"filters"`
	Device  Plugin   `doc:"device"`
	// Optional: the others are served if this unit cannot be opened.
	Optional bool `doc:"optional"`

	// Names are the logical units after validation: the unit's own name, or UNIT/NAME.
	Names []string
}

// FilterKinds are the kinds of the unit's filters, in their order.
func (u *Unit) FilterKinds() []string {
	var kinds []string
	for _, f := range u.Filters {
		kinds = append(kinds, f.Kind)
	}
	return kinds
}

// Named is one of several stores.
type Named struct {
	Name string
	Plugin
}

// A Plugin is a choice of a kind with its options.
type Plugin struct {
	Kind string
	// Given are the options as they are written.
	Given Settings
	// Values are the options after validation.
	Values Values
}

// With returns p with one more option.
func (p Plugin) With(name, text string) Plugin {
	p.Given = p.Given.Put(Text(name, text))
	return p
}

// given reports that something is written of p.
func (p Plugin) given() bool { return p.Kind != "" || len(p.Given) > 0 }

// A User is somebody who can prove who they are; targets and discovery name the ones that they
// let in.
type User struct {
	Name       string `doc:"name"`
	SecretFile string `doc:"secret-file"`
}

// A Target is a SCSI target device: units at LUNs.
type Target struct {
	Name  string `doc:"name"`
	Alias string `doc:"alias"`
	// LUNs are what initiators see, but for those that are in Access.
	LUNs []LUN `doc:"luns"`
	// Access is what some initiators see instead: the first that is about an initiator counts.
	Access []Access `doc:"access"`
	// Maintenance: who is there is asked to leave, and nobody gets in.
	Maintenance Maintenance `doc:"maintenance"`

	// Given are the options that transports have in each target, such as who may log in, as they
	// are written; Values are what they are after validation.
	Given  Settings `doc:"*"`
	Values Values
}

// An Access is what some initiators see of a target: those with one of the names, at one of the
// addresses, and who are one of the users; a list that is not there asks for nothing. It lets nobody
// in who would not get in without it.
type Access struct {
	Name       string   `doc:"name"`       // unique in the target
	Initiators []string `doc:"initiators"` // names, or patterns with * and ?
	Addresses  []string `doc:"addresses"`  // addresses, or networks as ADDRESS/BITS
	Users      []string `doc:"users"`      // names of users who were proved
	LUNs       []LUN    `doc:"luns"`       // none: they see nothing
}

// Maintenance is what happens to those who want a target: nothing, as false; they are refused, as
// true; or they are sent to the same target at another address.
type Maintenance struct {
	On       bool
	Redirect string // ADDRESS[:PORT]; empty: nowhere
}

// A LUN maps a logical unit, by its name: UNIT, or UNIT/NAME. It is written as the name, or as
// {unit: NAME, read-only: true}.
type LUN struct {
	Number   int
	Unit     string
	ReadOnly bool // who sees the unit here may not write
}

// Limits bound what initiators can take. The zero value of each means its default.
type Limits struct {
	Memory       Size          `doc:"memory"`        // for data on the move
	Connections  int           `doc:"connections"`   // that are logged in
	Logins       int           `doc:"logins"`        // connections that are not logged in yet
	LoginTimeout time.Duration `doc:"login-timeout"` // from the connection to the end of login
	IdleTimeout  time.Duration `doc:"idle-timeout"`  // of silence, before we ask whether the peer is there
	StopTimeout  time.Duration `doc:"stop-timeout"`  // for initiators to log out when the daemon stops
}

// Default limits.
const (
	DefaultMemory       = 1 << 30
	DefaultConnections  = 20000
	DefaultLogins       = 1000
	DefaultLoginTimeout = 15 * time.Second
	DefaultIdleTimeout  = 30 * time.Second
	DefaultStopTimeout  = 10 * time.Second
)

// Bounds of limits.
const (
	leastMemory     = 16 << 20
	mostConnections = 1 << 20
	leastTime       = time.Second
	mostTime        = time.Hour
)

// fill sets what the document leaves open.
func (d *Document) fill(schema Schema) {
	d.source.device, d.source.transport = schema.Default("device"), schema.Default("transport")
	d.source.portals = d.source.portals && len(d.Portals) == 1
	if kind := d.source.transport; d.Portals == nil && kind != "" {
		k, _ := schema.Find("transport", kind)
		d.Portals = []Portal{{Kind: kind, Written: k.Listen.Default}}
		d.source.portals = true
	}
	for i := range d.Portals {
		setDefault(&d.Portals[i].Kind, d.source.transport)
	}
	for i := range d.Units {
		setDefault(&d.Units[i].Device.Kind, d.source.device)
	}
	l := &d.Limits
	setDefault(&l.Memory, DefaultMemory)
	setDefault(&l.Connections, DefaultConnections)
	setDefault(&l.Logins, DefaultLogins)
	setDefault(&l.LoginTimeout, DefaultLoginTimeout)
	setDefault(&l.IdleTimeout, DefaultIdleTimeout)
	setDefault(&l.StopTimeout, DefaultStopTimeout)
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Unit finds a unit by name; nil when there is none.
func (d *Document) Unit(name string) *Unit {
	for i := range d.Units {
		if d.Units[i].Name == name {
			return &d.Units[i]
		}
	}
	return nil
}

// UniqueUnitName returns name, or name-2, name-3 …: the first that d has not.
func (d *Document) UniqueUnitName(name string) string {
	unique := name
	for n := 2; d.Unit(unique) != nil; n++ {
		unique = name + "-" + strconv.Itoa(n)
	}
	return unique
}
