package fcp

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/target"
)

// A Target is a target as the node shows it.
type Target struct {
	SCSI *target.Target
	// Node is the node name of its ports. Ports are their names, by the tag of the portal less one, 0: what
	// follows from Node ([PortName]), as do those of portals with other tags.
	Node  fc.Name
	Ports []fc.Name
	// Initiators are patterns of the port names that may log in, as "20:00:00:1b:*"; none: all may. It is
	// not an authentication.
	Initiators []string
	// Away: nobody gets in.
	Away bool
}

// port is the name of the target's port at portals with a tag.
func (t *Target) port(tag int) fc.Name {
	if tag >= 1 && tag <= len(t.Ports) && t.Ports[tag-1] != 0 {
		return t.Ports[tag-1]
	}
	return PortName(t.Node, tag)
}

// A servedTarget is a target of a node. It is never changed: another takes its place.
type servedTarget struct {
	Target
	access access
	// order is higher the later it was set: of two targets whose ports have one name at a portal the later one has it.
	order int64
}

// SetTarget shows a target, or changes how it is shown. Who may log in counts for logins from now
// on, and sessions that are there stay; see EndRefused. Another name of a port is another port: the sessions
// with the old one end.
func (n *Node) SetTarget(t Target) error { return n.set(t, false) }

// TakeTarget is SetTarget for one of several targets that change together: if another has the name of one of its
// ports it loses it, with its sessions, until it is set itself or removed.
func (n *Node) TakeTarget(t Target) error { return n.set(t, true) }

func (n *Node) set(t Target, take bool) error {
	s, err := newServedTarget(t)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	name := s.SCSI.Name
	if old := n.targets[name]; old != nil && old.SCSI != s.SCSI {
		return fmt.Errorf("fcp: another target is called %s: remove it first", name)
	}
	for _, other := range n.targets {
		if port, ok := n.clash(&other.Target, &s.Target); ok && other.SCSI != s.SCSI && !take {
			return fmt.Errorf("fcp: the targets %s and %s both have the port name %v", other.SCSI.Name, name, port)
		}
	}
	n.numbers++
	s.order = n.numbers
	n.targets[name] = s
	n.rearrange()
	return nil
}

// CheckTarget reports what is wrong with a target by itself.
func CheckTarget(t Target) error {
	_, err := newServedTarget(t)
	return err
}

func newServedTarget(t Target) (*servedTarget, error) {
	s := &servedTarget{Target: t}
	if t.Node == 0 {
		return nil, errors.New("fcp: the target has no node name")
	}
	var err error
	if s.access, err = parseAccess(t.Initiators); err != nil {
		return nil, fmt.Errorf("fcp: %w", err)
	}
	return s, nil
}

// clash finds a name that ports of both targets have at the portals that there are, or that is given to both. n.mu is held.
func (n *Node) clash(a, b *Target) (fc.Name, bool) {
	for _, name := range a.Ports {
		if name != 0 && slices.Contains(b.Ports, name) {
			return name, true
		}
	}
	tags := []int{1}
	for p := range n.portals {
		tags = append(tags, p.tag)
	}
	for _, x := range tags {
		for _, y := range tags {
			if name := a.port(x); name == b.port(y) {
				return name, true
			}
		}
	}
	return 0, false
}

// rearrange lets all portals look at what they show; their ports come and go a moment later. n.mu is held.
func (n *Node) rearrange() {
	for p := range n.portals {
		p.wake()
	}
}

var errRemoved = errors.New("fcp: the target was removed")

// RemoveTarget shows a target no longer: nobody logs in to it any more, and the sessions with it
// end. done, if it is not nil, is called when their last task has ended and no unit knows them any
// more, perhaps before RemoveTarget returns.
func (n *Node) RemoveTarget(name string, done func()) error {
	n.mu.Lock()
	t := n.targets[name]
	if t != nil {
		delete(n.targets, name)
		n.rearrange()
	}
	n.mu.Unlock()
	if t == nil {
		return fmt.Errorf("fcp: there is no target %s", name)
	}
	n.endSessions(func(nx *nexus) bool { return nx.port.target == t.SCSI }, errRemoved, done)
	return nil
}

// Refuses are the sessions with the target of a name that it would not let in if it were as t says, by their
// IDs, those included whose port would have another name.
func (n *Node) Refuses(name string, t Target) (ids []int64) {
	s, err := newServedTarget(t)
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for nx := range n.all {
		if nx.port.target.Name == name && !s.keeps(nx) {
			ids = append(ids, nx.id)
		}
	}
	return ids
}

// lets reports that an initiator may log in.
func (t *servedTarget) lets(initiator fc.Name) bool { return !t.Away && t.access.admits(initiator) }

// keeps reports that a session could go on. The lock of its node is held.
func (t *servedTarget) keeps(nx *nexus) bool {
	return t.lets(nx.key.initiator) && t.port(nx.port.portal.tag) == nx.port.name
}

var errRefused = errors.New("fcp: the target does not let the initiator in any more")

// EndRefused ends the sessions with the target of a name that it does not let in any more, or not at the same port. done is that of RemoveTarget.
func (n *Node) EndRefused(name string, done func()) {
	n.mu.Lock()
	t := n.targets[name]
	n.mu.Unlock()
	n.endSessions(func(nx *nexus) bool { return t != nil && nx.port.target == t.SCSI && !t.keeps(nx) }, errRefused, done)
}

// Drop ends a session, and reports whether it was there.
func (n *Node) Drop(id int64) bool {
	return n.endSessions(func(nx *nexus) bool { return nx.id == id }, errDropped, nil) > 0
}

var errDropped = errors.New("fcp: the session was ended by hand")

// endSessions ends the sessions that match, which is called with Node.mu, and returns how many there are. done,
// which may be nil, is called when the last of them is over.
func (n *Node) endSessions(match func(*nexus) bool, cause error, done func()) int {
	var left atomic.Int32
	left.Store(1)
	over := func() {
		if left.Add(-1) == 0 && done != nil {
			done()
		}
	}
	var all []*nexus
	n.mu.Lock()
	for nx := range n.all {
		if match(nx) {
			all = append(all, nx)
			left.Add(1)
			nx.over = append(nx.over, over)
		}
	}
	n.mu.Unlock()
	for _, nx := range all {
		nx.end(cause)
	}
	over()
	return len(all)
}
