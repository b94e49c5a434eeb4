package target

import (
	"net/netip"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// A Nexus is one initiator port logged in to one target port (SAM-5 4.5). It has one or more
// channels, which bring its tasks, and an I_T_L nexus for each logical unit that it sees.
type Nexus struct {
	Port      *Port
	Initiator Initiator

	view   atomic.Pointer[view]
	purse  atomic.Pointer[buffer.Purse] // set with the first channel
	absent *ITL                         // for LUNs without a unit

	watcher atomic.Pointer[Watcher] // nil: the transport tells nobody

	// The target's mu guards these.
	lost    bool              // the view changes no more
	parting map[*ITL]struct{} // taken out of the view, and not forgotten by their units yet
}

// An Initiator is the initiator port of a nexus, and who has proved that it is theirs. Together
// they are an identity: what one user leaves behind is not there for another who logs in by the
// same port.
type Initiator struct {
	Name string // for people, logs and access lists: an iSCSI name, a port name
	// Also are other ways to write Name, which access lists may have instead of it.
	Also []string
	Port scsi.TransportID
	User string // the name that was proved; "" where nobody proves one
	// Address is where it has come from; the zero value where there are no addresses.
	Address netip.Addr
	// Owner is whose memory it uses, if that is not Name as User: where names alone do not tell
	// initiators apart.
	Owner string
}

// A view is what one nexus sees: a value that is replaced, never changed.
type view struct {
	itls []*ITL // by LUN.Index(), nil where there is no unit
}

// find returns the I_T_L nexus of lun, in whichever format it comes, or nil.
func (n *Nexus) find(lun scsi.LUN) *ITL {
	i, ok := lun.Index()
	v := n.view.Load()
	if !ok || int(i) >= len(v.itls) {
		return nil
	}
	return v.itls[i]
}

// ITLs are the I_T_L nexuses now, in LUN order.
func (n *Nexus) ITLs() []*ITL {
	var all []*ITL
	for _, x := range n.view.Load().itls {
		if x != nil {
			all = append(all, x)
		}
	}
	return all
}

// LUNs are the LUNs that the initiator may see, in order (REPORT LUNS).
func (n *Nexus) LUNs() []scsi.LUN {
	var all []scsi.LUN
	for _, x := range n.ITLs() {
		all = append(all, x.LUN)
	}
	return all
}

// Totals sums the counters of the nexus.
func (n *Nexus) Totals() Totals {
	var sum Totals
	for _, x := range n.ITLs() {
		sum.add(&x.Stats)
	}
	return sum
}

// AbortTasks aborts the tasks of the nexus that match, and returns how many there were. done
// is called when they have ended and nothing touches their memory, perhaps before AbortTasks
// returns.
func (n *Nexus) AbortTasks(match func(*Task) bool, done func()) int {
	g := newGroup(done)
	count := 0
	for _, x := range append(n.ITLs(), n.absent) {
		matched, _ := x.abort(match, g)
		count += matched
	}
	g.done()
	return count
}

// Lost ends the nexus ("I_T nexus loss"): no task starts any more, and those that are there are
// aborted. Each unit forgets the nexus when the last of its tasks there has ended; done is
// called when all have, perhaps before Lost returns. The same initiator may log in again before
// that: a unit at which tasks of the lost nexus are left answers BUSY to it until they have
// ended.
func (n *Nexus) Lost(done func()) {
	t := n.Port.Target
	t.mu.Lock()
	n.lost = true
	itls := n.ITLs()
	for x := range n.parting {
		itls = append(itls, x)
	}
	t.mu.Unlock()
	g := newGroup(func() {
		t.mu.Lock()
		delete(t.nexuses, n)
		t.mu.Unlock()
		n.absent.closePurse()
		if p := n.purse.Load(); p != nil {
			p.Close()
		}
		done()
	})
	n.absent.close() // first: a command whose unit is closed already is not answered as one without a unit
	for _, x := range itls {
		x.lose(g)
	}
	n.absent.abort(everyTask, g)
	g.done()
}
