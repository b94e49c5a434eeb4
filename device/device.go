// Package device is what all logical units share (SPC): the command table, identity, mode and log pages, unit attentions and reservations.
package device

import (
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A Config is what a device type is made of.
type Config struct {
	Identity scsi.Identity
	// Nameless: what would designate the unit is not known, and INQUIRY says that none is connected
	// (peripheral qualifier 001b). Of the identity only the type and the texts of INQUIRY count.
	Nameless bool
	// Workers is how many steps may wait for storage at a time.
	Workers int

	// Commands are the device type's own; those of SPC are added.
	Commands []Command
	// Omit are those of SPC's commands that the device type does not have, or has a row of
	// its own for.
	Omit []scsi.Opcode
	// Default is the row of every command that has none, for a device type that passes
	// commands on: its CDBs are not checked. Without it such commands are refused.
	Default *Command

	// VPD are the device type's own VPD pages. One with the code of a page of SPC is there in its place.
	VPD []VPD
	// OmitVPD are the pages of SPC that the device type does not have.
	OmitVPD []byte
	// Versions are the version descriptors of the device type's standards.
	Versions []uint16
	// VolatileCache is what VPD page 86h says (V_SUP).
	VolatileCache bool
	// Inquiry and Extended change what standard INQUIRY data and VPD page 86h say, before they are sent; nil:
	// they stay as they are. Both are called for each INQUIRY, and must be fast.
	Inquiry  func(*page.Inquiry)
	Extended func(*page.ExtendedInquiry)
	// Designator names the unit in VPD page 83h in place of the T10 designator of [Designators]; nil: that one.
	Designator func(scsi.Identity) page.Designator

	// Modes are the mode pages of the device type; SPC's are added, but for those that are among them.
	Modes []*ModePage
	// ModeKeeper keeps saved values of mode pages. Without it no page can be saved.
	ModeKeeper ModeKeeper
	// Made is called with the server before saved values are made to count, for a device type whose
	// Reverted functions use it; nil: nobody waits for that.
	Made func(*Server)
	// ModeParameter is the device-specific parameter of the mode parameter header that the
	// initiator of x sees.
	ModeParameter func(x *target.ITL) byte
	// SetModeParameter changes that parameter to what MODE SELECT of the initiator of x has in its header. It runs
	// on a worker, after the block descriptor was changed and before pages are. With it MODE SELECT may do without
	// PF. Without it the parameter means nothing in MODE SELECT.
	SetModeParameter func(x *target.ITL, parameter byte) (changed bool)
	// CheckModeParameter refuses a parameter before anything is changed: it returns the leftmost bit of it that is
	// wrong, or a number less than 0. It is there if SetModeParameter is.
	CheckModeParameter func(parameter byte) (bit int)
	// MediumType is the MEDIUM TYPE of the mode parameter header; nil: 00h. MODE SELECT may send 00h too.
	MediumType func() byte
	// Own says that what an initiator sets of the unit holds for its nexus alone: the mode pages
	// that are PerNexus, and [Server.Settings]. Without it, it holds for all.
	Own bool
	// Block is the mode parameter block descriptor; nil when there is none. Its number of blocks has the DENSITY
	// CODE above it, for device types that have one ([page.BlockDescriptor.WithDensity]).
	Block func() page.BlockDescriptor
	// ShortBlock says that the descriptor has the general form always (SPC-5 7.5.6), also with LLBAA.
	ShortBlock bool
	// BareMode says that MODE SENSE of page 00h, subpage 00h answers with header and block descriptor alone: so do tape drives, and
	// hosts ask them for these.
	BareMode bool
	// SetBlock changes the block descriptor, or refuses; at is where it lies in the parameter
	// list, for field pointers. It runs on a worker. Without it MODE SELECT may send a
	// descriptor, but only as it is.
	SetBlock func(b page.BlockDescriptor, at int) (changed bool, err error)

	// Logs are the log pages; those that list the supported ones are added.
	Logs []LogPage

	// Reservations keeps the reservations of the unit; nil keeps them in this process alone.
	Reservations reserve.Keeper

	// Ready says why commands of x for the medium cannot run now; nil for units that are
	// always ready. TEST UNIT READY asks it too. It must be fast.
	Ready func(x *target.ITL) (scsi.Sense, bool)
	// Timeouts are those of the commands whose rows have none, those of SPC among them; nil: they are not told.
	Timeouts func(op scsi.Opcode, action scsi.ServiceAction) page.Timeouts
	// Attached is told of each I_T_L nexus when it is known, and Detached when it is not any more. Locks of
	// package target may be held: they must be fast, and call neither the server nor a task. May be nil.
	Attached, Detached func(x *target.ITL)
	// Told is told of each command that is answered with a unit attention instead of being run. It must be fast. May be nil.
	Told func(t *target.Task, a scsi.ASC)
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
	logs    []LogPage // by page and subpage

	unit     atomic.Pointer[target.Unit]   // nil before the first nexus
	identity atomic.Pointer[scsi.Identity] // Config.Identity, with what SetRevision has said

	// settings are those of all nexuses; with Config.Own those that each has after power on.
	settings nexus.Settings
	shared   atomic.Bool // TST=000b

	// The steps of commands that run on a worker; made once.
	modeSelecting, modeSaving, testing func(*target.Task)

	nexuses      nexus.Table
	reservations *nexus.Reservations
	reserving    Reserving
}

// New returns a server, with what the keepers of cfg have kept. A wrong Config is a
// programming error.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, workers: target.NewWorkers(cfg.Workers)}
	s.identity.Store(&cfg.Identity)
	var err error
	if s.logs, err = sortedLogs(cfg.Logs); err != nil {
		return nil, err
	}
	s.modeSelecting, s.modeSaving, s.testing = s.selectModes, s.saveModes, s.selfTest
	s.table = newTable(s.withTimeouts(append(s.primary(), cfg.Commands...)), cfg.Default)
	s.modes.own = cfg.Own
	if err = s.modes.init(replaced([]*ModePage{s.controlPage(), exceptionsPage()}, cfg.Modes), cfg.ModeKeeper); err != nil {
		return nil, fmt.Errorf("saved mode pages: %w", err)
	}
	if s.reservations, err = nexus.NewReservations(&s.nexuses, cfg.Reservations); err != nil {
		return nil, fmt.Errorf("reservations: %w", err)
	}
	s.reserving = Reserving{Reservations: s.reservations, FailWith: s.FailWith, Reply: s.Reply}
	if cfg.Made != nil {
		cfg.Made(s)
	}
	s.modes.start()
	return s, nil
}

// Identity is what the unit calls itself.
func (s *Server) Identity() scsi.Identity { return *s.identity.Load() }

// SetRevision makes the unit call itself by another product revision level, and tells all who see it
// (SPC-5 INQUIRY DATA HAS CHANGED). What designates the unit stays as it is. revision is up to 4
// printable characters ([scsi.Identity.Validate]).
func (s *Server) SetRevision(revision string) {
	id := s.Identity()
	if id.Revision == revision {
		return
	}
	id.Revision = revision
	s.identity.Store(&id)
	s.Announce(scsi.ASCInquiryDataChanged, nil)
}

// Totals are the counters of the unit.
func (s *Server) Totals() target.Totals {
	if u := s.unit.Load(); u != nil {
		return u.Totals()
	}
	return target.Totals{}
}

// Workers run the steps that wait for storage.
func (s *Server) Workers() *target.Workers { return s.workers }

// Commands are the rows of the table, in order; the caller does not change them.
func (s *Server) Commands() []*Command { return s.table.all }

// Execute starts t: it finds the command and applies what SAM-5 and SPC-5 put before
// every command, in this order: unit attentions, reservations, the CDB itself, write protection of
// what the initiator sees, readiness.
func (s *Server) Execute(t *target.Task) {
	n := nexus.Of(t.ITL())
	c, bad := s.table.find(t.CDB)
	if n.Pending() && (c == nil || !c.Attention) {
		if asc, ok := n.Take(); ok {
			if s.cfg.Told != nil {
				s.cfg.Told(t, asc)
			}
			s.Fail(t, scsi.UnitAttention(asc))
			return
		}
	}
	if c == nil {
		s.Fail(t, bad)
		return
	}
	if m := n.Denied(); m != 0 && m.Has(c.class(t.CDB)) {
		t.Respond(target.Response{Status: scsi.ReservationConflict})
		return
	}
	if bad, ok := c.check(t.CDB); !ok {
		s.Fail(t, bad)
		return
	}
	if c.protected(t.CDB, t.ITL()) {
		s.Fail(t, scsi.WriteProtected())
		return
	}
	if c.Medium && s.cfg.Ready != nil {
		if why, ok := s.cfg.Ready(t.ITL()); !ok {
			s.Fail(t, why)
			return
		}
	}
	c.Run(t)
}

// Attach makes an I_T_L nexus known.
func (s *Server) Attach(x *target.ITL) {
	if s.unit.CompareAndSwap(nil, x.Unit()) && s.shared.Load() {
		s.shareTaskSet(true) // the control page says so since power on
	}
	s.reservations.Attach(x)
	nexus.Of(x).Own.Settings.Take(&s.settings)
	if s.cfg.Attached != nil {
		s.cfg.Attached(x)
	}
}

// Settings are the switches that hold for the commands of x.
func (s *Server) Settings(x *target.ITL) *nexus.Settings {
	if s.cfg.Own {
		return &nexus.Of(x).Own.Settings
	}
	return &s.settings
}

// PowerOn are the switches that every nexus has after power on, and that a reset brings back.
func (s *Server) PowerOn() *nexus.Settings { return &s.settings }

// Detach ends an I_T_L nexus.
func (s *Server) Detach(x *target.ITL) {
	s.reservations.Detach(x)
	if s.cfg.Detached != nil {
		s.cfg.Detached(x)
	}
}

// Event establishes unit attentions for what happened, and undoes what a reset undoes.
func (s *Server) Event(e target.Event, x *target.ITL) {
	s.reservations.Event(e, x)
	if e == target.LogicalUnitReset || e == target.TargetReset {
		s.modes.reset(&s.nexuses)
		if s.cfg.Reset != nil {
			s.cfg.Reset()
		}
		s.nexuses.Each(func(n *nexus.Nexus) { n.Own.Settings.Take(&s.settings) })
	}
	s.nexuses.Event(e, x)
}

// Reservations implements [target.Reservable].
func (s *Server) Reservations() target.Reservations { return s.reservations.Shown() }

// ClearReservations implements [target.Reservable].
func (s *Server) ClearReservations(done func(error)) { s.reservations.Clear(done) }

// Announce establishes a unit attention for every nexus but x's; x may be nil.
func (s *Server) Announce(a scsi.ASC, x *target.ITL) { s.nexuses.Announce(a, x) }

// Close returns when nothing of the server runs any more. No task is left.
func (s *Server) Close() error {
	s.reservations.Close()
	s.workers.Close()
	return nil
}
