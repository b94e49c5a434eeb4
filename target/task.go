package target

import (
	"sync/atomic"

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

// A Task is one command of one I_T nexus. The transport owns the memory and lends it
// from Nexus.Execute to Services.SendResponse or Services.Dropped; in between the
// device server drives it. A device server touches neither the task nor anything it
// lends after Respond.
type Task struct {
	// Set by the transport.
	Tag      uint64
	LUN      scsi.LUN
	Attr     Attr
	Priority uint8
	CDB      []byte // valid until the task ends
	WantIn   int64  // bytes of room in the initiator's data-in buffer
	HaveOut  int64  // bytes in its data-out buffer
	// First lends the data-out, from offset 0, that came along with the command and
	// lies in memory right now. The device server borrows it, and only until Execute
	// returns; ReceiveDataOut gets the same bytes with everything else.
	First   buffer.Lease
	Private any // the transport's state

	// For the device server: its own state between the steps of one command.
	Work Work

	itl  *ITL
	svc  Services
	then func(*Task, error)
	more func(*Task)

	response Response    // what SendResponse gets: here, so that none is allocated
	step     func(*Task) // for Workers
	queue    *Task       // next in a Workers queue or in the unit's waiting list

	// Guarded by itl.mu.
	prev, next *Task
	group      *group // set: aborted; who waits for the end
	pins       int    // the task manager still looks at it
	ended      bool   // the device server is done with it

	state   atomic.Int32
	aborted atomic.Bool
}

// Work is what a device server notes between the steps of a command.
type Work struct {
	LBA    uint64
	Blocks uint64
	Off    int64 // in the store, bytes
	Len    int64 // bytes in all
	Done   int64 // bytes so far
	Flags  uint32
	Data   *buffer.Lease
	Any    any
}

const (
	idle int32 = iota
	waiting
	started
)

// ITL is the I_T_L nexus of the task; nil only for a LUN without a unit.
func (t *Task) ITL() *ITL { return t.itl }

// Nexus is the I_T nexus of the task.
func (t *Task) Nexus() *Nexus { return t.itl.Nexus }

// Aborted reports that the task need not go on: its response will not be sent. Long
// commands look at it between pieces of work.
func (t *Task) Aborted() bool { return t.aborted.Load() }

// Keep tells the transport to keep what First lends beyond the return of Execute, for
// a device server that has to wait for something else than data. After an error the
// device server answers TASK SET FULL.
func (t *Task) Keep() error { return t.svc.Keep(t) }

// SendDataIn moves data to offset off of the initiator's buffer; it takes the lease.
// The device server sends at most WantIn bytes in all. If it returns false the device
// server returns and touches t no more: more is called, on any goroutine, when the
// initiator has taken enough of what is on its way. So a slow initiator holds little
// memory, and no goroutine.
func (t *Task) SendDataIn(off int64, data *buffer.Lease, more func(*Task)) bool {
	if t.aborted.Load() {
		data.Release()
		return true
	}
	t.itl.Stats.BytesIn.Add(data.Len())
	t.more = more
	return t.svc.SendDataIn(t, off, data)
}

// DataInSent is for transports: the device server may send more.
func (t *Task) DataInSent() { t.more(t) }

// ReceiveDataOut fills into, which it borrows, from offset off of the initiator's
// buffer, and then calls then: perhaps before it returns, perhaps on another
// goroutine, always once. An error is ErrAborted or the reason that the data could
// not be had; as [*DataError] it says what sense to answer with.
// off+into.Len() is at most HaveOut; see [MaxPiece].
func (t *Task) ReceiveDataOut(off int64, into *buffer.Lease, then func(*Task, error)) {
	t.then = then
	if t.aborted.Load() {
		t.DataOutReceived(ErrAborted)
		return
	}
	t.itl.Stats.BytesOut.Add(into.Len())
	t.svc.ReceiveDataOut(t, off, into)
}

// DataOutReceived is for transports: the ReceiveDataOut of t has ended.
func (t *Task) DataOutReceived(err error) {
	then := t.then
	t.then = nil
	then(t, err)
}

// A DataError is a transfer that failed in a way that the initiator must be told.
type DataError struct {
	Sense scsi.Sense
}

func (e *DataError) Error() string { return e.Sense.Error() }

// Respond ends the task. It takes r.DataIn.
func (t *Task) Respond(r Response) {
	x := t.itl
	if r.Status == scsi.CheckCondition {
		x.Stats.Errors.Add(1)
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
	if !x.end(t) {
		t.response = r
		t.svc.SendResponse(t, &t.response) // t is the transport's from here on
		x.responded()
	} else if r.DataIn != nil {
		r.DataIn.Release()
	}
	if u := x.unit; u != nil && u.barrier.Load() != 0 {
		u.advance()
	}
}

// Fail ends the task with CHECK CONDITION and s in fixed format.
func (t *Task) Fail(s scsi.Sense) { t.Respond(Response{Status: scsi.CheckCondition, Sense: s}) }
