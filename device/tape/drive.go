// Package tape is the sequential-access device type: SSC-4 and SSC-5 on a cartridge (package medium).
//
// A drive is made empty; the library loads cartridges into it and takes them out. docs/design/tape.md draws it.
package tape

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/device/timestamp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// DefaultBuffer is how much a drive buffers where Config.Buffer is 0.
const DefaultBuffer = 16 << 20

// steps is how many steps of commands may run at a time: one moves the medium, the others are MODE SELECT and the like.
const steps = 8

// A Config says what New makes.
type Config struct {
	// Model is what the drive calls itself and can do, and Formats those of media that it names.
	Model   personality.Drive
	Formats []personality.Format
	// Identity names the unit; its Type and Removable are set by New.
	Identity scsi.Identity
	// Library is the serial number of the library that the drive is in (VPD page B3h); "" for none.
	Library string
	// Arena lends memory for read-ahead.
	Arena *buffer.Arena
	// Buffer is how many bytes of writes are buffered at the most, and how many are read ahead; 0: DefaultBuffer.
	Buffer int64
	// Compression is how blocks are kept while an initiator has compression on.
	Compression medium.Codec
	// Workers is how many frames are packed at a time; 0: as many as there are processors, 4 at the most.
	Workers int
	// Reservations and Modes are where registrations with APTPL and saved mode pages are kept; nil: nowhere.
	Reservations store.Record
	Modes        store.Record
	// Log is told of errors of media; nil: nobody is.
	Log *slog.Logger
	// Clock is what the drive takes for the time; nil: time.Now.
	Clock func() time.Time
}

// A Drive is a logical unit of type 01h. It is a [target.LogicalUnit].
//
// Its parts have an owner each. The turn says whose command may move the medium: a command takes it, and who has it is the
// only one to touch cartridge. What mode pages set are settings; counters and shown are what everybody may look at at any time.
type Drive struct {
	*device.Server
	cfg Config

	turn      turn
	stall     stall
	cartridge cartridge // of who has the turn
	writer    writer
	reader    reader
	settings  settings
	prevents  prevents
	astray    astray
	counters  counters
	shown     shown
	encryptor keys
	ways      ways
	guards    guards
	doing     doing
	left      cartridge // what Unload has returned last, for Release
	// notReady is why commands for the medium cannot run; nil: they can.
	notReady atomic.Pointer[scsi.Sense]

	pages pages // owner: commands_pages.go

	background sync.WaitGroup // goroutines that are no workers

	// life ends with Close: the context of work that goes on behind its command.
	life context.Context
	end  context.CancelFunc
}

// counters count through the life of the drive. Anybody may look at them.
type counters struct {
	fromHost, toHost   atomic.Uint64 // bytes of blocks of WRITE and READ
	toTape, fromTape   atomic.Uint64 // bytes that blocks take on the medium
	loads, cleanings   atomic.Uint64
	writeErrors        atomic.Uint64
	readErrors         atomic.Uint64
	prevented          atomic.Uint64 // removals that were refused
	hostWrites, blocks atomic.Uint64 // WRITE commands; blocks on the medium
}

// keys are what blocks are encrypted with. Both are called by who has the turn, for a command of x.
type keys interface {
	// Cipher returns a new cipher for one frame, nil if blocks are written in the clear. An error is a scsi.Sense.
	Cipher(x *target.ITL) (medium.Cipher, error)
	// Opener decrypts blocks; nil: there are none that are encrypted.
	Opener(x *target.ITL) medium.Opener
	// Refuses says why x may not have the object o, which comes next; the zero sense: it may.
	Refuses(x *target.ITL, o medium.Object) scsi.Sense
	// Overhead is how many bytes longer a block of x becomes at the most.
	Overhead(x *target.ITL) int64
}

// New returns an empty drive.
func New(cfg Config) (*Drive, error) {
	cfg.Identity.Type, cfg.Identity.Removable = scsi.TypeTape, true
	if err := cfg.Identity.Validate(); err != nil {
		return nil, fmt.Errorf("tape: %w", err)
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = DefaultBuffer
	}
	if cfg.Model.MinBlock == 0 {
		cfg.Model.MinBlock = 1
	}
	d := &Drive{cfg: cfg, pages: pages{clock: timestamp.New(cfg.Clock)}}
	d.life, d.end = context.WithCancel(context.Background())
	d.settings.init(&d.cfg)
	d.guards = newGuards(cfg.Model.Protection)
	d.start()
	d.noteAll()
	c := device.Config{
		Identity: cfg.Identity, Workers: steps,
		Made: func(s *device.Server) {
			d.Server = s
			d.pages.clock.Serve(s)
		},
		Commands: append(d.heeding(d.motionCommands()), d.pageCommands()...),
		Omit:     []scsi.Opcode{scsi.OpTestUnitReady, scsi.OpRequestSense},
		Ready:    d.ready,
		Reset:    d.reset,
	}
	if cfg.Reservations != nil {
		c.Reservations = kept.New(cfg.Reservations, cfg.Identity.NAA, func(err error) { d.warn("reservations are not kept", err) })
	}
	d.pageConfig(&c)
	c.Attached, c.Detached, c.Told = d.attached, d.detached, d.told
	if _, err := device.New(c); err != nil {
		d.end()
		return nil, fmt.Errorf("tape: %w", err)
	}
	return d, nil
}

// Close makes durable what was written, and gives the cartridge back. No task is left.
func (d *Drive) Close() error {
	err := d.closeMedium()
	d.stall.close()
	d.end()
	d.background.Wait()
	if e := d.Server.Close(); err == nil {
		err = e
	}
	return err
}

// A Status is what people and the library are told of a drive.
type Status struct {
	Loaded, Threaded, Prevented bool
	Barcode                     string
	Problem                     string // why the medium cannot be used; "" if it can, or if there is none
	Activity                    string // "idle", "reading", "writing", "locating", "rewinding", "erasing", "loading", "unloading", "formatting", "cleaning"
	Partition                   int
	Position                    medium.Position
	Written, Read, Stored       uint64 // bytes since the drive was made: from and to initiators, and on media
	Alerts                      []int  // TapeAlert flags that are set
}

var _ target.LogicalUnit = (*Drive)(nil)

// shown is what everybody may see of the cartridge at any time: who has the turn writes it when something has changed.
type shown struct {
	mu   sync.Mutex
	view view
}

// A view is what a cartridge was when a command last ended that changed something of it.
type view struct {
	loaded    bool
	threaded  bool
	label     medium.Label
	usage     medium.Usage
	problem   scsi.Sense // why it cannot be used: the zero sense if it can
	format    *personality.Format
	density   byte
	readOnly  bool // the format can only be read
	partition int
	position  medium.Position
	rooms     []medium.Room // by partition
	activity  string
}

// look returns what is shown.
func (d *Drive) look() view {
	d.shown.mu.Lock()
	defer d.shown.mu.Unlock()
	return d.shown.view
}
