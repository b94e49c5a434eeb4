package target

import "github.com/lunette-io/lunette/buffer"

// A transfer is the data-out that a device server has asked for: one at a time in a task. The
// task is waiting for it, so that whoever brings it on is the only one to touch it.
type transfer struct {
	off, n  int64
	into    *buffer.Lease // leased when it can begin, unless it lands
	landing bool          // into is the device server's own memory
	then    func(*Task, *buffer.Lease, error)
	landed  func(*Task, error)

	// budget is what the task has of its channel's. The channel's mu guards it.
	budget int64
}

func (f *transfer) reset() { f.into, f.landing, f.budget = nil, false, 0 }

// ReceiveDataOut receives n bytes from offset off of the initiator's buffer into memory that
// the transport's side provides, when the channel may wait for so much. Then it calls then:
// perhaps before it returns, perhaps on another goroutine, always once. The device server
// takes the lease. An error is ErrAborted or the reason that the data could not be had; as
// [*DataError] it says what sense to answer with. off+n is at most HaveOut; see [MaxPiece].
//
// While the task waits it counts as not running: others may pass it. It goes on, and then is
// called, when the order of tasks lets it change the medium; see [Order].
func (t *Task) ReceiveDataOut(off, n int64, then func(*Task, *buffer.Lease, error)) {
	f := &t.transfer
	f.off, f.n, f.into, f.landing, f.then = off, n, nil, false, then
	t.receive()
}

// LandDataOut receives data-out from offset off of the initiator's buffer in memory that is the
// medium itself. It borrows into until then. The task counts as running all the time.
func (t *Task) LandDataOut(off int64, into *buffer.Lease, then func(*Task, error)) {
	f := &t.transfer
	f.off, f.n, f.into, f.landing, f.landed = off, into.Len(), into, true, then
	t.receive()
}

// receive begins the transfer when the channel has budget for it.
func (t *Task) receive() {
	switch {
	case t.Aborted():
		t.dataOutEnds(ErrAborted)
	case t.channel.mustWait(t):
		t.await()
		t.channel.take(t)
	default:
		if !t.transfer.landing {
			t.await()
		}
		t.begin()
	}
}

// await lets others pass: t does not change the medium until its data is there.
func (t *Task) await() {
	t.phase.Store(receiving)
	if u := t.itl.unit; u != nil && u.barrier.Load() != 0 {
		u.advance()
	}
}

// granted goes on with a transfer that has waited for budget.
func (t *Task) granted() {
	if t.transfer.landing {
		t.itl.unit.resume(t)
		return
	}
	t.begin()
}

// goOn continues a task that the order of tasks has held back.
func (t *Task) goOn() {
	if t.transfer.landing {
		t.begin()
		return
	}
	t.dataOutEnds(nil)
}

// begin moves the data.
func (t *Task) begin() {
	f := &t.transfer
	if f.landing {
		t.phase.Store(landing)
	} else {
		l, err := t.dataOutMemory()
		if err != nil {
			t.dataOutEnds(err)
			return
		}
		f.into = l
	}
	have, err := t.takeFirst(f.off, f.into)
	switch {
	case err != nil:
		t.dataOutEnds(err)
	case have == f.into.Len():
		t.DataOutReceived(nil)
	default:
		t.channel.svc.ReceiveDataOut(t, f.off, f.into, have)
	}
}

// smallPiece is how much data-out is so little that its memory is leased when it is asked for.
const smallPiece = 64 << 10

// dataOutMemory leases memory for the transfer; if the transport fills it when the data comes, and
// none of it is here yet, it is only promised.
func (t *Task) dataOutMemory() (*buffer.Lease, error) {
	f := &t.transfer
	if t.channel.limits.Fills && f.n > smallPiece && t.firstLen <= f.off {
		return t.itl.memory(t.channel).Promise(f.n), nil
	}
	l, err := t.Memory(f.n)
	if err == nil {
		l.Truncate(f.n) // nothing, if it is nothing
	}
	return l, err
}

// DataOutReceived is called by transports, once for each ReceiveDataOut that they were asked
// for: it has ended.
func (t *Task) DataOutReceived(err error) {
	x := t.itl
	if err != nil {
		t.dataOutEnds(err)
		return
	}
	x.Stats.BytesOut.Add(t.transfer.n)
	if t.transfer.landing {
		t.dataOutEnds(nil)
		return
	}
	t.phase.Store(started) // before the look at the barrier: whoever raises it sees one or the other
	if u := x.unit; u.barrier.Load() != 0 || u.server().Order(t.CDB).Class == Atomic {
		u.resume(t)
		return
	}
	t.dataOutEnds(nil)
}

// dataOutEnds is the device server's next step.
func (t *Task) dataOutEnds(err error) {
	f := &t.transfer
	into := f.into
	f.into = nil
	t.phase.Store(started)
	if f.landing {
		f.landing = false
		f.landed(t, err)
		return
	}
	if err != nil && into != nil {
		into.Release()
		into = nil
	}
	f.then(t, into, err)
}
