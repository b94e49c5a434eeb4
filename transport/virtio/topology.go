package virtio

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/target"
)

// AnyNumber is the Number of a target that has none of its own: each portal gives it the lowest that is free there.
const AnyNumber = -1

// A Target is a target as the node shows it.
type Target struct {
	SCSI *target.Target
	// Number is that of the target behind each socket, from 0 to 255, or AnyNumber. Of two targets that want one number, the older has it.
	Number int
	// Initiators are patterns of the names of portals' initiators that the target lets in, as "iqn.2026-11.io.lunette:vhost:*"; none: all.
	Initiators []string
	// Away: nobody gets in.
	Away bool
}

// A servedTarget is a target of a node. It is never changed: another takes its place.
type servedTarget struct {
	Target
	access access
	order  int64 // of its coming: of two that want one number the older has it
}

// TakeTarget shows a target, or changes how it is shown, at all portals that show it. Guests see a new one at once, are told if they can be, and have it at another number if it has another now. Who is let
// in counts for nexuses that begin from now on, and those that are there stay; see EndRefused.
func (n *Node) TakeTarget(t Target) error {
	s, err := newServedTarget(t)
	if err != nil {
		return err
	}
	var later deferred
	defer later.run()
	n.mu.Lock()
	defer n.mu.Unlock()
	name := s.SCSI.Name
	switch old := n.targets[name]; {
	case n.closing:
		return ErrClosed
	case old == nil:
		n.numbers++
		s.order = n.numbers
	case old.SCSI != s.SCSI:
		return fmt.Errorf("virtio: another target is called %s: remove it first", name)
	default:
		s.order = old.order
	}
	n.targets[name] = s
	n.arrange(&later)
	return nil
}

// CheckTarget reports what is wrong with a target by itself.
func CheckTarget(t Target) error {
	_, err := newServedTarget(t)
	return err
}

func newServedTarget(t Target) (*servedTarget, error) {
	s := &servedTarget{Target: t}
	if t.Number != AnyNumber && (t.Number < 0 || t.Number >= numbers) {
		return nil, fmt.Errorf("virtio: the number %d of a target is not from 0 to %d", t.Number, numbers-1)
	}
	var err error
	if s.access, err = parseAccess(t.Initiators); err != nil {
		return nil, fmt.Errorf("virtio: %w", err)
	}
	return s, nil
}

// arrange lets all portals look at what they show. n.mu is held.
func (n *Node) arrange(later *deferred) {
	for p := range n.portals {
		p.arrange(later)
	}
}

// lets reports that the initiator of a name gets in.
func (t *servedTarget) lets(initiator string) bool { return !t.Away && t.access.admits(initiator) }

// RemoveTarget shows a target no longer: it is gone for guests at once, who are told if they can be. done, if it is not nil, is called when the last task of their nexuses with it has ended and no unit
// knows them any more, perhaps before RemoveTarget returns.
func (n *Node) RemoveTarget(name string, done func()) error {
	n.mu.Lock()
	t := n.targets[name]
	n.mu.Unlock()
	if t == nil {
		return fmt.Errorf("virtio: there is no target %s", name)
	}
	n.endSessions(func(nx *nexus) bool { return nx.target == t.SCSI }, done, t)
	return nil
}

// Refuses are the sessions with the target of a name that it would not let in if it were as t says, or would have at another number, by their IDs.
func (n *Node) Refuses(name string, t Target) (ids []int64) {
	s, err := newServedTarget(t)
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for nx := range n.all {
		moved := t.Number != AnyNumber && t.Number != int(nx.number)
		if nx.target.Name == name && (moved || !s.lets(nx.guest.initiator)) {
			ids = append(ids, nx.id)
		}
	}
	return ids
}

// EndRefused ends the sessions with the target of a name that it does not let in any more: for these guests it is gone, until it lets them in again. done is that of RemoveTarget.
func (n *Node) EndRefused(name string, done func()) {
	n.mu.Lock()
	t := n.targets[name]
	n.mu.Unlock()
	n.endSessions(func(nx *nexus) bool {
		return t != nil && nx.target == t.SCSI && !t.lets(nx.guest.initiator)
	}, done, nil)
}

// Drop ends a session, and reports whether it was there. Its tasks are aborted, and the guest goes on with a session of its own with the same target, if it is let in: a guest cannot be told to log in
// again.
func (n *Node) Drop(id int64) bool {
	return n.endSessions(func(nx *nexus) bool { return nx.id == id }, nil, nil) > 0
}

// endSessions ends the sessions that match, which is called with Node.mu, and returns how many there are. done, which may be nil, is called when the last of them is over. removed, if it is not nil, is not shown
// any more.
func (n *Node) endSessions(match func(*nexus) bool, done func(), removed *servedTarget) int {
	var left atomic.Int32
	left.Store(1)
	over := func() {
		if left.Add(-1) == 0 && done != nil {
			done()
		}
	}
	var later deferred
	count := 0
	n.mu.Lock()
	for nx := range n.all {
		if match(nx) {
			count++
			left.Add(1)
			nx.over = append(nx.over, over)
		}
	}
	if removed != nil && n.targets[removed.SCSI.Name] == removed {
		delete(n.targets, removed.SCSI.Name)
		n.arrange(&later)
	}
	for nx := range n.all {
		if match(nx) {
			nx.detach(&later, nx.again())
		}
	}
	n.mu.Unlock()
	later.run()
	n.replace(later.replaced)
	over()
	return count
}

// again reports that the guest of a nexus would have another with the same target if this one ended. The node's mu is held.
func (nx *nexus) again() bool {
	p := nx.guest.portal
	return p.guest == nx.guest && p.shown[nx.shown.name] == nx.shown && nx.shown.target.lets(nx.guest.initiator)
}

// replace makes nexuses in place of those that are lost.
func (n *Node) replace(lost []*nexus) {
	if len(lost) == 0 {
		return
	}
	var later deferred
	n.mu.Lock()
	for _, nx := range lost {
		if p := nx.guest.portal; p.guest == nx.guest {
			p.arrange(&later)
		}
	}
	n.mu.Unlock()
	later.run()
	for _, nx := range lost {
		if nx.guest.nexuses[nx.number].CompareAndSwap(nx, nil) { // there is none: something has changed, or there was no room
			nx.vanish()
		}
	}
}

var errNoNumber = errors.New("all 256 numbers behind the socket are taken")
