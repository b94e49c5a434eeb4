package virtio

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A nexus is an I_T nexus: a driver's life with a target, by one channel. It is the target.Services of its commands.
//
//	       the driver has ended, the target is not shown,       its last task
//	       or does not let the guest in any more                has ended
//	there ───────────────────────────────────────────────► lost ─────────────► over
type nexus struct {
	guest  *guest
	id     int64 // for people
	number uint8 // of the target
	shown  *showing
	target *target.Target
	scsi   *target.Nexus
	door   *target.Channel
	since  time.Time

	lost atomic.Bool // it is lost, and the guest does not see the target any more: its tasks end as those of one that is not there

	mu     sync.Mutex
	aborts []abort // functions that abort tasks, and have not ended

	// The node's mu guards these.
	going bool // the guest does not see it any more
	over  []func()
}

// An abort is what a function aborts: the tasks at a LUN of an ID, or all there.
type abort struct {
	lun scsi.LUN
	id  uint64
	all bool
}

// solicited is no bound: a guest's data is there already, and what it takes of our memory its account of that bounds.
const solicited = 1 << 40

func newNexus(g *guest, s *showing, id int64, x *target.Nexus) *nexus {
	nx := &nexus{guest: g, id: id, number: s.number, shown: s, target: s.target.SCSI, scsi: x, since: time.Now()}
	nx.door = x.Channel(nx, target.ChannelLimits{Solicited: solicited, Arena: g.portal.node.cfg.Arena})
	x.Watch(nx)
	return nx
}

// detach takes the nexus from the guest's sight, for lose to end it, and reports whether it was in sight. If another is to come in its place it stays where requests look for it until then: those that come meanwhile
// end as its tasks do, and are sent once more. guest.portal.node.mu is held.
func (nx *nexus) detach(later *deferred, again bool) bool {
	if nx.going {
		return false
	}
	nx.going = true
	if nx.shown.nexus == nx {
		nx.shown.nexus = nil
	}
	if again {
		later.replaced = append(later.replaced, nx)
		return true
	}
	nx.guest.nexuses[nx.number].CompareAndSwap(nx, nil)
	later.lost = append(later.lost, nx)
	return true
}

// lose ends the nexus, which was detached: its tasks are aborted. No lock is held.
func (nx *nexus) lose() {
	if !nx.seen() { // else another takes its place, and what was under way may be sent again
		nx.lost.Store(true)
	}
	nx.scsi.Lost(func() { nx.guest.portal.node.forget(nx) })
}

// seen reports that the guest sees the target, by this nexus or by one that has taken its place.
func (nx *nexus) seen() bool {
	now := nx.guest.nexuses[nx.number].Load()
	return now != nil && now.target == nx.target
}

// vanish tells the guest that the units have gone, unless it sees them by another nexus.
func (nx *nexus) vanish() {
	g := nx.guest
	if g.over.Load() || nx.seen() {
		return
	}
	for _, lun := range nx.scsi.LUNs() {
		g.events.add(g.features, nx.transportReset(lun, iu.ResetRemoved))
	}
	g.portal.node.wake()
}

// forget takes a nexus without tasks out of the node's books.
func (n *Node) forget(nx *nexus) {
	n.mu.Lock()
	delete(n.all, nx)
	n.doors.Give(nx.guest.portal, 1)
	over := nx.over
	n.changed.Broadcast()
	n.mu.Unlock()
	for _, f := range over {
		f()
	}
}

// aborting notes that a function aborts tasks, until aborted.
func (nx *nexus) aborting(a abort) {
	nx.mu.Lock()
	defer nx.mu.Unlock()
	nx.aborts = append(nx.aborts, a)
}

// aborted notes that a function has ended.
func (nx *nexus) aborted(a abort) {
	nx.mu.Lock()
	defer nx.mu.Unlock()
	if i := slices.Index(nx.aborts, a); i >= 0 {
		nx.aborts = slices.Delete(nx.aborts, i, i+1)
	}
}

// endCode says how a command ends that was aborted. Linux sends those that end by a reset once more, and gives up on the others: so all that the guest has not asked for itself is one.
func (nx *nexus) endCode(t *target.Task) iu.Code {
	if nx.lost.Load() {
		return iu.CodeBadTarget
	}
	nx.mu.Lock()
	defer nx.mu.Unlock()
	for _, a := range nx.aborts {
		if a.lun == t.LUN && (a.all || a.id == t.Tag) {
			return iu.CodeAborted
		}
	}
	return iu.CodeReset
}
