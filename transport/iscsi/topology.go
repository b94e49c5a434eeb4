package iscsi

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// A Target is a SCSI target as iSCSI shows it.
type Target struct {
	SCSI  *target.Target // its Name is the iSCSI name
	Alias string
	// Auth makes one run of the authentication that initiators must pass; nil: none. Proof, which can be
	// compared, is another when somebody who has passed would have to do so anew: logins that are
	// under way are refused then. nil: it is another with every change.
	Auth  func() login.Authenticator
	Proof any
	// Initiators may log in; empty: all.
	Initiators []Initiator
	// Reset lets every initiator that is logged in reset the target (TARGET WARM RESET, TARGET COLD
	// RESET), which ends the tasks of all, and the sessions. LOGICAL UNIT RESET is everybody's.
	Reset bool
	// Away: nobody gets in. Redirect is where those who may log in are sent, ADDR:PORT; empty: nowhere.
	Away     bool
	Redirect string
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

// Admits reports whether an initiator of this name may log in that has proved to be user, "": nobody.
// Whether somebody has to prove anything is not looked at.
func (t *Target) Admits(name, user string) bool { return t.admitsAs(name, user) }

// admitsAs reports whether an initiator of this name may log in that has proved to be user.
func (t *Target) admitsAs(name, user string) bool {
	return len(t.Initiators) == 0 || slices.ContainsFunc(t.Initiators, func(i Initiator) bool {
		return i.Name == name && (i.User == "" || i.User == user)
	})
}

// firstGroup is the tag of the portal group of portals that are told no other. Every target has a port for
// it, whether there are such portals or not, so that it has the same identifier in any order.
const firstGroup = 1

// A servedTarget is a target of a node. It is never changed: another takes its place.
type servedTarget struct {
	Target
	// ports are its SCSI target ports, one for each portal group (RFC 7143 4.4.1), by tag. What takes the
	// place of a servedTarget has the same map; topology.mu guards it.
	ports map[uint16]*target.Port
}

// A topology says which targets a node has and which portals show them. It is changed with Node.mu and mu,
// and read with one of them: who holds one sees one state of all of it.
type topology struct {
	mu      sync.RWMutex
	targets map[string]*servedTarget // by name
	portals []*Portal                // in the order in which they were added
}

// find is the target with a name, with the tag of the portal group of p, if p shows it and it admits the
// initiator; else nil, and why, for logs: initiators are not told which of these it is.
func (y *topology) find(p *Portal, name, initiator string) (t *servedTarget, group uint16, why string) {
	y.mu.RLock()
	defer y.mu.RUnlock()
	t, why = y.target(p, name, initiator)
	return t, p.group, why
}

// target is the target of find. y.mu is held.
func (y *topology) target(p *Portal, name, initiator string) (t *servedTarget, why string) {
	t = y.targets[name]
	switch {
	case t == nil:
		return nil, "there is no such target"
	case !t.admits(initiator):
		return nil, "the initiator is not among those of the target"
	case !p.shows(name):
		return nil, fmt.Sprintf("the portal %s does not show the target", p.addr)
	}
	return t, ""
}

// served is the target with a name; nil: there is none.
func (y *topology) served(name string) *servedTarget {
	y.mu.RLock()
	defer y.mu.RUnlock()
	return y.targets[name]
}

// port is the SCSI target port of t for a portal group; nil: there is none.
func (y *topology) port(t *servedTarget, group uint16) *target.Port {
	y.mu.RLock()
	defer y.mu.RUnlock()
	return t.ports[group]
}

// need adds the port of t for a portal group, unless it is there. y.mu is held.
func (y *topology) need(t *servedTarget, group uint16) error {
	if t.ports[group] != nil {
		return nil
	}
	port, err := t.SCSI.AddPort(target.PortConfig{
		Protocol: scsi.ProtocolISCSI, Name: fmt.Sprintf("%s,t,0x%04x", t.SCSI.Name, group),
	})
	if err != nil {
		return fmt.Errorf("iscsi: %w", err)
	}
	t.ports[group] = port
	return nil
}

// settle gives each of some targets, nil: of all, a port for a portal group, and takes it away from those
// which no portal of the group shows any more: nobody logs in by it, and sessions stay. y.mu is held.
func (y *topology) settle(only []string, group uint16) error {
	if group == firstGroup {
		return nil
	}
	var errs []error
	for name, t := range y.targets {
		switch {
		case only != nil && !slices.Contains(only, name):
		case slices.ContainsFunc(y.portals, func(o *Portal) bool { return o.group == group && o.shows(name) }):
			errs = append(errs, y.need(t, group))
		default:
			if port := t.ports[group]; port != nil {
				t.SCSI.RemovePort(port)
				delete(t.ports, group)
			}
		}
	}
	return errors.Join(errs...)
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

// SetTarget shows a target, or changes how it is shown: what is new counts for logins from now on, and for
// those that are under way. Sessions that are there stay; see EndSessions.
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
	y := &n.topology
	n.mu.Lock()
	defer n.mu.Unlock()
	y.mu.Lock()
	defer y.mu.Unlock()
	if err := check(y); err != nil {
		return err
	}
	s := &servedTarget{Target: t, ports: make(map[uint16]*target.Port)}
	switch old := y.targets[name]; {
	case old == nil:
		if err := y.need(s, firstGroup); err != nil {
			return err
		}
	case old.SCSI != t.SCSI:
		return fmt.Errorf("iscsi: another target is called %q: remove it first", name)
	default:
		s.ports = old.ports
	}
	y.targets[name] = s
	for _, p := range y.portals {
		if p.shows(name) {
			if err := y.need(s, p.group); err != nil {
				return err
			}
		}
	}
	return nil
}

var errRemoved = errors.New("iscsi: the target was removed")

// RemoveTarget shows a target no longer: nobody logs in to it any more, and the sessions with it
// end. done, if it is not nil, is called when their last task has ended and no unit knows them any
// more, perhaps before RemoveTarget returns.
func (n *Node) RemoveTarget(name string, done func()) error {
	if err := n.takeOut(name); err != nil {
		return err
	}
	// Whoever is admitted after the change is refused.
	n.EndSessions(func(s *SessionIdentity) bool { return s.Target == name && !s.Discovery }, errRemoved, 0, done)
	return nil
}

// takeOut takes a target out of the topology.
func (n *Node) takeOut(name string) error {
	y := &n.topology
	n.mu.Lock()
	defer n.mu.Unlock()
	y.mu.Lock()
	defer y.mu.Unlock()
	t := y.targets[name]
	if t == nil {
		return fmt.Errorf("iscsi: there is no target %q", name)
	}
	delete(y.targets, name)
	y.close(t)
	return nil
}

// closeAll lets nobody log in to any target any more.
func (y *topology) closeAll() {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, t := range y.targets {
		y.close(t)
	}
}

// close lets nobody log in to t any more. y.mu is held.
func (y *topology) close(t *servedTarget) {
	for _, port := range t.ports {
		t.SCSI.RemovePort(port)
	}
}
