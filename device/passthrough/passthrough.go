// Package passthrough is the bridge: a logical unit whose commands go to a real device, and whose answers come from it, bit for bit.
//
// What many initiators on one nexus must not share is lunette's own: reservations, unit attentions, the list of logical
// units, names of ports, PREVENT, and who is told when a mode page has changed. docs/design/passthrough.md has it all.
package passthrough

import (
	"context"
	"log/slog"
	"time"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A Source opens the device, at first and whenever it has come back.
type Source interface {
	// Open opens the device that the unit is about: the same one each time, whatever it is called by now. An error that wraps [sg.ErrGone]
	// says that it is not there now.
	Open(ctx context.Context) (sg.Device, error)
	// Watch calls changed, on any goroutine, whenever it is worth trying Open again, until stop is called, which waits for that goroutine.
	Watch(changed func()) (stop func())
}

// Config says what New makes.
type Config struct {
	Source Source
	Log    *slog.Logger
	// Reservations keeps the reservations; nil keeps them in this process alone.
	Reservations reserve.Keeper
	// Exclusive gives one initiator the raw device: everything passes, reservations too, and no second initiator gets in.
	Exclusive bool
	// Allow are the kinds of commands that pass beyond those that always do.
	Allow Allowed
	// Timeouts are those of a command by its operation code, before what the device says of it and what the table has.
	Timeouts map[scsi.Opcode]time.Duration
	// Depth is how many commands the device gets at a time; 0: as many as it takes.
	Depth int
}

// Allowed says which commands pass that are refused unless the configuration lists them: each can harm the device, or other initiators.
type Allowed struct {
	Firmware   bool // WRITE BUFFER with the modes that download microcode, and SEND DIAGNOSTIC but for self-tests that do no harm
	Format     bool // FORMAT UNIT, SANITIZE, FORMAT MEDIUM is not among them
	Vendor     bool // operation codes C0h to FFh, and others that no standard gives to the device type
	ThirdParty bool // EXTENDED COPY and its kind: the device would talk to others on the host's bus
	Keys       bool // SECURITY PROTOCOL OUT: a key that one initiator sets encrypts what others write, since the device knows one initiator
}

// A Unit passes commands on. It is a [target.LogicalUnit], and a [target.Resetter].
//
// It is not made with device.Server: what INQUIRY, the mode pages and REPORT SUPPORTED OPERATION CODES say is the device's, so that little of it would be left. It
// stands on the parts, device/nexus and device/reserve: a policy decides about commands, in the order of checks that all units have, and a path
// takes those to the device that may pass.
type Unit struct {
	policy *policy
	path   *path
}

var (
	_ target.LogicalUnit = (*Unit)(nil)
	_ target.Resetter    = (*Unit)(nil)
)

// New opens the device and returns its unit. It fails if the device is not there; once it was, it may go and come back. ctx is for New alone.
func New(ctx context.Context, cfg Config) (*Unit, error) {
	p, err := newPath(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p.watch()
	return &Unit{policy: p.policy, path: p}, nil
}

// Identity is what the device calls itself. Its NAA follows from the other names if the device has none of format 6.
func (u *Unit) Identity() scsi.Identity { return u.policy.facts().identity }

// Attach makes an I_T_L nexus known.
func (u *Unit) Attach(x *target.ITL) {
	u.path.queue.attach(x)
	u.policy.attach(x)
}

// Detach ends an I_T_L nexus.
func (u *Unit) Detach(x *target.ITL) {
	u.policy.detach(x)
	u.path.queue.detach(x)
}

// Order says how the command of c stands to others.
func (u *Unit) Order(c []byte) target.Order { return u.policy.order(c) }

// Execute starts t.
func (u *Unit) Execute(t *target.Task) { u.policy.execute(t) }

// Event establishes unit attentions, and ends what ends with a reset.
func (u *Unit) Event(e target.Event, x *target.ITL) { u.policy.event(e, x) }

// Resetting resets the device, for LOGICAL UNIT RESET and target resets.
func (u *Unit) Resetting(done func()) { u.path.resetting(done) }

// Close gives the device back. No task is left. What the device still does for nobody is waited for, for [Grace].
func (u *Unit) Close() error {
	u.path.close()
	u.policy.close()
	return nil
}

// Status is what a unit says of itself.
type Status struct {
	Present bool   // the device is there
	Why     string // if it is not, why
	Info    sg.Info
	Type    scsi.PeripheralType
	// Commands that the device got, those of lunette's own among them; Ours that were answered without it; Refused that may not pass.
	Commands, Ours, Refused int64
	// Copied counts bytes that were copied on their way between initiators and the device by us, Bytes all that moved.
	Bytes, Copied int64
	// Failed counts commands by what the host, not the device, said: those that the device never answered.
	Failed map[sg.HostStatus]int64
	// Returns is how often the device has come back after it was gone.
	Returns int64
	// UnderWay is how many commands the device has now, Abandoned how many of them nobody waits for any more.
	UnderWay, Abandoned int
}

// Status may be called at any time.
func (u *Unit) Status() Status {
	s := Status{Type: u.policy.facts().identity.Type, Ours: u.policy.answeredByUs.Load(), Refused: u.policy.refusals.Load()}
	u.path.status(&s)
	return s
}
