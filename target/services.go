// Package target is the SAM-5 model that every SCSI transport and every device type
// meets at: targets, ports, I_T nexuses, tasks, task management and LUN maps.
package target

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// MaxPiece is how much data-out a device server asks for at a time, in bytes. It
// asks for all of it, or for pieces of exactly MaxPiece and a rest, in order. A
// transport therefore knows that data which comes unasked (at most MaxPiece) lies in
// the first piece.
const MaxPiece = 1 << 20

// ErrAborted is what a transfer ends with when its task is aborted or its nexus is
// lost.
var ErrAborted = errors.New("target: task aborted")

// Services are SAM-5's transport protocol services for one I_T nexus. A SCSI
// transport implements them; device servers reach them through the methods of
// [Task], the task manager calls them directly.
//
// Nothing here waits for the network. A device server is a chain of steps: it asks
// for data, returns, and is called again when the data is there. So no goroutine is
// ever held by a slow peer.
type Services interface {
	// SendDataIn moves data to the initiator's buffer at off ("Send Data-In"). It
	// takes the lease. If the move fails the nexus is lost.
	//
	// It reports whether the device server may send more at once. If not, because data of
	// this task is still waiting to be sent, the transport calls t.DataInSent when it
	// may: also when the task is aborted.
	SendDataIn(t *Task, off int64, data *buffer.Lease) bool

	// ReceiveDataOut fills into from the initiator's buffer at off ("Receive
	// Data-Out") and then calls t.DataOutReceived, perhaps before it returns. It
	// borrows into until that call; afterwards no transfer touches it.
	ReceiveDataOut(t *Task, off int64, into *buffer.Lease)

	// SendResponse ends the task ("Send Command Complete"). It takes r.DataIn, and r
	// itself only until it returns. The transport owns t again.
	SendResponse(t *Task, r *Response)

	// Keep is called, inside Nexus.Execute, for a task that cannot start yet: the
	// transport keeps a copy of what t.First lends. An error ends the task with
	// TASK SET FULL.
	Keep(t *Task) error

	// TerminateTransfers stops moving data for t ("Terminate Data Transfer"). When it
	// returns a pending ReceiveDataOut has ended with ErrAborted, or ends so by itself as soon
	// as what cannot be stopped has ended, as an RDMA Read that is on its way: before that
	// the memory is in use. The task ends behind it, and task management waits for the task.
	TerminateTransfers(t *Task)

	// Dropped ends a task that gets no response: it was aborted. The transport owns
	// t again.
	Dropped(t *Task)
}

// A Response ends a task. A transport may merge the status with the last data.
type Response struct {
	Status scsi.Status
	// Sense goes with CHECK CONDITION, always (autosense).
	Sense scsi.Sense
	// Descriptor chooses descriptor format for Sense (SPC-5 4.4.2).
	Descriptor bool
	// Moves is how many bytes the command moves by its CDB, whatever the initiator
	// has room for; the residual follows from it. 0 for a command that failed early.
	Moves int64
	// DataIn is the last (often the only) data in; it goes to offset At of the
	// initiator's buffer. What the initiator has no room for is cut off here.
	DataIn *buffer.Lease
	At     int64
	// Residual is set by this package: >0 underflow, <0 overflow (SAM-5 5.4.4).
	Residual int64
	// Run, if it is not nil, is that of the commands which end one after the other with this
	// one. Inside SendResponse, and not after it, the transport may put off to its end what
	// sends the response.
	Run Run
}

// A Run is a number of commands that end one after the other on one goroutine.
type Run interface {
	// Add calls f.Flush at the end of the run, once for all calls with the same f, or before:
	// when much waits, of which n bytes are f's. No lock may be held.
	Add(f interface{ Flush() }, n int64)
}

// A LogicalUnit is a device server. Methods may be called by many goroutines at once.
type LogicalUnit interface {
	Identity() scsi.Identity

	// Attach announces an I_T_L nexus; the unit may set x.State. Detach ends it (I_T
	// nexus loss), after its last task has ended.
	Attach(x *ITL)
	Detach(x *ITL)

	// Execute starts t. The unit ends it with exactly one t.Respond, now or later, on
	// any goroutine. Execute runs on the goroutine that owns the connection: it must
	// not wait for storage, peers or other tasks.
	Execute(t *Task)

	// Event reports what happened to the unit or to one of its I_T_L nexuses, so that
	// unit attentions can be established; x is the nexus concerned, or the one that
	// caused it (see the events).
	Event(e Event, x *ITL)

	// Close returns when the unit has given everything back. No task is left.
	Close() error
}

// An Event is something that a logical unit may have to tell its initiators.
type Event uint8

const (
	// LogicalUnitReset: by x's initiator (nil: by management). All tasks have ended.
	LogicalUnitReset Event = iota
	// TargetReset: like LogicalUnitReset, of all units of the target.
	TargetReset
	// NexusReset: I_T NEXUS RESET by x itself.
	NexusReset
	// CommandsCleared: tasks of x were ended by another initiator (SAM-5 5.6).
	CommandsCleared
	// InventoryChanged: the LUN map that x sees has changed.
	InventoryChanged
)
