package target

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
)

// A Nexus is one initiator port logged in to one target port (SAM-5 4.5).
type Nexus struct {
	Port      *Port
	Initiator Initiator

	svc    Services
	itls   []*ITL // by LUN.Index(), nil where there is no unit
	absent *ITL   // for LUNs without a unit
}

// An Initiator is the initiator port of a nexus.
type Initiator struct {
	Name string // for people, logs and access lists: an iSCSI name, a port name
	Port scsi.TransportID
}

// An ITL is an I_T_L nexus: one nexus's view of one unit, with its tasks. Counters
// are here so that connections share none.
type ITL struct {
	Nexus *Nexus
	LUN   scsi.LUN
	// State is the device server's: set in Attach.
	State any
	Stats Stats

	unit *Unit

	mu     sync.Mutex
	head   *Task
	tail   *Task
	closed bool

	// Tasks that are in no list any more, and whose response the transport does not have
	// yet: task management waits for them too, so that no response comes after its own.
	responding atomic.Int32 // counted up with mu
	awaited    atomic.Bool
	waiters    []*group
}

// Stats count what an I_T_L nexus has done. They are cumulative.
type Stats struct {
	Commands, Errors  atomic.Int64
	BytesIn, BytesOut atomic.Int64 // to the initiator, from it
	_                 [32]byte     // the lock beside them has another owner
}

// Unit is the unit that x leads to.
func (x *ITL) Unit() *Unit { return x.unit }

// find returns the I_T_L nexus of lun, in whichever format it comes, or nil.
func (n *Nexus) find(lun scsi.LUN) *ITL {
	i, ok := lun.Index()
	if !ok || int(i) >= len(n.itls) {
		return nil
	}
	return n.itls[i]
}

// ITLs are the I_T_L nexuses in LUN order.
func (n *Nexus) ITLs() []*ITL {
	var all []*ITL
	for _, x := range n.itls {
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

// Execute runs t ("SCSI Command Received"). The transport has set the exported fields.
func (n *Nexus) Execute(t *Task) {
	x := n.find(t.LUN)
	if x == nil {
		x = n.absent
	}
	t.itl, t.svc = x, n.svc
	t.group, t.pins, t.ended, t.then = nil, 0, false, nil
	t.aborted.Store(false)
	t.state.Store(started)
	x.Stats.Commands.Add(1)
	if !x.begin(t) {
		n.svc.Dropped(t)
		return
	}
	if x.unit == nil {
		executeAbsent(t)
		return
	}
	if t.Attr == Ordered || (x.unit.barrier.Load() != 0 && t.Attr != HeadOfQueue) {
		x.unit.admit(t)
		return
	}
	x.unit.lu.Execute(t)
}

// begin links t; it reports false when the nexus is going.
func (x *ITL) begin(t *Task) bool {
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return false
	}
	t.prev, t.next = x.tail, nil
	if x.tail != nil {
		x.tail.next = t
	} else {
		x.head = t
	}
	x.tail = t
	x.mu.Unlock()
	return true
}

// end unlinks t. It reports true when t was aborted: then t gets no response, and has
// been (or will be) dropped.
func (x *ITL) end(t *Task) bool {
	if u := x.unit; u != nil && u.barrier.Load() != 0 {
		u.leave(t) // while t is still this task: unlinked, it may be dropped and be another
	}
	x.mu.Lock()
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		x.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		x.tail = t.prev
	}
	t.prev, t.next = nil, nil
	g := t.group
	if g == nil {
		x.responding.Add(1)
	}
	t.ended = true
	drop := g != nil && t.pins == 0
	x.mu.Unlock()
	if g == nil {
		return false
	}
	if drop {
		t.svc.Dropped(t)
		g.done()
	}
	return true
}

// Abort aborts the tasks of the nexus that match. done is called when they have ended and
// nothing touches their memory, perhaps before Abort returns. A transport uses it when
// one of several connections of a nexus is lost.
func (n *Nexus) Abort(match func(*Task) bool, done func()) {
	g := newGroup(done)
	for _, x := range append(n.ITLs(), n.absent) {
		abort(x, match, g)
	}
	g.done()
}

// responded tells that the transport has the response of a task that ended.
func (x *ITL) responded() {
	if x.responding.Add(-1) == 0 && x.awaited.Load() {
		x.wake()
	}
}

// wake ends the waiting of groups if no task is responding.
func (x *ITL) wake() {
	x.mu.Lock()
	if x.responding.Load() != 0 {
		x.mu.Unlock()
		return
	}
	waiters := x.waiters
	x.waiters = nil
	x.awaited.Store(false)
	x.mu.Unlock()
	for _, g := range waiters {
		g.done()
	}
}
