// Package model is the configuration document: its shape, how it is read, and what makes
// it valid.
package model

import (
	"slices"
	"strconv"
	"time"
)

// Version is the version of documents that this package reads.
const Version = 1

// A Document is everything that a daemon is to serve.
type Document struct {
	Version   int       `doc:"version"`
	Units     []Unit    `doc:"units"`
	Targets   []Target  `doc:"targets"`
	Portals   []Portal  `doc:"portals"`
	Discovery Discovery `doc:"discovery"`
	Limits    Limits    `doc:"limits"`
	Network   Network   `doc:"network"`
	ISCSI     ISCSI     `doc:"iscsi"`

	source source
}

// A Unit is one logical unit: a device on a store, perhaps through filters. Filters
// are in the order that a write passes them, from the device to the store.
type Unit struct {
	Name    string   `doc:"name"`
	Store   Plugin   `doc:"store"`
	Filters []Plugin `doc:"filters"`
	Device  Plugin   `doc:"device"`
}

// A Plugin is a choice of a kind with its options.
type Plugin struct {
	Kind string
	// Given are the options as they are written, in order.
	Given []Given
	// Values are the options after validation.
	Values Values
}

// Given is one option as it is written.
type Given struct{ Name, Text string }

// With returns p with one more option.
func (p Plugin) With(name, text string) Plugin {
	p.Given = append(slices.Clone(p.Given), Given{name, text})
	return p
}

// A Target is a SCSI target device: units at LUNs, and who may have them.
type Target struct {
	Name       string   `doc:"name"`
	Alias      string   `doc:"alias"`
	LUNs       []LUN    `doc:"luns"`
	Auth       Auth     `doc:"auth"`
	Initiators []string `doc:"initiators"` // none: all of them
	SRP        SRP      `doc:"srp"`
}

// A LUN maps a unit.
type LUN struct {
	Number int
	Unit   string
}

// Auth says who must prove who they are, by CHAP. Without users nobody must.
type Auth struct {
	Users  []User `doc:"users"`
	Mutual *User  `doc:"mutual"` // what we prove ourselves with, when asked
}

// A User is a CHAP name, and the file that has its secret.
type User struct {
	Name       string `doc:"user"`
	SecretFile string `doc:"secret-file"`
}

// Discovery is about discovery sessions (SendTargets).
type Discovery struct {
	Auth Auth `doc:"auth"`
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

// Network says how the daemon waits for sockets, and how much they hold. The zero value of
// each means its default.
type Network struct {
	Engine     string `doc:"engine"`      // one of [Engines]
	Reactors   int    `doc:"reactors"`    // threads of that engine; 0: one less than there are processors
	BusyPoll   string `doc:"busy-poll"`   // how long to look for work before sleeping: auto or a duration
	SendBuffer string `doc:"send-buffer"` // of each connection: auto, none or a size
	IWARP      IWARP  `doc:"iwarp"`
}

// IWARP is how RDMA is done in TCP streams.
type IWARP struct {
	CRC     string `doc:"crc"`      // one of [CRCs]
	MaxFPDU string `doc:"max-fpdu"` // how long frames are that are sent: auto or a size
}

// ISCSI says what data of a write may come unasked, over TCP and over RDMA, if the initiator
// wants it as well. The keys are those of a login (RFC 7143 13.10, 13.11, 13.14).
type ISCSI struct {
	InitialR2T    string `doc:"initial-r2t"`    // one of [InitialR2Ts]
	ImmediateData string `doc:"immediate-data"` // one of [ImmediateDatas]
	FirstBurst    string `doc:"first-burst"`    // how much may come unasked: auto or a size
}

// InitialR2Ts are the values of ISCSI.InitialR2T: whether all data but that in the command is
// asked for. Auto: over RDMA, where it need not be moved twice.
var InitialR2Ts = []string{Auto, "yes", "no"}

// ImmediateDatas are the values of ISCSI.ImmediateData: whether commands may have data with them.
var ImmediateDatas = []string{"yes", "no"}

// CRCs are the values of IWARP.CRC: if the initiator asks for them, or always.
var CRCs = []string{Auto, "always"}

// Engines are the values of Network.Engine.
var Engines = []string{"auto", "goroutines", "reactors"}

// Auto is the default of what is a choice in Network and ISCSI.
const Auto = "auto"

// Default limits.
const (
	DefaultMemory       = 1 << 30
	DefaultConnections  = 20000
	DefaultLogins       = 1000
	DefaultLoginTimeout = 15 * time.Second
	DefaultIdleTimeout  = 30 * time.Second
	DefaultStopTimeout  = 10 * time.Second
)

// DefaultPortal is where a document without portals is served: to this machine alone.
func DefaultPortal() Portal {
	return Portal{Transport: DefaultTransport, Provider: DefaultProvider, Host: "127.0.0.1", Port: DefaultPort}
}

// fill sets what the document leaves open.
func (d *Document) fill(schema Schema) {
	if len(d.Portals) == 0 {
		d.Portals = []Portal{DefaultPortal()}
	}
	for i := range d.Portals {
		p := &d.Portals[i]
		if kind, err := schema.Find("transport", p.Scheme()); err == nil && p.NoPort && kind.Port != 0 {
			p.Port, p.NoPort = kind.Port, false
		}
	}
	for i := range d.Targets {
		d.Targets[i].SRP.fill(d.Targets[i].Name)
	}
	for i := range d.Units {
		if d.Units[i].Device.Kind == "" {
			d.Units[i].Device.Kind = "disk"
		}
	}
	l := &d.Limits
	setDefault(&l.Memory, DefaultMemory)
	setDefault(&l.Connections, DefaultConnections)
	setDefault(&l.Logins, DefaultLogins)
	setDefault(&l.LoginTimeout, DefaultLoginTimeout)
	setDefault(&l.IdleTimeout, DefaultIdleTimeout)
	setDefault(&l.StopTimeout, DefaultStopTimeout)
	setDefault(&d.Network.Engine, Auto)
	setDefault(&d.Network.BusyPoll, Auto)
	setDefault(&d.Network.SendBuffer, Auto)
	setDefault(&d.Network.IWARP.CRC, Auto)
	setDefault(&d.Network.IWARP.MaxFPDU, Auto)
	setDefault(&d.ISCSI.InitialR2T, Auto)
	setDefault(&d.ISCSI.ImmediateData, "yes")
	setDefault(&d.ISCSI.FirstBurst, Auto)
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
