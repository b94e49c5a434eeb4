package target

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// Attr is a task attribute (SAM-5 8.6).
type Attr uint8

// Task attributes.
const (
	Simple Attr = iota
	Ordered
	HeadOfQueue
	ACA
)

// A Task is one command of one I_T nexus. The transport owns the memory and lends it from
// Channel.Execute to Services.Ended; in between the device server drives it, up to Respond. A
// device server touches neither the task nor anything that it lends after Respond.
type Task struct {
	// The transport sets these before Channel.Execute.
	Tag      uint64
	LUN      scsi.LUN
	Attr     Attr
	Priority uint8
	CDB      []byte // valid until the task ends
	WantIn   int64  // bytes of room in the initiator's data-in buffer
	HaveOut  int64  // bytes in its data-out buffer
	// First lends the data-out, from offset 0, that came along with the command and lies in
	// memory right now. The transport lends it until Channel.Execute returns, and does not use
	// the task's memory for another command before that, even if the task has ended. The device
	// server borrows it only until its Execute returns or asks for data; ReceiveDataOut gets
	// the same bytes with everything else.
	First buffer.Lease
	// Unasked is how much data-out, from offset 0, comes without being asked for: First, and
	// what the transport knows to follow it. No budget is needed for it.
	Unasked int64
	Private any // the transport's state

	// Work is the device server's own state between the steps of one command.
	Work Work

	itl     *ITL
	channel *Channel

	phase atomic.Uint32
	fate  atomic.Uint32

	pace     pace
	transfer transfer
	firstLen int64         // of First, when the task came
	loan     atomic.Uint32 // what has become of First: see loan.go
	taken    atomic.Int64  // how much of First the device server has got
	response Response      // lent to SendResponse: here, so that none is allocated
	rawSense []byte        // see RawSense

	step  func(*Task) // the next step, while the task waits for a worker
	queue *Task       // the next of a queue: of workers, of a unit, or of a channel

	// The unit's mu guards these.
	ticket    uint64    // order of arrival among those that wait
	order     Order     // how the command stands to others
	barred    bool      // the barrier is up because of its attribute
	exclusive bool      // it is in the unit's list of atomic commands
	alone     bool      // it runs as one of them
	since     time.Time // when it came there, or to the queue of the one task set

	// The ITL's mu guards these.
	prev, next *Task
	group      *group    // set: who waits for the end
	pins       int       // task management still looks at the task
	ended      bool      // it is in no list
	awaited    time.Time // when group was set

	mu       sync.Mutex
	retained *buffer.Lease // what First lent, copied
	onAbort  func(*Task)
	canceled chan struct{} // made when somebody waits for Context
}

// The phases of a task; docs/design/target.md draws them.
const (
	idle       uint32 = iota
	queued            // the device server has not seen it
	started           // a step of the device server runs or will, and may change the medium
	landing           // the same: data-out lands in the medium itself
	receiving         // waits for data-out, or for leave to go on with it
	responding        // the device server is done, the transport has the response
)

// The fates of a task: one of the last two comes first, once.
const (
	open     uint32 = iota
	aborted         // it gets no response
	answered        // the transport has its response
)

// Work is what a device server notes between the steps of a command.
type Work struct {
	LBA    uint64
	Blocks uint64
	Off    int64 // in the store, bytes
	Len    int64 // bytes in all
	Done   int64 // bytes so far
	Flags  uint32
	Step   uint32 // what comes next, in the device server's own numbers
	Data   *buffer.Lease
	Any    any
}

// reset prepares t for a new command. Nobody else knows t.
func (t *Task) reset(x *ITL, ch *Channel) {
	t.itl, t.channel = x, ch
	t.fate.Store(open)
	t.phase.Store(started)
	t.pace.reset()
	t.transfer.reset()
	t.group, t.pins, t.ended = nil, 0, false
	t.ticket, t.barred, t.exclusive, t.alone = 0, false, false, false
	t.onAbort = nil
	t.firstLen = t.First.Len()
	if t.firstLen > 0 {
		t.taken.Store(0)
		t.loan.Store(lent)
	}
}

// ITL is the I_T_L nexus of the task; its unit is nil only for a LUN without a unit.
func (t *Task) ITL() *ITL { return t.itl }

// Nexus is the I_T nexus of the task.
func (t *Task) Nexus() *Nexus { return t.itl.Nexus }

// Channel is the channel that the task came by.
func (t *Task) Channel() *Channel { return t.channel }

// Aborted reports that the task need not go on: its response will not be sent. Long
// commands look at it between pieces of work. See also OnAbort and Context.
func (t *Task) Aborted() bool { return t.fate.Load() == aborted }

// Respond ends the task. It takes r.DataIn.
func (t *Task) Respond(r Response) {
	x := t.itl
	if r.Status == scsi.CheckCondition {
		x.Stats.Errors.Add(1)
		if failure(&r.Sense) {
			x.Stats.Failures.Add(1)
		}
	}
	expected := t.WantIn + t.HaveOut
	r.Residual = expected - r.Moves
	if r.DataIn != nil {
		if room := min(t.WantIn-r.At, r.DataIn.Len()); room <= 0 {
			r.DataIn.Release()
			r.DataIn = nil
		} else {
			r.DataIn.Truncate(room)
			x.Stats.BytesIn.Add(r.DataIn.Len())
		}
	}
	answers := t.fate.CompareAndSwap(open, answered)
	if !answers && r.DataIn != nil {
		r.DataIn.Release()
	}
	t.phase.Store(responding)
	u := x.unit
	barrier := u != nil && u.barrier.Load() != 0
	if barrier {
		u.yield(t) // however long the transport takes
	}
	ends := false
	if answers {
		t.response = r
		ends = t.channel.svc.SendResponse(t, &t.response)
	} else {
		ends = t.pace.end() // if not, the initiator's memory is still written to
	}
	switch {
	case ends:
		t.finish()
	case barrier: // t may be another command by now
		u.advance()
	}
}

// Fail ends the task with CHECK CONDITION and s in fixed format.
func (t *Task) Fail(s scsi.Sense) { t.Respond(Response{Status: scsi.CheckCondition, Sense: s}) }

// Responded is called by transports, once, for a task whose SendResponse has reported false:
// the response has its place in the order of the wire, or will not be sent.
func (t *Task) Responded() { t.finish() }

// finish takes t out of all books. If task management looks at t its memory goes back to the
// transport later. No lock is held, and t is not touched afterwards.
func (t *Task) finish() {
	x, ch := t.itl, t.channel
	u := x.unit
	barrier := u != nil && u.barrier.Load() != 0
	if barrier {
		u.leave(t) // while t is still this task
	}
	waits := ch.giveBack(t)
	if g, drop := x.unlink(t); drop {
		t.forget(g)
	}
	if waits {
		ch.grant()
	}
	if barrier || (u != nil && u.barrier.Load() != 0) {
		u.advance()
	}
}

// forget gives the memory of t, which is in no list and has no pin, back to the transport.
func (t *Task) forget(g *group) {
	x := t.itl
	t.endLoan()
	t.channel.svc.Ended(t)
	x.returned()
	if g != nil {
		g.done()
	}
}
