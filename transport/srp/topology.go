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
// on, and channels that are there stay. Another port identifier is another port: the sessions
// with the old one end.
func (n *Node) SetTarget(t Target) error {
	s := &servedTarget{Target: t, id: iu.MakePortID(t.IDExt, t.IOCGUID)}
	var err error
	if s.access, err = parseAccess(t.Initiators); err != nil {
		return fmt.Errorf("srp: target %s: %w", t.SCSI.Name, err)
	}
	n.mu.Lock()
	old, err := n.setTarget(s)
	n.mu.Unlock()
	if old != nil {
		n.endSessions(old, nil)
	}
	return err
}

// setTarget returns the target whose port is replaced, if one is. n.mu is held.
func (n *Node) setTarget(s *servedTarget) (*servedTarget, error) {
	name := s.SCSI.Name
	if o := n.targets[s.id]; o != nil && o.SCSI.Name != name {
		return nil, fmt.Errorf("srp: the targets %s and %s have the same port identifier %v", o.SCSI.Name, name, s.id)
	}
	old := n.targetNamed(name)
	switch {
	case old != nil && old.SCSI != s.SCSI:
		return nil, fmt.Errorf("srp: another target is called %s: remove it first", name)
	case old != nil && old.id == s.id:
		s.port = old.port
		n.targets[s.id] = s
		return nil, nil
	}
	port, err := s.SCSI.AddPort(target.PortConfig{Protocol: scsi.ProtocolSRP, Name: s.id.String()})
	if err != nil {
		return nil, fmt.Errorf("srp: %w", err)
	}
	s.port = port
	n.targets[s.id] = s
	if old != nil {
		n.dropTarget(old)
	}
	return old, nil
}

// targetNamed is the target with a name, or nil. n.mu is held.
func (n *Node) targetNamed(name string) *servedTarget {
	for _, t := range n.targets {
		if t.SCSI.Name == name {
			return t
		}
	}
	return nil
}

// dropTarget lets nobody log in by t any more. n.mu is held.
func (n *Node) dropTarget(t *servedTarget) {
	delete(n.targets, t.id)
	t.SCSI.RemovePort(t.port)
}

var errRemoved = errors.New("srp: the target was removed")

// RemoveTarget shows a target no longer: nobody logs in to it any more, and the sessions with it
// end. done, if it is not nil, is called when their last task has ended and no unit knows them any
// more, perhaps before RemoveTarget returns.
func (n *Node) RemoveTarget(name string, done func()) error {
	n.mu.Lock()
	t := n.targetNamed(name)
	if t != nil {
		n.dropTarget(t)
	}
	n.mu.Unlock()
	if t == nil {
		return fmt.Errorf("srp: there is no target %s", name)
	}
	n.endSessions(t, done)
	return nil
}

// endSessions ends the sessions with t, by which nobody logs in any more. done, which may be nil,
// is called when the last of them is over.
func (n *Node) endSessions(t *servedTarget, done func()) {
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
		if nx.target.port == t.port {
			all = append(all, nx)
			left.Add(1)
			nx.over = append(nx.over, over)
		}
	}
	n.mu.Unlock()
	for _, nx := range all {
		nx.end(iu.LogoutNoReason, errRemoved, true)
	}
	over()
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
