package nport

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// Config says what a port is.
type Config struct {
	Node, Port fc.Name
	// Symbolic is the port's symbolic name, for people; up to 255 bytes.
	Symbolic string
	// Protocol is the FC-4 type of Upper, and Features what the port is by it. A target waits for logins where there is a fabric;
	// an initiator asks the fabric for targets, and sends PRLI to all ports that it is logged in with.
	Protocol fc.Type
	Features fc.Features
	// Params are the service parameters of an initiator's PRLI.
	Params uint32
	Upper  Upper
	// Admits says whether the port of a name may log in (PLOGI); nil: all may. Who may not is not logged in with either. It is asked whenever
	// somebody wants to, by who has the turn, and takes no locks; [Port.Reconsider] says that it may have changed its mind.
	Admits func(port fc.Name) bool
	Log    *slog.Logger
	// MaxRemotes and MaxExchanges bound the tables of other ports and of exchanges that others have
	// originated; 0: 1024 and 8192.
	MaxRemotes, MaxExchanges int
}

// Time-outs before a network has said its own (FC-FS-5; those of Linux's FCoE).
const (
	defaultErrorDetect        = 2 * time.Second
	defaultResourceAllocation = 4 * time.Second
)

// Errors of ports; what they return wraps one of them, or one of package fc.
var (
	// ErrTimeout reports that another port has not answered.
	ErrTimeout = errors.New("no answer")
	// ErrLoggedOut is why what belongs to a login ends that has ended.
	ErrLoggedOut = errors.New("logged out")
)

// Why logins end.
var (
	errAgain      = fmt.Errorf("%w: a new login (PLOGI)", ErrLoggedOut)
	errAgainPRLI  = fmt.Errorf("%w: a new process login (PRLI)", ErrLoggedOut)
	errLOGO       = fmt.Errorf("%w: LOGO", ErrLoggedOut)
	errPRLO       = fmt.Errorf("%w: PRLO", ErrLoggedOut)
	errMoved      = fmt.Errorf("%w: the port has another address now", ErrLoggedOut)
	errRelink     = fmt.Errorf("%w: the port has logged in anew at the link", ErrLoggedOut)
	errUnlisted   = fmt.Errorf("%w: the fabric does not know the port any more", ErrLoggedOut)
	errClosing    = fmt.Errorf("%w: %w", ErrLoggedOut, fc.ErrClosed)
	errSuperseded = fmt.Errorf("%w: the other port's login goes first", ErrLoggedOut)
)

// check fills in what is not said, and refuses what cannot be.
func (c *Config) check() error {
	if c.Upper == nil {
		return errors.New("nport: no upper layer")
	}
	if c.Port == 0 || c.Node == 0 {
		return errors.New("nport: a port has a port name and a node name")
	}
	if len(c.Symbolic) > 255 {
		return fmt.Errorf("nport: a symbolic name of %d bytes: it has up to 255", len(c.Symbolic))
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Protocol == 0 {
		c.Protocol = fc.TypeFCP
	}
	if c.MaxRemotes <= 0 {
		c.MaxRemotes = 1024
	}
	if c.MaxExchanges <= 0 {
		c.MaxExchanges = 8192
	}
	c.MaxExchanges = min(c.MaxExchanges, fc.NoID)
	return nil
}

// admits says whether the port of a name may log in.
func (c *Config) admits(port fc.Name) bool { return c.Admits == nil || c.Admits(port) }

func (c *Config) initiator() bool { return c.Features&fc.FeatureInitiator != 0 }

// isCommand says whether h can be that of the first frame of an exchange of the FC-4: one sequence of one frame.
func isCommand(h *fc.Header) bool {
	return h.RCtl == fc.RCtlCommand && h.FCtl&(fc.FCtlResponder|fc.FCtlRecipient) == 0 && h.FCtl&fc.FCtlFirstSequence != 0 && h.RX == fc.NoID
}
