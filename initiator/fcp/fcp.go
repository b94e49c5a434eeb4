// Package fcp is an initiator of the Fibre Channel Protocol for SCSI on any network of package fc, for tests and benchmarks:
// many commands at a time, recovery as Linux's libfc has it (REC, SRR, ABTS), and a mistrust of what comes: each byte of data-in
// has to come once and nothing else, or the command ends with an error that says so.
package fcp

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// Config says who logs in, and how.
type Config struct {
	Node, Port fc.Name
	// Params are the service parameters that it asks for; 0: what Linux asks for.
	Params uint32
	Log    *slog.Logger

	// Recovery is how long a command makes no progress until the target is asked about it (REC); 0: E_D_TOV and a second, as
	// Linux does it.
	Recovery time.Duration
	// Timeout is how long a command may take in all until it is aborted (ABTS); 0: as long as the target works on it.
	Timeout time.Duration

	// Withhold sends no data: what a target asks for does not come.
	Withhold bool
	// Received, if it is not nil, sees every frame that comes to the port, before it is handled; it borrows it. false: the frame is
	// thrown away.
	Received func(f *fc.Frame) bool
}

// DefaultParams are the service parameters of Linux's initiator: READ FCP_XFER_RDY DISABLED, INITIATOR FUNCTION, CONFIRMED COMPLETION
// ALLOWED, RETRY.
const DefaultParams = iu.ParamRetry | iu.ParamConfirm | iu.ParamInitiator | iu.ParamReadReadyDisabled

func (c *Config) defaults() {
	c.Params = cmp.Or(c.Params, DefaultParams)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Errors of commands and connections; what is returned wraps one of them.
var (
	// ErrClosed reports that the login has ended.
	ErrClosed = errors.New("fcp: the login has ended")
	// ErrAborted is what a command ends with that was aborted: by Abort, or by task management.
	ErrAborted = errors.New("fcp: the command was aborted")
	// ErrLost is what a command ends with that the network has lost a part of, and that recovery could not save: it was aborted.
	ErrLost = errors.New("fcp: the command was lost")
	// ErrTimeout is what a command ends with that took too long: it was aborted.
	ErrTimeout = errors.New("fcp: the command took too long")
	// ErrProtocol reports that the target has broken a rule: what came of the command is worth nothing.
	ErrProtocol = errors.New("fcp: the target violates the protocol")
	// ErrBusy reports that there are too many exchanges.
	ErrBusy = errors.New("fcp: too many exchanges")
)
