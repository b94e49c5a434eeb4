// Package disk is the block device type: SBC-4 on a store.
package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// Limits that VPD page B0h tells, in bytes where it counts blocks.
const (
	maxTransfer         = 32 << 20
	optimalTransfer     = 1 << 20
	maxPrefetch         = 8 << 20
	maxCompareAndWrite  = 255 // blocks
	maxUnmapDescriptors = 256
	maxWriteSame        = 1 << 30
)

// What moves at a time.
const (
	inlineRead = 128 << 10 // at most, on the connection's goroutine
	readPiece  = 256 << 10 // staging that stays in the cache
	lentPiece  = 2 << 20   // into the initiator's own memory: what guests read at once, and more
)

// How much of long work one step does, before others have their turn.
const (
	readStep  = 1 << 20   // of what is read and forgotten, or sent
	likeStep  = 128 << 10 // of what is compared block by block
	fillStep  = 4 << 20   // of what is written again and again
	sweepStep = 16 << 20  // of what is made zero, or has no data any more
	sweepMany = 32        // ranges of that
)

// Defaults of Config.
const (
	DefaultBlockSize = 512
	defaultWorkers   = 16
)

// Config says what New makes.
type Config struct {
	// Store holds the bytes. A rest after the last whole block is not used.
	Store store.Store
	// Arena lends memory for data on its way.
	Arena *buffer.Arena
	// Identity is what the disk calls itself; its Type is set by New.
	Identity scsi.Identity
	// BlockSize is the logical block size in bytes: 512 or 4096; 0 means 512.
	BlockSize int
	// ReadOnly refuses writes, whatever the store could do.
	ReadOnly bool
	// Rotation is the MEDIUM ROTATION RATE (SBC-4 6.6.2): turns per minute, or
	// [page.NonRotating]; 0: what the store says.
	Rotation uint16
	// Reservations is where registrations that ask for it (APTPL) and their reservation are kept;
	// nil: nowhere, and then nobody may ask.
	Reservations store.Record
	// Modes is where saved values of mode pages are kept (SP of MODE SELECT); nil: nowhere, and none
	// can be saved.
	Modes store.Record
	// Log is told of errors of the store, a few in a minute; nil: nobody is.
	Log *slog.Logger
	// OwnSettings says that what an initiator sets by MODE SELECT and START STOP UNIT holds for
	// its own commands alone; without it, it holds for those of all.
	OwnSettings bool
	// Workers is how many steps may wait for storage at a time; 0 leaves it to the store.
	// What a store that is a [store.Submitter] does by itself does not count.
	Workers int
}

// A Disk is a logical unit of type 00h. It is a [target.LogicalUnit].
//
// The parts of it have an owner each. The medium is the store and what is asked of it by calls that
// wait; the path is the way that the data of READ and WRITE takes, chosen once; the handlers of the
// other commands are in the files that are named after them; and a command that waits goes on by the
// entries, at its step.
type Disk struct {
	*device.Server
	medium   *medium
	path     path
	readOnly atomic.Bool   // Config.ReadOnly, or the store's
	volatile bool          // there is a write cache that FUA and flushes matter to
	rotation atomic.Uint32 // Config.Rotation

	// Ways for data, and for what has none.
	blocking blocking
	queued   queued
	sweep    sweep
	requests ioRequests
	entries  entries

	// retired is why the blocks cannot be used any more; nil: they can. See [Part.Retire].
	retired atomic.Pointer[scsi.Sense]

	// life ends with Close: the context of what is no task.
	life context.Context
	end  context.CancelFunc
}

// CheckSize refuses a store that is too small for a disk.
func CheckSize(size int64, blockSize int) error {
	if size < int64(blockSize) {
		return fmt.Errorf("%d bytes are less than one block of %d", size, blockSize)
	}
	return nil
}

// New returns a disk on cfg.Store, which it takes: Close closes it. After an error the
// store is still the caller's.
func New(cfg Config) (*Disk, error) {
	if cfg.BlockSize == 0 {
		cfg.BlockSize = DefaultBlockSize
	}
	if cfg.BlockSize != 512 && cfg.BlockSize != 4096 {
		return nil, fmt.Errorf("disk: block size %d is neither 512 nor 4096", cfg.BlockSize)
	}
	cfg.Identity.Type = scsi.TypeDisk
	if err := cfg.Identity.Validate(); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	info := cfg.Store.Info()
	if err := CheckSize(info.Size, cfg.BlockSize); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	cfg.Workers = workersFor(cfg.Workers, info)
	d := newDisk(cfg)
	m := d.medium
	var keeper reserve.Keeper
	if cfg.Reservations != nil {
		keeper = kept.New(cfg.Reservations, cfg.Identity.NAA, m.log.notKept)
	}
	var modes device.ModeKeeper
	if cfg.Modes != nil {
		modes = kept.Modes{Record: cfg.Modes}
	}
	_, err := device.New(device.Config{
		Identity: cfg.Identity, Workers: cfg.Workers,
		Reservations:  keeper,
		ModeKeeper:    modes,
		Made:          func(s *device.Server) { d.Server = s },
		Commands:      d.commands(),
		Omit:          []scsi.Opcode{scsi.OpTestUnitReady},
		VPD:           d.vpd(),
		Versions:      []uint16{page.DescriptorSBC3},
		VolatileCache: d.volatile,
		Modes:         d.modes(),
		ModeParameter: d.modeParameter,
		Block: func() page.BlockDescriptor {
			return page.BlockDescriptor{Blocks: m.blocks(), BlockSize: uint32(m.blockSize)}
		},
		Logs:     d.logs(),
		Ready:    d.ready,
		SelfTest: d.selfTest,
		Reset:    func() { d.PowerOn().Put(stopped, false) },
		Own:      cfg.OwnSettings,
	})
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	return d, nil
}

// newDisk returns a disk that has no server yet, with those of cfg that say how blocks are read and written.
func newDisk(cfg Config) *Disk {
	info := cfg.Store.Info()
	m := newMedium(cfg.Store, cfg.Arena, cfg.BlockSize)
	m.log = newErrorLog(cfg.Log)
	d := &Disk{medium: m, volatile: info.Cached && !info.Volatile}
	d.readOnly.Store(cfg.ReadOnly || info.ReadOnly)
	d.rotation.Store(uint32(cfg.Rotation))
	d.life, d.end = context.WithCancel(context.Background())
	d.blocking, d.queued, d.sweep = blocking{d}, queued{d}, sweep{d}
	d.path = d.choosePath()
	d.requests.done = d.requestEnded
	d.entries = entries{
		work: d.work, received: d.received, landed: d.landed, room: d.room, abort: d.cancel,
	}
	return d
}

// Size is how many bytes initiators see, with what is left behind the last whole block.
func (d *Disk) Size() int64 { return d.medium.size.Load() }

// Blocks is the number of logical blocks.
func (d *Disk) Blocks() uint64 { return d.medium.blocks() }

// BlockSize is the size of a logical block in bytes.
func (d *Disk) BlockSize() int { return int(d.medium.blockSize) }

// StoreInfo is what the store says of itself.
func (d *Disk) StoreInfo() store.Info { return d.medium.store.Info() }

// The switches of a disk: see [device.Server.Settings].
const (
	stopped      = device.FirstSetting << iota // by START STOP UNIT
	writeThrough                               // WCE is 0 where there is a write cache
)

// ready says why the medium cannot be used by x: START STOP UNIT stopped the unit.
func (d *Disk) ready(x *target.ITL) (scsi.Sense, bool) {
	if d.Settings(x).Has(stopped) {
		return scsi.NotReady(scsi.ASCInitializingCommandRequired), false
	}
	return scsi.Sense{}, true
}

// selfTest reads the first and the last block.
func (d *Disk) selfTest() error {
	m := d.medium
	for _, lba := range []uint64{0, m.blocks() - 1} {
		l, err := m.fetch(d.life, m, m.bytes(lba), m.blockSize, reading)
		if err != nil {
			return err
		}
		l.Release()
	}
	return nil
}

// Close makes everything durable and closes the store. No task is left.
func (d *Disk) Close() error {
	err := d.Release()
	return errors.Join(err, d.medium.store.Close())
}

// Release is Close, but leaves the store open, for another device on it.
func (d *Disk) Release() error {
	err := d.Server.Close()
	if !d.medium.info.ReadOnly { // a disk that is read only now may have been written before
		err = errors.Join(err, d.medium.store.Flush(context.Background()))
	}
	d.end()
	d.medium.log.close()
	return err
}

// workersFor is how many workers a disk has of which a number is wished for: 0 leaves it to the store.
func workersFor(wish int, info store.Info) int {
	if wish <= 0 {
		wish = info.Concurrency
	}
	if wish <= 0 {
		wish = defaultWorkers
	}
	return wish
}
