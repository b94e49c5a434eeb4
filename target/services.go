// Package target is the SAM-5 model at which every SCSI transport and every device type
// meet: targets, ports, I_T nexuses, channels, tasks, task sets, task management and maps of
// logical units. What a command is before its device server runs it, and while its data
// moves, is decided here once, for all transports. docs/design/target.md draws it.
package target

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// MaxPiece is how much data-out of one command is asked for at a time at the most, in bytes,
// by a device server that stages data: it asks for all of the command's data, or for pieces of
// exactly MaxPiece and a rest, in order. A transport therefore knows that data which comes
// unasked (at most MaxPiece) lies in the first piece.
const MaxPiece = 1 << 20

// ErrAborted is what a transfer ends with when its task is aborted or its nexus is lost.
var ErrAborted = errors.New("target: task aborted")

// A DataError is a transfer that failed in a way that the initiator must be told.
type DataError struct {
	Sense scsi.Sense
}

func (e *DataError) Error() string { return e.Sense.Error() }

// Services are SAM-5's transport protocol services for one [Channel]: the connection of a
// SCSI transport implements them. Only this package calls them; device servers reach them
// through the methods of [Task].
//
// No service waits for the network. A device server is a chain of steps: it asks for data,
// returns, and is called again when the data is there. So no goroutine is ever held by a slow
// peer. Services may be called from any goroutine, for different tasks at the same time.
type Services interface {
	// SendDataIn moves data to the initiator's buffer at off ("Send Data-In"). It takes the
	// lease. When the transport has sent the data and given the lease back it calls
	// t.DataInSent, exactly once, also when the data could not be sent: perhaps before
	// SendDataIn returns, perhaps after the task has been answered. If the move fails the
	// nexus is lost.
	SendDataIn(t *Task, off int64, data *buffer.Lease)

	// ReceiveDataOut fills into[have:] from the initiator's buffer at off+have ("Receive
	// Data-Out"), and then calls t.DataOutReceived, exactly once, perhaps before it returns.
	// The first have bytes of into are there already. It borrows into until that call;
	// afterwards no transfer touches the memory. For a task that is aborted it calls
	// t.DataOutReceived(ErrAborted).
	//
	// If the channel's limits say Fills, into may be a promise: the transport calls into.Fill
	// before the first byte is put there, and if that fails, t.DataOutReceived with its error when
	// what comes has been thrown away.
	ReceiveDataOut(t *Task, off int64, into *buffer.Lease, have int64)

	// SendResponse ends the task ("Send Command Complete"). It takes r.DataIn, and borrows r
	// itself until it returns, or until Ended if it reports false. True: the response has its
	// place in the order of what the transport sends. False: it has not yet, since it waits
	// for data; then the transport calls t.Responded, exactly once, when it has its place, or
	// when it will never be sent.
	SendResponse(t *Task, r *Response) bool

	// TerminateTransfers stops moving data for t ("Terminate Data Transfer"), which is
	// aborted. When it returns a pending ReceiveDataOut has ended with ErrAborted, or ends so
	// by itself as soon as what cannot be stopped has ended, as an RDMA Read that is on its
	// way: before that the memory is in use, and task management waits for it. A response
	// that waits (SendResponse has reported false) is withdrawn, if it still can be: then the
	// transport calls t.Responded and sends nothing. It may be called for a task of which
	// nothing moves, and then does nothing.
	TerminateTransfers(t *Task)

	// Ended gives t back to the transport: this package and the device server have forgotten
	// it, after its response (SendResponse) or without one (it was aborted). It is called
	// exactly once for each Channel.Execute, perhaps before Execute returns, and is the last
	// that this package does with t. A task that was aborted does not end before all of its
	// data-in that is on its way has been sent (DataInSent).
	Ended(t *Task)

	// Overdue tells that the initiator owes data for t for too long while tasks of others
	// wait for t: the transport ends the connection because of why.
	Overdue(t *Task, why error)
}

// A Response ends a task. A transport may merge the status with the last data.
type Response struct {
	Status scsi.Status
	// Sense goes with CHECK CONDITION, always (autosense).
	Sense scsi.Sense
	// Descriptor chooses descriptor format for Sense (SPC-5 4.4.2).
	Descriptor bool
	// SenseData, if it is not empty, is sent as it is instead of Sense: it comes from another
	// device. It is borrowed until Respond returns, or until the response has its place.
	SenseData []byte
	// Moves is how many bytes the command moves by its CDB, whatever the initiator
	// has room for; the residual follows from it. 0 for a command that failed early.
	Moves int64
	// DataIn is the last (often the only) data in; it goes to offset At of the
	// initiator's buffer. What the initiator has no room for is cut off here.
	DataIn *buffer.Lease
	At     int64
	// Residual is set by this package: >0 underflow, <0 overflow (SAM-5 5.4.4).
	Residual int64
	// Batch, if it is not nil, is that of the commands which end one after the other with
	// this one. Inside SendResponse, and not after it, the transport may put off to the end of
	// the batch what sends the response.
	Batch Batch
}

// AppendSense appends the sense data of a response with CHECK CONDITION.
func (r *Response) AppendSense(dst []byte) []byte {
	switch {
	case len(r.SenseData) > 0:
		return append(dst, r.SenseData...)
	case r.Descriptor:
		return r.Sense.AppendDescriptor(dst)
	}
	return r.Sense.AppendFixed(dst)
}

// A Batch is a number of commands that end one after the other on one goroutine.
type Batch interface {
	// Add calls f.Flush at the end of the batch, once for all calls with the same f, or
	// before: when much waits, of which n bytes are due to f. No lock may be held.
	Add(f interface{ Flush() }, n int64)
}

// A LogicalUnit is a device server. Methods may be called by many goroutines at once.
type LogicalUnit interface {
	// Attach announces an I_T_L nexus; the unit may set its State. It is called with the lock of
	// the target, or with none when the unit takes the place of another. Detach ends the nexus (I_T nexus loss), after its last task has ended, and is
	// called with no lock.
	Attach(x *ITL)
	Detach(x *ITL)

	// Order says how the command of cdb, which may be of any length, stands to others. It is
	// fast, changes nothing, and may be called with locks of this package held.
	Order(cdb []byte) Order

	// Execute starts t. The unit ends it with exactly one t.Respond, now or later, on any
	// goroutine. Execute itself runs on the goroutine that received the command, or on that
	// which ended what the command waited for; it must not wait for storage, peers or other
	// tasks, and the caller holds no lock.
	Execute(t *Task)

	// Event reports what happened to the unit or to one of its I_T_L nexuses, so that
	// unit attentions can be established; x is the nexus concerned, or the one that
	// caused it (see the events). InventoryChanged and ProtectionChanged come with the lock of
	// the target held, all others with none.
	Event(e Event, x *ITL)

	// Close returns when the unit has given everything back. No task is left.
	Close() error
}

// A Resetter is a LogicalUnit that has to do something for its tasks to end when it is reset, such as
// one whose commands run in a device behind it.
type Resetter interface {
	// Resetting begins a LOGICAL UNIT RESET or a target reset. All tasks are aborted, and those that
	// the unit has run still; new ones may come. It calls done, once, on any goroutine, when it has
	// done its part, and waits for nothing itself. The caller holds no lock. When done was called and
	// the tasks have ended, Event tells that the reset is complete.
	Resetting(done func())
}

// An Event is something that a logical unit may have to tell its initiators.
type Event uint8

const (
	// LogicalUnitReset: by x's initiator (nil: by management). All tasks have ended.
	LogicalUnitReset Event = iota
	// TargetReset: like LogicalUnitReset, of all units that the initiator reaches.
	TargetReset
	// NexusReset: I_T NEXUS RESET by x itself.
	NexusReset
	// CommandsCleared: tasks of x were ended by another initiator (SAM-5 5.6).
	CommandsCleared
	// InventoryChanged: the map of logical units that x's initiator sees has changed.
	InventoryChanged
	// Replaced: the unit has taken the place of another, at whose I_T_L nexuses it is attached now;
	// x is nil.
	Replaced
	// ProtectionChanged: ITL.ReadOnly of x is another from now on.
	ProtectionChanged
)
