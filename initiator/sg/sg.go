// Package sg is the initiator that this host's kernel is: it sends commands to SCSI devices that are attached here, through the
// kernel's generic interfaces, block SCSI generic (bsg) and SCSI generic (sg).
//
// It interprets nothing. What a device has answered comes back bit for bit, and what kept it from answering comes back as what it is.
package sg

import (
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// Bounds of what the kernel takes, in bytes.
const (
	MaxCDB   = 32  // struct scsi_cmnd has room for no more
	MaxSense = 252 // SPC-5 4.4; the kernel keeps 96 of them
)

// A Device is one logical unit that is attached to this host, open. Methods may be called by many goroutines at a time.
type Device interface {
	// Submit sends c to the device, exactly once, and does not wait for it. It calls c.Done exactly once, when the command
	// has ended: perhaps before it returns, perhaps on a goroutine of the device, which must not be kept waiting. There is no way to
	// take a command back: it ends when the device answers, or some time after c.Timeout, when the kernel has given it up.
	Submit(c *Command)
	// Reset resets the logical unit, and nothing else: neither the target nor the bus when the logical unit does not answer. It
	// waits, perhaps for long. [ErrPrivilege] says that this process may not.
	Reset() error
	// Info says how the device is reached.
	Info() Info
	// Close gives the device back. All that was submitted has ended.
	Close() error
}

// Info says how a device is reached. It does not change while the device is open.
type Info struct {
	IO   string // [Uring], [Threads] or [SG]
	Node string // the device file, such as /dev/bsg/0:0:0:0
	// Instead says why it is not a better way, for people; empty: there is none, or this one was asked for.
	Instead string
	// MaxTransfer is how many bytes one command may move, 0: nobody knows. Depth is how many commands are worth having under way.
	MaxTransfer int64
	Depth       int
	// Direct says that the device reads and writes the memory of a command itself; else the kernel copies it.
	Direct bool
}

// Direction is which way the data of a command goes. No interface of the kernel takes commands with data both ways.
type Direction uint8

// Directions.
const (
	None Direction = iota
	In             // from the device
	Out            // to the device
)

// A Command is one command for a [Device]. It can be used again when it has ended: sending it allocates nothing.
type Command struct {
	// CDB is up to [MaxCDB] bytes, borrowed until Done.
	CDB       []byte
	Direction Direction
	// Data is one contiguous piece of memory outside of the Go heap, borrowed until Done; all of it is the command's. Its Region, if it has one, may be registered with a ring.
	// What of it the device has not moved, as far as that is not known from Result.Residual, is as it was, or zero; without Info.Direct it may be what other commands have moved from
	// and to the device.
	Data buffer.Segment
	// Timeout is when the kernel gives the command up and begins to reset what does not answer.
	Timeout time.Duration
	// Done is called once for each Submit.
	Done func(*Command)
	// Owner is for the caller.
	Owner any

	// Result is how the command has ended; Sense has the first Result.Sense bytes of what the device said with CHECK CONDITION.
	Result Result
	Sense  [MaxSense]byte

	// Link is for the device.
	Link *Command
}

// A Result is how a command has ended. It was executed, with the status Status, if Err is nil and Host is [HostOK]; in no other case is
// anything GOOD.
type Result struct {
	// Err says that the kernel has not sent the command: [ErrGone], [ErrPrivilege], or the system's error.
	Err    error
	Status scsi.Status
	Host   HostStatus
	Driver uint8 // DRIVER_SENSE (8) and others; old, and of no meaning beside the rest
	Sense  int   // bytes of Command.Sense
	// Residual is how much of Command.Data was not moved, as the adapter says: 0 ≤ Residual ≤ len(Data). Some adapters say 0 always.
	Residual int64
}

// Executed reports that the device itself has answered: Status is what it said.
func (r *Result) Executed() bool { return r.Err == nil && r.Host == HostOK }
