package iscsi

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// A Target is a SCSI target as iSCSI shows it.
type Target struct {
	SCSI  *target.Target // its Name is the iSCSI name
	Alias string
	// Auth makes one run of the authentication that initiators must pass; nil: none.
	Auth func() login.Authenticator
	// Initiators may log in; empty: all.
	Initiators []Initiator
	// Reset lets every initiator that is logged in reset the target (TARGET WARM RESET, TARGET COLD
	// RESET), which ends the tasks of all, and the sessions. LOGICAL UNIT RESET is everybody's.
	Reset bool
}

// An Initiator is who may log in to a target: a name, which is no proof, and who has to prove that it
// is theirs. A name may be there several times, with a user each.
type Initiator struct {
	Name string // in normal form
	User string // by whom authentication must have been passed; "": by anybody who passes it
}

// admits reports whether an initiator of this name may log in, whoever it proves to be.
func (t *Target) admits(name string) bool {
	return len(t.Initiators) == 0 || slices.ContainsFunc(t.Initiators, func(i Initiator) bool { return i.Name == name })
}

// admitsAs reports whether an initiator of this name may log in that has proved to be user.
func (t *Target) admitsAs(name, user string) bool {
	return len(t.Initiators) == 0 || slices.ContainsFunc(t.Initiators, func(i Initiator) bool {
		return i.Name == name && (i.User == "" || i.User == user)
	})
}

// portalGroup is the tag of the one portal group of each target: all portals that show the
// target are in it, and a session may have connections over any of them (RFC 7143 4.4.1).
const portalGroup = 1

// A servedTarget is a target of a node with its SCSI target port. It is never changed: another
// takes its place.
type servedTarget struct {
	Target
	port *target.Port
}

// A topology says which targets a node has and which portals show them. It is never changed:
// whoever changes something makes another one, with the node's mu, so that a login that has
// loaded it sees one state of all of it.
type topology struct {
	targets map[string]*servedTarget // by name
	portals []portalView             // in the order in which they were added
}

// A portalView is what a portal shows.
type portalView struct {
	*Portal
	only []string // names of targets; nil: all
	told []string // addresses that initiators are told of instead of its own
}

// shows reports whether the portal p, if it is still there, shows the target with a name.
func (y *topology) shows(p *Portal, name string) bool {
	i := slices.IndexFunc(y.portals, func(v portalView) bool { return v.Portal == p })
	return i >= 0 && y.portals[i].shows(name)
}

func (v portalView) shows(name string) bool { return v.only == nil || slices.Contains(v.only, name) }

// target is the target with a name, if p shows it and it admits the initiator; else nil, and why, for
// logs: initiators are not told which of these it is.
func (y *topology) target(p *Portal, name, initiator string) (t *servedTarget, why string) {
	t = y.targets[name]
	switch {
	case t == nil:
		return nil, "there is no such target"
	case !t.admits(initiator):
		return nil, "the initiator is not among those of the target"
	case !y.shows(p, name):
		return nil, fmt.Sprintf("the portal %s does not show the target", p.addr)
	}
	return t, ""
}

// change lets edit make another topology out of a copy of the one there is.
func (n *Node) change(edit func(y *topology) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.topology.Load()
	y := &topology{targets: maps.Clone(old.targets), portals: slices.Clone(old.portals)}
	if err := edit(y); err != nil {
		return err
	}
	n.topology.Store(y)
	return nil
}

// AddTarget shows a target that is not shown yet. Its name must be an iSCSI name in normal form.
func (n *Node) AddTarget(t Target) error {
	return n.setTarget(t, func(y *topology) error {
		if y.targets[t.SCSI.Name] != nil {
			return fmt.Errorf("iscsi: target %q is there already", t.SCSI.Name)
		}
		return nil
	})
}

// SetTarget shows a target, or changes how it is shown: alias, authentication and admitted
// initiators count for logins from now on, and sessions that are there stay.
func (n *Node) SetTarget(t Target) error {
	return n.setTarget(t, func(*topology) error { return nil })
}

func (n *Node) setTarget(t Target, check func(*topology) error) error {
	name, err := login.NormalizeName(t.SCSI.Name)
	if err != nil {
		return fmt.Errorf("iscsi: target %q: %w", t.SCSI.Name, err)
	}
	if name != t.SCSI.Name {
		return fmt.Errorf("iscsi: target name %q is not in normal form: %q", t.SCSI.Name, name)
	}
	return n.change(func(y *topology) error {
		if err := check(y); err != nil {
			return err
		}
		s := &servedTarget{Target: t}
		switch old := y.targets[name]; {
		case old == nil:
			var err error
			s.port, err = t.SCSI.AddPort(target.PortConfig{
				Protocol: scsi.ProtocolISCSI, Name: fmt.Sprintf("%s,t,0x%04x", name, portalGroup),
			})
			if err != nil {
				return fmt.Errorf("iscsi: %w", err)
			}
		case old.SCSI != t.SCSI:
			return fmt.Errorf("iscsi: another target is called %q: remove it first", name)
		default:
			s.port = old.port
		}
		y.targets[name] = s
		return nil
	})
}

var errRemoved = errors.New("iscsi: the target was removed")

// RemoveTarget shows a target no longer: nobody logs in to it any more, and the sessions with it
// end. done, if it is not nil, is called when their last task has ended and no unit knows them any
// more, perhaps before RemoveTarget returns.
func (n *Node) RemoveTarget(name string, done func()) error {
	var port *target.Port
	err := n.change(func(y *topology) error {
		t := y.targets[name]
		if t == nil {
			return fmt.Errorf("iscsi: there is no target %q", name)
		}
		delete(y.targets, name)
		port = t.port
		port.Target.RemovePort(port)
		return nil
	})
	if err != nil {
		return err
	}
	n.mu.Lock() // whoever is admitted after the change is refused
	all := n.sessionsWith(port)
	n.mu.Unlock()
	n.endSessions(all, errRemoved, done)
	return nil
}

// A Portal is an address at which a node takes connections. Discovery tells of it to those who
// came by the same network and may log in to a target that it shows.
type Portal struct {
	node *Node
	// network is the [Traits] Network of the movers of its connections, addr is ADDR:PORT.
	network, addr string
}

// AddPortal makes a portal known that shows all targets.
func (n *Node) AddPortal(network, addr string) *Portal {
	p := &Portal{node: n, network: network, addr: addr}
	_ = n.change(func(y *topology) error { // never refused
		y.portals = append(y.portals, portalView{Portal: p})
		return nil
	})
	return p
}

// Show says which targets the portal shows, by their names, whether they are there already or
// not; nil: all. It counts for logins and discovery from now on, and sessions that are there stay.
func (p *Portal) Show(targets []string) {
	_ = p.node.change(func(y *topology) error { // never refused
		for i := range y.portals {
			if y.portals[i].Portal == p {
				y.portals[i].only = slices.Clone(targets)
			}
		}
		return nil
	})
}

// Tell sets the addresses, ADDR:PORT each, that initiators are told of instead of the portal's own, as
// where its address is translated on the way; none: its own.
func (p *Portal) Tell(addresses []string) {
	_ = p.node.change(func(y *topology) error { // never refused
		for i := range y.portals {
			if y.portals[i].Portal == p {
				y.portals[i].told = slices.Clone(addresses)
			}
		}
		return nil
	})
}

// Remove lets the portal show nothing any more. Its connections stay, unless they are not
// logged in yet.
func (p *Portal) Remove() {
	_ = p.node.change(func(y *topology) error { // never refused
		y.portals = slices.DeleteFunc(y.portals, func(v portalView) bool { return v.Portal == p })
		return nil
	})
}
