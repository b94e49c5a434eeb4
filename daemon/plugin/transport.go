package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A Transport is a SCSI transport: what shows targets to initiators, by one or more kinds of
// portals.
type Transport struct {
	About
	// Document and Target are what the transport has in the whole of a document, and in each of
	// its targets. Groups of one name are put together with those of others.
	Document, Target []model.Option
	Check            func(c *model.Check) // nil: its options say all
	// Restricts: see [model.Schema.Restricts]; nil: its options bind nobody else.
	Restricts func(target model.Values) string
	Portals   []PortalKind
	// New makes the transport's node, which serves nothing yet.
	New func(c NodeConfig) (Node, error)
	// Show is what the transport says of a target that its portals show; nil: nothing.
	Show func(s Showing) Shown
}

func (p Transport) add(r *Registry) { r.Transports = append(r.Transports, p) }

// NodeConfig is what every transport gets.
type NodeConfig struct {
	Log    *slog.Logger
	Arena  *buffer.Arena
	Limits model.Limits
	Values model.Values // of the document
	// Targets are the names of all targets that there will be; nil: it is not known yet. What is
	// prepared for one has to go together with the others of these, and not with those that go.
	Targets []string
}

// A Node is a transport at work. Its methods may be called by many goroutines; those that prepare are
// called by one at a time.
//
// What is prepared is not seen by anybody before it is published, and if it is not published nothing
// has changed. Publishing cannot fail and waits for nobody.
type Node interface {
	// Prepare begins a change, of which it is the first call: what was prepared before, and not
	// published, is forgotten. It looks at the options that the whole document has for the transport,
	// reads the secrets that they name, and returns what lets them count: for all that comes later,
	// sessions that are there keep what they have agreed on. Log and Arena stay those of the start.
	Prepare(c NodeConfig) (publish func(), err error)
	// PrepareTarget looks at a target that is new, or shown in another way than before, and reads its
	// secrets, anew even if nothing else is new. show shows it as t says: that counts for initiators
	// that log in later, and for those that are just logging in. After an error it may be tried
	// again, when the other targets of the change were prepared too.
	PrepareTarget(t Target) (show func(), err error)
	// RemoveTarget lets nobody log in to the target of the name any more, ends the sessions with
	// it, and calls done when the last of them has ended and no unit knows it, perhaps before
	// RemoveTarget returns. It fails, and does not call done, if there is no such target.
	RemoveTarget(name string, done func()) error
	// Refuses are the IDs of the sessions with the target of t's name that could not log in now if the
	// target were as t says: all of them if it is under maintenance. Of who they have proved to be
	// the name counts. The SCSI target of t may be missing.
	Refuses(t Target) []string
	// EndRefused asks the initiators of the sessions that t refuses to leave, and ends the sessions
	// that are left after a time, 0: at once. It calls done when no unit knows them any more, perhaps
	// before EndRefused returns.
	EndRefused(t Target, after time.Duration, done func())
	// Drop ends a session at once. It fails if there is none of the ID.
	Drop(id string) error
	// Sessions are the initiators now.
	Sessions() []api.Session
	// Shutdown asks initiators to leave, waits for them until ctx is done, and ends
	// what is left. All portals are closed.
	Shutdown(ctx context.Context) error
}

// A Target is what a transport is told of a target.
type Target struct {
	Name  string
	SCSI  *target.Target // nil: the target is not served, only looked at
	Alias string
	// Maintenance: nobody gets in.
	Maintenance model.Maintenance
	// Values are the options of all transports in the target.
	Values model.Values
}

// A Portal is where a transport listens. [Over] makes them.
type Portal interface {
	// Addr is what the portal is bound to, as the provider writes it.
	Addr() string
	// Set says from now on what Binding said at first: what the portal shows, and as what. It counts
	// for initiators that log in later. Address and Provider are those that the portal has.
	Set(b Binding)
	// Start begins to accept. It is called once.
	Start()
	// Close stops accepting, and takes the portal out of what discovery tells. It returns when
	// nothing is accepted any more; sessions that have come by it stay. A second call does nothing.
	Close() error
}

// A Refuser is a [Portal] that cannot be everything that Set may say. Refuses is asked in the preparation of a change, and changes
// nothing: its error is told as that of a portal that cannot be bound.
type Refuser interface{ Refuses(b Binding) error }

// Binding is what a portal is made of.
type Binding struct {
	Provider string   // its name
	Address  string   // as the provider writes it
	Targets  []string // names of those that the portal shows, whether they are there or not; nil: all
	Tag      int      // as in a document, but never 0
	Values   model.Values
}

// Showing is a target where it is shown.
type Showing struct {
	Target model.Target
	At     []string // what initiators connect to: the portals of the transport that show it
	// Tags are the tags of these portals, never 0, and Hosts what hosts do to get on their networks ([Provider.Host]).
	Tags  []int
	Hosts [][]string
}

// Shown is what a transport says of a target.
type Shown struct {
	Facts api.Facts
	// Lines say at the start who may log in.
	Lines []string
	Notes []api.Note
	// Open reports that whoever reaches a portal may log in; it is the flag that asks who they are.
	Open string
}

// Attaching is a target that a user wants to attach by a portal.
type Attaching struct {
	Target   model.Target
	Document model.Values
	LUN      int
	At       string // what initiators connect to
	Tag      int    // of the portal; never 0
	Local    bool   // the portal is one that only this machine reaches
	// Host are lines of what a host does to get on the portal's network; Soft and SoftLocal are those of [Provider].
	Host            []string
	Soft, SoftLocal string
	// Type is that of the logical unit at LUN.
	Type scsi.PeripheralType
}

// Appears are lines that say as what Linux shows the logical unit once it is attached; nil: as a disk, as everybody expects.
func (a Attaching) Appears() []string {
	const indent = "             # "
	switch a.Type {
	case scsi.TypeOptical:
		return []string{indent + "then it is /dev/sr0, or the next: mount /dev/sr0 /mnt"}
	case scsi.TypeTape:
		return []string{indent + "then it is /dev/nst0, or the next: mt -f /dev/nst0 status"}
	case scsi.TypeChanger:
		return []string{indent + "then it is /dev/sch0 and a /dev/sgN, which lsscsi -g shows: mtx -f /dev/sgN status"}
	}
	return nil
}

// A PortalKind is a kind of portal of a transport: which networks it goes over, and how it listens
// there. Its name is that before the plus of a portal.
type PortalKind struct {
	About
	// Port is that of a portal which names none, on networks that have ports.
	Port uint16
	// Tied: there are no sessions without the portal that they have come by. They end when it is closed, and when it does not show their
	// target any more, or shows it by another tag.
	Tied bool
	// Attach are lines for people: how to attach a target by such a portal; nil: there are none.
	Attach func(a Attaching) []string

	over   reflect.Type
	listen func(ctx context.Context, n Node, network any, b Binding) (Portal, error)
}

// Over returns a kind of portals that go over every provider whose networks are an N. listen binds one
// of them for a node; nothing is accepted before its Start.
func Over[T Node, N any](k PortalKind, listen func(ctx context.Context, node T, network N, b Binding) (Portal, error)) PortalKind {
	k.over = reflect.TypeFor[N]()
	k.listen = func(ctx context.Context, node Node, network any, b Binding) (Portal, error) {
		t, ok := node.(T)
		if !ok {
			return nil, fmt.Errorf("%s portals are not of this transport, a %T", k.Name, node)
		}
		n, ok := network.(N)
		if !ok {
			return nil, fmt.Errorf("%s portals do not go over a %T", k.Name, network)
		}
		return listen(ctx, t, n, b)
	}
	return k
}

// SoftRDMA are the lines that make a device of RDMA in software on Linux, behind a label of what it is
// for, if the provider has one.
func (a Attaching) SoftRDMA(label string) []string {
	if a.Soft == "" {
		return []string{fmt.Sprintf("  %-10s # over an adapter for RDMA that reaches the portal; \"rdma link\" lists them", label)}
	}
	lines := []string{fmt.Sprintf("  %-10s rdma link add %s0 type %[2]s netdev DEVICE", label, a.Soft)}
	if a.Local && a.SoftLocal != "" {
		lines = append(lines, "             # "+a.SoftLocal)
	}
	return lines
}

// SoftDevice is the name of the device that SoftRDMA makes, or what to write for that of an adapter.
func (a Attaching) SoftDevice() string {
	if a.Soft == "" {
		return "DEVICE"
	}
	return a.Soft + "0"
}

// Counts are the totals of package target as the API has them.
func Counts(t target.Totals) api.Counts {
	return api.Counts{Commands: t.Commands, Errors: t.Errors, Failures: t.Failures, BytesRead: t.BytesIn, BytesWritten: t.BytesOut}
}
