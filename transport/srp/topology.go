package srp

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A Target is a SCSI target as SRP shows it.
type Target struct {
	SCSI *target.Target
	// IDExt and IOCGUID are the two halves of its port identifier.
	IDExt, IOCGUID uint64
	// Initiators are those that may log in, by the identifiers of their ports, 0x and 32 hexadecimal
	// digits, or by address; empty: all. Neither is an authentication.
	Initiators []string
	// Away: nobody gets in.
	Away bool
}

// A servedTarget is a target of a node with its SCSI target port. It is never changed: another
// takes its place.
type servedTarget struct {
	Target
	id     iu.PortID
	port   *target.Port
	access access
}

// SetTarget shows a target, or changes how it is shown. Who may log in counts for logins from now
// on, those included that are under way, and channels that are there stay; see EndRefused. Another port
// identifier is another port: the sessions with the old one end.
func (n *Node) SetTarget(t Target) error { return n.set(t, false) }

// TakeTarget is SetTarget for one of several targets that change together: if another has the identifier it
// loses it, with its sessions, until it is set itself or removed.
func (n *Node) TakeTarget(t Target) error { return n.set(t, true) }

func (n *Node) set(t Target, take bool) error {
	s, err := newServedTarget(t)
	if err != nil {
		return err
	}
	n.mu.Lock()
	gone, err := n.setTarget(s, take)
	n.mu.Unlock()
	for _, port := range gone {
		n.endSessions(func(nx *nexus) bool { return nx.target.port == port }, errRemoved, nil)
	}
	return err
}

// CheckTarget reports what is wrong with a target by itself.
func CheckTarget(t Target) error {
	_, err := newServedTarget(t)
	return err
}

func newServedTarget(t Target) (*servedTarget, error) {
	s := &servedTarget{Target: t, id: iu.MakePortID(t.IDExt, t.IOCGUID)}
	var err error
	if s.access, err = parseAccess(t.Initiators); err != nil {
		return nil, fmt.Errorf("srp: %w", err)
	}
	return s, nil
}

// setTarget returns the ports that are gone: by them nobody logs in any more. n.mu is held.
func (n *Node) setTarget(s *servedTarget, take bool) (gone []*target.Port, err error) {
	name := s.SCSI.Name
	old, other := n.names[name], n.targets[s.id]
	switch {
	case old != nil && old.SCSI != s.SCSI:
		return nil, fmt.Errorf("srp: another target is called %s: remove it first", name)
	case other != nil && other != old && !take:
		return nil, fmt.Errorf("srp: the targets %s and %s have the same port identifier %v", other.SCSI.Name, name, s.id)
	}
	if other != nil && other != old {
		gone = append(gone, other.port)
	}
	if old != nil && old.id == s.id {
		s.port = old.port
	} else {
		if s.port, err = s.SCSI.AddPort(target.PortConfig{Protocol: scsi.ProtocolSRP, Name: s.id.String()}); err != nil {
			return nil, fmt.Errorf("srp: %w", err)
		}
		if old != nil {
			n.dropTarget(old)
			gone = append(gone, old.port)
		}
	}
	n.names[name], n.targets[s.id] = s, s
	if len(gone) > 0 {
		for nx := range n.all {
			nx.ending = nx.ending || slices.Contains(gone, nx.target.port)
		}
	}
	return gone, nil
}

// dropTarget lets nobody log in by t any more. n.mu is held.
func (n *Node) dropTarget(t *servedTarget) {
	if n.targets[t.id] == t { // else another has its identifier now
		delete(n.targets, t.id)
	}
	delete(n.names, t.SCSI.Name)
	t.SCSI.RemovePort(t.port)
}

var errRemoved = errors.New("srp: the target was removed")

// RemoveTarget shows a target no longer: nobody logs in to it any more, and the sessions with it
// end. done, if it is not nil, is called when their last task has ended and no unit knows them any
// more, perhaps before RemoveTarget returns.
func (n *Node) RemoveTarget(name string, done func()) error {
	n.mu.Lock()
	t := n.names[name]
	if t != nil {
		n.dropTarget(t)
	}
	n.mu.Unlock()
	if t == nil {
		return fmt.Errorf("srp: there is no target %s", name)
	}
	n.endSessions(func(nx *nexus) bool { return nx.target.SCSI == t.SCSI }, errRemoved, done)
	return nil
}

// Refuses are the sessions with the target of a name that it would not let in if it were as t says, by their
// IDs.
func (n *Node) Refuses(name string, t Target) (ids []int64) {
	s, err := newServedTarget(t)
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for nx := range n.all {
		if nx.target.SCSI.Name == name && !s.lets(nx) {
			ids = append(ids, nx.id)
		}
	}
	return ids
}

// lets reports that an initiator which is logged in could do so now. The identifier that counts is that of
// its port: what it has sent may have been zeros.
func (t *servedTarget) lets(nx *nexus) bool {
	return !t.Away && t.access.admits(nx.port, nx.port, nx.key.addr)
}

var errRefused = errors.New("srp: the target does not let the initiator in any more")

// EndRefused ends the sessions with the target of a name that it does not let in any more. done is that of
// RemoveTarget. SRP has no way to ask initiators to leave.
func (n *Node) EndRefused(name string, done func()) {
	n.mu.Lock()
	t := n.names[name]
	n.mu.Unlock()
	n.endSessions(func(nx *nexus) bool { return t != nil && nx.target.SCSI == t.SCSI && !t.lets(nx) }, errRefused, done)
}

// Drop ends a session, and reports whether it was there.
func (n *Node) Drop(id int64) bool {
	return n.endSessions(func(nx *nexus) bool { return nx.id == id }, errDropped, nil) > 0
}

var errDropped = errors.New("srp: the session was ended by hand")

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
		nx.end(iu.LogoutNoReason, cause, true)
	}
	over()
	return len(all)
}

// Show says which targets the portal shows, by their names, whether they are there already or not;
// nil: all. It counts for logins from now on, and channels that are there stay.
func (p *Portal) Show(targets []string) {
	only := slices.Clone(targets)
	if targets == nil {
		p.only.Store(nil)
		return
	}
	p.only.Store(&only)
}

// shows reports whether the portal shows the target with a name.
func (p *Portal) shows(name string) bool {
	only := p.only.Load()
	return only == nil || slices.Contains(*only, name)
}
