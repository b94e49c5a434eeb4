// Package optical is a drive for optical discs (MMC-6): discs are images in stores, which people and initiators put in and take out.
package optical

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// BlockSize is the length of a logical block of every disc, in bytes.
const BlockSize = 2048

// defaultWorkers is how many steps may wait for storage at a time where neither Config nor the store of the first disc says it.
const defaultWorkers = 16

// Errors of an operator's actions; what wraps them says more.
var (
	ErrPrevented = errors.New("an initiator prevents that the disc is taken out") // PREVENT ALLOW MEDIUM REMOVAL
	ErrEmpty     = errors.New("there is no disc in the drive")
	ErrClosed    = errors.New("the drive is being closed")
)

// A Disc is what can be in the drive. The drive that it is loaded into owns it until Close, which it calls once, and again while the
// store cannot be closed since memory of it is lent.
type Disc struct {
	Store store.Store
	Label string // for people: a path or a name
	// Writable: it is rewritable (DVD+RW, BD-RE), and the store is not read-only.
	Writable bool
	// Close closes the store; nil: Store.Close does.
	Close func() error
}

// Config says what New makes.
type Config struct {
	// Identity is what the drive calls itself; its Type and Removable are set by New.
	Identity scsi.Identity
	// Arena lends memory for data on its way.
	Arena *buffer.Arena
	// Log is told of errors, and of discs that come and go; nil: nobody is.
	Log *slog.Logger
	// Reservations and Modes are where registrations with APTPL and saved mode pages are kept; nil: nowhere.
	Reservations store.Record
	Modes        store.Record
	// OwnSettings says that what an initiator sets by MODE SELECT holds for its own commands alone.
	OwnSettings bool
	Disc        *Disc // that is in the drive at first; nil: it is empty
	Workers     int   // how many commands may wait for storage at a time; 0: as the store of the first disc says
}

// A Drive is a drive for optical discs. It is a [target.LogicalUnit].
//
// Its parts have an owner each: the tray is who has which disc, and who opens and closes it; mail is the events that nexuses have
// not been told; prevents is who keeps the tray closed. Commands for the disc go to the disc's part, which moves data as a disk does.
type Drive struct {
	*device.Server
	cfg      Config
	tray     tray
	mail     mail
	prevents prevents
	codes    *codes
	warnings ratelog.Paced

	// unit is what the drive is in, once a nexus has been seen: it is paused while discs change.
	unit atomic.Pointer[target.Unit]

	// The steps of commands that run on a worker, and what lets one run there; made once.
	opening, closing, sectors, more func(*target.Task)

	// life ends with Close: the context of what is no task.
	life context.Context
	end  context.CancelFunc
}

var _ target.LogicalUnit = (*Drive)(nil)

// New returns a drive with cfg.Disc in it, which it takes: Close closes it. After an error the disc is still the caller's.
func New(cfg Config) (*Drive, error) {
	cfg.Identity.Type, cfg.Identity.Removable = scsi.TypeOptical, true
	if err := cfg.Identity.Validate(); err != nil {
		return nil, fmt.Errorf("optical: %w", err)
	}
	if cfg.Workers <= 0 && cfg.Disc != nil {
		cfg.Workers = cfg.Disc.Store.Info().Concurrency
	}
	if cfg.Workers <= 0 {
		cfg.Workers = defaultWorkers
	}
	r := &Drive{cfg: cfg, codes: newCodes()}
	r.life, r.end = context.WithCancel(context.Background())
	r.tray.init()
	var keeper reserve.Keeper
	if cfg.Reservations != nil {
		keeper = kept.New(cfg.Reservations, cfg.Identity.NAA, func(err error) { r.warn("reservations are not kept", "error", err) })
	}
	var modes device.ModeKeeper
	if cfg.Modes != nil {
		modes = kept.Modes{Record: cfg.Modes}
	}
	_, err := device.New(device.Config{
		Identity: cfg.Identity, Workers: cfg.Workers,
		Reservations: keeper, ModeKeeper: modes,
		Made:     func(s *device.Server) { r.Server = s },
		Commands: r.commands(),
		Omit:     []scsi.Opcode{scsi.OpTestUnitReady},
		Versions: []uint16{page.DescriptorMMC6},
		Modes:    r.modes(),
		SetBlock: setBlock,
		Ready:    r.ready,
		Reset:    r.reset,
		Attached: r.attached,
		Detached: r.detached,
		Own:      cfg.OwnSettings,
	})
	if err == nil && cfg.Disc != nil {
		err = r.insert(cfg.Disc)
	}
	if err != nil {
		r.end()
		return nil, fmt.Errorf("optical: %w", err)
	}
	return r, nil
}

// insert puts the first disc in the drive, of which nobody knows.
func (r *Drive) insert(d *Disc) error {
	l, err := r.take(d)
	if err != nil {
		return err
	}
	r.tray.put(l, false)
	r.tray.swaps = 0 // nobody has changed anything
	return nil
}

// setBlock takes the block descriptor of MODE SELECT: MODE SENSE shows none (MMC-6 7.1), and hosts set the length of a block all the
// same, with a density code of SCSI-2.
func setBlock(b page.BlockDescriptor, at int) (changed bool, err error) {
	if b.BlockSize != 0 && b.BlockSize != BlockSize {
		return false, scsi.InvalidFieldInParameterList(at+5, -1)
	}
	return false, nil
}

// warn tells the log, a few in a minute.
func (r *Drive) warn(msg string, args ...any) {
	if r.cfg.Log != nil {
		r.warnings.Warn(r.cfg.Log, msg, args...)
	}
}

// tell tells the log.
func (r *Drive) tell(msg string, args ...any) {
	if r.cfg.Log != nil {
		r.cfg.Log.Info(msg, args...)
	}
}

// attached is told of a nexus.
func (r *Drive) attached(x *target.ITL) {
	r.unit.Store(x.Unit())
	r.mail.open(x, r.tray.usable() != nil)
}

// detached is told of the end of a nexus.
func (r *Drive) detached(x *target.ITL) {
	r.prevents.forget(x)
	r.mail.close(x)
}

// Event tells the server, and ends what a nexus has prevented.
func (r *Drive) Event(e target.Event, x *target.ITL) {
	if e == target.NexusReset && x != nil {
		r.prevents.forget(x)
	}
	r.Server.Event(e, x)
}

// reset returns the drive to what it is after power on. The disc stays where it is, and the tray as it is.
func (r *Drive) reset() { r.prevents.clear() }

// ready says why commands for the disc cannot run.
func (r *Drive) ready(*target.ITL) (scsi.Sense, bool) {
	if r.tray.usable() != nil {
		return scsi.Sense{}, true
	}
	return r.tray.why(), false
}

// part is what runs commands for the disc; nil: there is none, and t is answered. A command for which there is none has come by the
// check of readiness when there was one.
func (r *Drive) part(t *target.Task) *disk.Part {
	if l := r.tray.usable(); l != nil {
		return l.part
	}
	r.Fail(t, r.tray.why())
	return nil
}

// Status is what a drive says of itself.
type Status struct {
	Label     string // of the disc; empty: none
	Profile   string // "CD-ROM", "DVD-ROM", "BD-ROM", "DVD+RW", "BD-RE"; empty: no disc
	Size      int64
	Writable  bool
	Open      bool   // the tray
	Prevented int    // how many initiators prevent that it is opened
	Swaps     int64  // how often a disc was put in or taken out
	Errors    uint64 // commands that the store of the disc has failed
}

// Status may be called at any time.
func (r *Drive) Status() Status {
	l, open, swaps := r.tray.look()
	s := Status{Open: open, Prevented: r.prevents.count(), Swaps: swaps}
	if l != nil {
		s.Label, s.Profile, s.Writable = l.disc.Label, l.profile().String(), !l.part.ReadOnly()
		s.Size, s.Errors = int64(l.part.Blocks())*BlockSize, l.part.Errors()
	}
	return s
}

// Close makes durable what was written and closes the disc. No task is left.
func (r *Drive) Close() error {
	err := r.Server.Close()
	r.end()
	err = errors.Join(err, r.tray.close(r))
	if r.cfg.Log != nil {
		r.warnings.Flush(r.cfg.Log, "more warnings")
	}
	return err
}

// SetWorkers sets [Config].Workers.
func (r *Drive) SetWorkers(n int) {
	if n <= 0 {
		n = defaultWorkers
		if l := r.tray.usable(); l != nil {
			n = max(n, l.disc.Store.Info().Concurrency)
		}
	}
	r.Workers().SetLimit(n)
}
