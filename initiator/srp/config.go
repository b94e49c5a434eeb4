// Package srp is an SRP initiator: what tests and benchmarks attach to targets with. One Conn is one channel.
package srp

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A Config says how a channel logs in, and how it describes its memory.
type Config struct {
	Initiator, Target iu.PortID
	Action            iu.Action
	MaxIU             int        // the longest IU to send; default 8260
	Needs             iu.Formats // default direct and indirect
	Queue             int        // how many messages there is room for, of which two are not for responses; default 64
	Reads             int        // RDMA Reads of the target that are served at a time; default 4

	// Immediate is how much data-out goes along with a command; 0: none is asked for. It begins at
	// Offset, by default behind a command with one descriptor and what leads to it, as Linux has it.
	Immediate, Offset int
	// Segment is how long a memory descriptor is at most; 0: as long as the buffer.
	Segment int
	// Inline is how many descriptors go in the command, if there are more than one; the target has to
	// fetch the table if there are more. 0: as many as fit.
	Inline int
	// Indirect describes a single segment by a table as well.
	Indirect bool

	// Overrun sends whatever the credits are.
	Overrun bool
	// Mute answers no message of the target.
	Mute bool
	// Received, if it is not nil, sees every message that comes, before it is handled; it borrows it.
	Received func(b []byte)
}

func (c *Config) defaults() {
	c.MaxIU = cmp.Or(c.MaxIU, 8260)
	c.Needs = cmp.Or(c.Needs, iu.FormatsDirect|iu.FormatsIndirect)
	c.Queue = cmp.Or(c.Queue, 64)
	c.Reads = cmp.Or(c.Reads, 4)
	c.Offset = cmp.Or(c.Offset, iu.CommandLen+4+iu.DescriptorLen)
}

// login is the request for a channel.
func (c *Config) login() iu.LoginRequest {
	x := iu.LoginRequest{
		Tag: 0x6c756e65747465, MaxIU: uint32(c.MaxIU), Needs: c.Needs, Action: c.Action,
		Initiator: c.Initiator, Target: c.Target,
	}
	if c.Immediate > 0 {
		x.Immediate, x.ImmediateOffset = true, uint16(c.Offset)
	}
	return x
}

// A RejectedError is a target that refused the channel.
type RejectedError struct{ iu.LoginReject }

func (e *RejectedError) Error() string { return "srp: login rejected: " + e.Reason.String() }

// Errors of commands.
var (
	ErrClosed  = errors.New("srp: the channel has ended")
	ErrAborted = errors.New("srp: the command was aborted")
)

// A LogoutError is a target that ended the channel, and said why.
type LogoutError struct{ iu.TLogout }

func (e *LogoutError) Error() string { return fmt.Sprintf("%v: %v", ErrClosed, e.Reason) }

// Is reports ErrClosed.
func (e *LogoutError) Is(err error) bool { return err == ErrClosed }
