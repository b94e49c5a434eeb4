// Package sgtest has SCSI devices in memory that behave as real ones do towards the one nexus that this host is to them, with every
// fault that a test asks for, and the suite that each way to a device passes.
//
// A [Device] is what is plugged in; [Device.Open] opens it, and a [Handle] is an [sg.Device]. What is held (the medium, mode pages, reservations)
// is the device's, and the same for all handles.
package sgtest

import (
	"slices"
	"sync"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// Config says what all devices have in common. The zero value is right for most tests.
type Config struct {
	// Identity is what the device calls itself; what is empty has a default. Type and Removable are those of the device type. With NoName
	// it has neither VPD page 80h nor 83h.
	Identity scsi.Identity
	NoName   bool
	// Inline calls Done before Submit, or what lets a held command go, returns; else it is called on a goroutine of the handle.
	Inline bool
	// Info is what handles say of themselves; what is zero has a default.
	Info sg.Info
	// Quiet logs nothing and checks nothing: for benchmarks.
	Quiet bool
}

// A Device is a device in memory. [NewDisk], [NewTape], [NewChanger] and [NewDisc] make one. Its methods may be called by many goroutines at a time.
type Device struct {
	cfg   Config
	model model

	mu       sync.Mutex
	changed  sync.Cond // with mu: a command has come, is held, or has ended
	state    primary   // guarded by mu, as is what model points at
	faults   []*Fault
	gates    []*Gate
	log      []Entry
	wrong    []string
	underWay map[*sg.Command]*journey // those of all handles
	spare    []*journey
	most     int
	attached bool
	life     int // how often it was plugged in: handles of an earlier life are gone for good
	handles  int
	resets   int
	onReset  func() error
	watchers []chan struct{} // each has room for one
}

// A journey is what the device knows of a command under way.
type journey struct {
	entry int    // in the log
	sum   uint64 // of what the command lends, while somebody else has no business with it
	gate  *Gate
	fault *Fault
	late  bool // it was executed, and the answer is held
	done  bool // it has its result, and Done is about to be called
}

func newDevice(cfg Config, m model, id scsi.Identity) *Device {
	set := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	cfg.Identity.Type, cfg.Identity.Removable = id.Type, id.Removable
	set(&cfg.Identity.Vendor, "MEMORY")
	set(&cfg.Identity.Product, id.Product)
	set(&cfg.Identity.Revision, "0001")
	set(&cfg.Identity.Serial, "SN-"+id.Product)
	if cfg.Identity.NAA.IsZero() {
		cfg.Identity.NAA = scsi.NAA6(cfg.Identity.Serial)
	}
	set(&cfg.Info.IO, "memory")
	set(&cfg.Info.Node, "/dev/bsg/0:0:0:0")
	if cfg.Info.MaxTransfer == 0 {
		cfg.Info.MaxTransfer = 4 << 20
	}
	if cfg.Info.Depth == 0 {
		cfg.Info.Depth = 32
	}
	d := &Device{cfg: cfg, model: m, attached: true, life: 1, underWay: make(map[*sg.Command]*journey)}
	d.changed.L = &d.mu
	d.mu.Lock()
	defer d.mu.Unlock()
	d.powerOn()
	return d
}

// powerOn is the device as it is with power again. d.mu is held.
func (d *Device) powerOn() {
	d.state.reset()
	d.state.attentions = []scsi.ASC{scsi.ASCPowerOnOccurred}
	d.model.reset()
}

// Identity is what the device calls itself.
func (d *Device) Identity() scsi.Identity { return d.cfg.Identity }

// Attention makes the device report a unit attention to whoever asks next, after those that are pending.
func (d *Device) Attention(asc scsi.ASC) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.attentions = append(d.state.attentions, asc)
}

// Quieten takes away all unit attentions, such as that of power on which each device begins with.
func (d *Device) Quieten() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.attentions = nil
}

// A State is what the device has been told that outlasts a command.
type State struct {
	Reserved  bool     // RESERVE, without RELEASE
	Keys      []uint64 // registered with PERSISTENT RESERVE OUT
	Holder    uint64   // the key of the persistent reservation, if there is one
	Prevented bool     // PREVENT ALLOW MEDIUM REMOVAL: prevented
	Prevents  int      // how many of those commands there were, either way
	Pending   []scsi.ASC
}

// State says what the device has been told.
func (d *Device) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.state.State
	s.Keys, s.Pending = slices.Clone(s.Keys), slices.Clone(d.state.attentions)
	return s
}

// Unplug takes the device away, in mid-command too: commands under way end with [sg.HostNoConnect], and all handles are gone for good.
func (d *Device) Unplug() {
	d.mu.Lock()
	d.attached = false
	ended := d.endHeld(sg.HostNoConnect)
	d.tell()
	d.mu.Unlock()
	deliver(ended)
}

// tell tells those who watch that the device came or went. d.mu is held.
func (d *Device) tell() {
	for _, w := range d.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Plug brings it back, as after power on.
func (d *Device) Plug() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.attached {
		return
	}
	d.attached = true
	d.life++
	d.powerOn()
	d.tell()
}

// OnReset has f called by each Reset, before anything is reset; f may wait, and its error is that of Reset, which then does nothing. With f nil resets succeed.
func (d *Device) OnReset(f func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onReset = f
}

// Resets is how often the device was reset; resets that failed do not count.
func (d *Device) Resets() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.resets
}

// reset is a logical unit reset: commands that are held end with [sg.HostReset].
func (d *Device) reset() {
	d.mu.Lock()
	d.resets++
	ended := d.endHeld(sg.HostReset)
	d.state.reset()
	d.state.attentions = append(d.state.attentions, scsi.ASCBusDeviceResetFunctionOccurred)
	d.model.reset()
	d.mu.Unlock()
	deliver(ended)
}
