// Package device is what all logical units share (SPC): the command table, identity, mode and log pages, unit attentions and reservations.
package device

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A Config is what a device type is made of.
type Config struct {
	Identity scsi.Identity
	// Arena lends memory for parameter lists.
	Arena *buffer.Arena
	// Workers is how many steps may wait for storage at a time.
	Workers int

	// Commands are the device type's own; those of SPC are added.
	Commands []Command
	// VPD are the device type's own VPD pages.
	VPD []VPD
	// Versions are the version descriptors of the device type's standards.
	Versions []uint16
	// VolatileCache is what VPD page 86h says (V_SUP).
	VolatileCache bool

	// Modes are the mode pages of the device type; SPC's are added.
	Modes []*ModePage
	// ModeParameter is the device-specific parameter of the mode parameter header.
	ModeParameter func() byte
	// Block is the mode parameter block descriptor; nil when there is none.
	Block func() page.BlockDescriptor

	// Logs are the log pages; page 00h is added.
	Logs []LogPage

	// Ready says why commands for the medium cannot run now; nil for units that are
	// always ready. TEST UNIT READY asks it too. It must be fast.
	Ready func() (scsi.Sense, bool)
	// SelfTest runs the default self-test on a worker.
	SelfTest func() error
	// Reset returns the device type's own state to what it is after power on.
	Reset func()
}

// A VPD is one vital product data page.
type VPD struct {
	Code   byte
	Append func(dst []byte, p page.Peripheral) []byte
}

// A Server is the part of a device server that all device types share. Device types
// hold one, and have its methods.
type Server struct {
	cfg     Config
	table   *table
	workers *target.Workers
	modes   modes

	descriptor atomic.Bool // D_SENSE
	protected  atomic.Bool // SWP

	// What a command with a parameter list does next; made once.
	selected, provedOut func(*target.Task, error)
	selecting           func(*target.Task)
	testing             func(*target.Task)

	mu    sync.Mutex
	rules reserve.State
	here  map[reserve.Nexus][]*nexus // more than one if it reaches the unit by several LUNs
	gone  memory
}

// New returns a server. A wrong Config is a programming error.
func New(cfg Config) *Server {
	s := &Server{
		cfg:     cfg,
		workers: target.NewWorkers(cfg.Workers),
		here:    make(map[reserve.Nexus][]*nexus),
	}
	s.selected, s.provedOut = s.modeSelected, s.persistentOutReceived
	s.selecting, s.testing = s.selectModes, s.selfTest
	s.modes.init(append([]*ModePage{s.controlPage(), exceptionsPage()}, cfg.Modes...))
	s.table = newTable(append(s.primary(), cfg.Commands...))
	return s
}

// Identity is what the unit calls itself.
func (s *Server) Identity() scsi.Identity { return s.cfg.Identity }

// Workers run the steps that wait for storage.
func (s *Server) Workers() *target.Workers { return s.workers }

// Arena lends memory for what commands move.
func (s *Server) Arena() *buffer.Arena { return s.cfg.Arena }

// Commands are the rows of the table, in order; the caller does not change them.
func (s *Server) Commands() []*Command { return s.table.all }

// Execute starts t: it finds the command and applies what SAM-5 and SPC-5 put before
// every command, in this order: unit attentions, reservations, the CDB itself.
func (s *Server) Execute(t *target.Task) {
	n := t.ITL().State.(*nexus)
	c, bad := s.table.find(t.CDB)
	if n.attentions.pending.Load() && (c == nil || !c.Attention) {
		if asc, ok := n.attentions.take(); ok {
			s.Fail(t, scsi.UnitAttention(asc))
			return
		}
	}
	if c == nil {
		s.Fail(t, bad)
		return
	}
	if m := reserve.Mask(n.denied.Load()); m != 0 && m.Has(c.class(t.CDB)) {
		t.Respond(target.Response{Status: scsi.ReservationConflict})
		return
	}
	if bad, ok := c.check(t.CDB); !ok {
		s.Fail(t, bad)
		return
	}
	if c.Medium && s.cfg.Ready != nil {
		if why, ok := s.cfg.Ready(); !ok {
			s.Fail(t, why)
			return
		}
	}
	c.Run(t)
}

// Order says how a command stands to others.
func (s *Server) Order(c []byte) target.Order {
	if row, _ := s.table.find(c); row != nil && row.Order != nil && len(c) >= len(row.Usage) {
		return row.Order(c)
	}
	return target.Order{}
}

// Close returns when the workers have ended. No task is left.
func (s *Server) Close() error {
	s.workers.Close()
	return nil
}
