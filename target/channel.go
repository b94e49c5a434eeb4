package target

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// A Channel is a connection's share of a nexus: the door through which its commands come. It
// keeps what a connection may take: data-out that tasks wait for, and memory for it. An I_T
// nexus has as many channels as the transport has connections for it.
type Channel struct {
	nexus  *Nexus
	svc    Services
	lender Lender // svc, if it is one
	limits ChannelLimits

	closed atomic.Bool
	copied atomic.Int64

	mu          sync.Mutex
	solicited   int64   // bytes of budget that tasks have
	units       []int64 // of these, by LUN.Index()
	first, last *Task   // tasks that wait for budget, in order, linked by Task.queue
	granting    bool    // one goroutine is in grant
	again       bool    // and shall look again
}

// ChannelLimits bound what a channel takes.
type ChannelLimits struct {
	// Solicited is how much data-out the tasks of the channel may wait for at a time, in
	// bytes. One task may always wait.
	Solicited int64
	// Arena lends the memory for data-out. It is the same for all channels of a nexus.
	Arena *buffer.Arena
	// Fills says that the transport gets the memory of what it receives itself, when the data
	// comes: see Services.ReceiveDataOut.
	Fills bool
}

// Channel makes a channel of the nexus. The transport ends it with [Channel.Lost], or all of
// them with [Nexus.Lost].
func (n *Nexus) Channel(svc Services, limits ChannelLimits) *Channel {
	if n.purse.Load() == nil {
		if p := limits.Arena.Purse(n.Initiator.owner(), ""); !n.purse.CompareAndSwap(nil, p) {
			p.Close()
		}
	}
	ch := &Channel{nexus: n, svc: svc, limits: limits}
	ch.lender, _ = svc.(Lender)
	return ch
}

// Nexus is the I_T nexus that the channel belongs to.
func (ch *Channel) Nexus() *Nexus { return ch.nexus }

// Copied is how many bytes of data-out that came along with commands have been copied.
func (ch *Channel) Copied() int64 { return ch.copied.Load() }

// Execute takes t, for which the transport has set the fields that are its own ("SCSI Command
// Received"). The task starts now or when its turn comes; Services.Ended gives it back. The
// caller holds no lock that Services take.
func (ch *Channel) Execute(t *Task) {
	n := ch.nexus
	x := n.find(t.LUN)
	if x == nil {
		x = n.absent
	}
	t.reset(x, ch)
	x.Stats.Commands.Add(1)
	if !x.link(t) {
		// The unit has just been taken away, or the channel is going.
		if x = n.absent; t.itl == x || !ch.absent(t) {
			t.fate.Store(aborted)
			t.endLoan()
			ch.svc.Ended(t)
			return
		}
	}
	lent := t.firstLen > 0 // the transport may use t again before the end of this, if not
	u := x.unit
	switch {
	case u == nil:
		executeAbsent(t)
	case x.busy.Load() && !alwaysAnswered(t):
		t.Respond(Response{Status: scsi.Busy})
	case t.Attr == Simple && u.barrier.Load() == 0:
		u.server().Execute(t)
	default:
		u.admit(t)
	}
	if lent {
		t.retain() // ReceiveDataOut tells if there was no memory
	}
}

// absent makes t a task of a LUN without a unit.
func (ch *Channel) absent(t *Task) bool {
	t.itl = ch.nexus.absent
	return t.itl.link(t)
}

// alwaysAnswered reports the commands that every unit answers at any time (SAM-5 5.3): with
// them an initiator finds its other units while one is busy with what it has lost.
func alwaysAnswered(t *Task) bool {
	if len(t.CDB) == 0 {
		return false
	}
	switch scsi.Opcode(t.CDB[0]) {
	case scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpRequestSense:
		return true
	}
	return false
}

// Lost ends the channel: no task of it starts any more, and those that are there are aborted.
// done is called when they have ended and nothing touches their memory, perhaps before Lost
// returns. Tasks of other channels of the nexus go on.
func (ch *Channel) Lost(done func()) {
	ch.closed.Store(true) // before the look at the lists: link looks at it with the lists' locks
	ch.nexus.AbortTasks(func(t *Task) bool { return t.channel == ch }, done)
}
