package target

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
)

// maxUnsent is how many pieces of a task's data-in wait to be sent at a time: one that is
// being sent, and one to follow it at once.
const maxUnsent = 2

// A pace lets a task's data-in go no faster than its initiator takes it. So a slow initiator
// holds little memory, and no goroutine.
type pace struct {
	// state counts the pieces that are not sent. The first flag stands while the device server
	// waits for leave to send more, the second when the task ends with the last of them.
	state atomic.Int32
	more  func(*Task)
}

const (
	paceWaits = 1 << 16
	paceEnds  = 1 << 17
	paceCount = paceWaits - 1
)

// reset makes p ready for a new task. The last one has no piece left.
func (p *pace) reset() { p.state.Store(0) }

// sent takes one piece off, and reports whether the device server waits for that, and whether
// the task ends with that.
func (p *pace) sent() (goes, ends bool) {
	for {
		was := p.state.Load()
		now := was - 1
		goes = now&paceWaits != 0 && now&paceCount < maxUnsent
		if goes {
			now &^= paceWaits
		}
		if p.state.CompareAndSwap(was, now) {
			return goes, now == paceEnds
		}
	}
}

// end lets the task, for which the device server does nothing more, end with the last piece. It
// reports true if none is left: then the task ends now.
func (p *pace) end() bool {
	for {
		was := p.state.Load()
		if was&paceCount == 0 {
			return true
		}
		if p.state.CompareAndSwap(was, was|paceEnds) {
			return false
		}
	}
}

// wait notes that the device server waits, unless it need not.
func (p *pace) wait() bool {
	for {
		was := p.state.Load()
		if was < maxUnsent {
			return false
		}
		if p.state.CompareAndSwap(was, was|paceWaits) {
			return true
		}
	}
}

// stop ends the wait of the device server; it reports whether there was one.
func (p *pace) stop() bool { return p.state.And(^paceWaits)&paceWaits != 0 }

// SendDataIn moves data to offset off of the initiator's buffer; it takes the lease.
// The device server sends at most WantIn bytes in all. If it returns false the device
// server returns and touches t no more: more is called, on any goroutine, when the
// initiator has taken enough of what is on its way.
func (t *Task) SendDataIn(off int64, data *buffer.Lease, more func(*Task)) bool {
	if t.Aborted() {
		data.Release()
		return true
	}
	t.itl.Stats.BytesIn.Add(data.Len())
	t.pace.more = more
	t.pace.state.Add(1)
	t.channel.svc.SendDataIn(t, off, data)
	if !t.pace.wait() {
		return true
	}
	if t.Aborted() && t.pace.stop() {
		return true // the abort came before the wait, and has not seen it
	}
	return false
}

// DataInSent is called by transports, once for each SendDataIn: the piece has been sent.
func (t *Task) DataInSent() {
	switch goes, ends := t.pace.sent(); {
	case goes:
		t.pace.more(t) // the device server waits for it: the task has not ended
	case ends:
		t.finish()
	}
}
