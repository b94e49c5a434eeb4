// Package disk is the block device type: SBC-4 on a store.
package disk

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
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
	trimPiece  = 1 << 30   // between two looks at Aborted
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
	// Workers is how many steps may wait for storage at a time; 0 leaves it to the store.
	// What a store that is a [store.Submitter] does by itself does not count.
	Workers int
}

// A Disk is a logical unit of type 00h. It is a [target.LogicalUnit].
type Disk struct {
	*device.Server

	store     store.Store
	lender    store.Lender    // nil unless the store lends its memory
	tryer     store.Tryer     // nil unless the store can do work without waiting
	submitter store.Submitter // nil unless the store waits by itself
	trimmer   store.Trimmer   // nil: not thin
	zeroer    store.Zeroer
	mapper    store.Mapper
	arena     *buffer.Arena
	info      store.Info

	blockSize int64
	shift     uint // log2 of blockSize
	blocks    atomic.Uint64
	readOnly  bool
	volatile  bool // a write cache that FUA and flushes matter to

	writeCache atomic.Bool // WCE
	stopped    atomic.Bool // by START STOP UNIT
	locks      locks

	errors struct{ read, write, verify atomic.Uint64 } // that were not corrected

	flights flights
	steps   steps
	running sync.WaitGroup // the goroutine that watches the size
}

// steps are method values that are passed on as the next step of a command, made once,
// so that no command allocates any.
type steps struct {
	filled, readPieces, morePieces func(*target.Task)
	moreRoom                       func(*target.Task)
	landed, written                func(*store.Request, error)
	placed, staged                 func(*target.Task, error)
	work                           func(*target.Task)
	verifyMedium                   func(*target.Task)
	atomicData                     func(*target.Task, error)
	atomically                     func(*target.Task)
	sameData                       func(*target.Task, error)
	writeSame                      func(*target.Task)
	unmapList                      func(*target.Task, error)
	unmap                          func(*target.Task)
	flush, prefetch                func(*target.Task)
	lbaStatus, stopUnit            func(*target.Task)
	compareOneData                 func(*target.Task, error)
	compareOne                     func(*target.Task)
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
	if info.Size < int64(cfg.BlockSize) {
		return nil, fmt.Errorf("disk: %d bytes are less than one block of %d", info.Size, cfg.BlockSize)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = info.Concurrency
	}
	if cfg.Workers <= 0 {
		cfg.Workers = defaultWorkers
	}
	d := &Disk{
		store: cfg.Store, arena: cfg.Arena, info: info,
		blockSize: int64(cfg.BlockSize), shift: uint(bits.TrailingZeros(uint(cfg.BlockSize))),
		readOnly: cfg.ReadOnly || info.ReadOnly,
		volatile: info.Cached && !info.Volatile,
	}
	d.lender, _ = store.As[store.Lender](cfg.Store)
	d.tryer, _ = store.As[store.Tryer](cfg.Store)
	d.submitter, _ = store.As[store.Submitter](cfg.Store)
	d.trimmer, _ = store.As[store.Trimmer](cfg.Store)
	d.zeroer, _ = store.As[store.Zeroer](cfg.Store)
	d.mapper, _ = store.As[store.Mapper](cfg.Store)
	d.blocks.Store(uint64(info.Size) >> d.shift)
	d.writeCache.Store(d.volatile)
	d.bindSteps()
	var err error
	d.Server, err = device.New(device.Config{
		Identity: cfg.Identity, Arena: cfg.Arena, Workers: cfg.Workers,
		Commands:      d.commands(),
		VPD:           d.vpd(),
		Versions:      []uint16{page.DescriptorSBC3},
		VolatileCache: d.volatile,
		Modes:         d.modes(),
		ModeParameter: d.modeParameter,
		Block: func() page.BlockDescriptor {
			return page.BlockDescriptor{Blocks: d.blocks.Load(), BlockSize: uint32(d.blockSize)}
		},
		Logs:     d.logs(),
		Ready:    d.ready,
		SelfTest: d.selfTest,
		Reset:    func() { d.stopped.Store(false) },
	})
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	if r, ok := store.As[store.Resizer](cfg.Store); ok {
		d.running.Go(func() { d.watch(r.Resized()) })
	}
	return d, nil
}

func (d *Disk) bindSteps() {
	d.steps = steps{
		filled: d.filled, readPieces: d.readPieces, morePieces: d.morePieces,
		moreRoom: d.moreRoom, landed: d.landed, written: d.written,
		placed: d.placed, staged: d.staged, work: d.work,
		verifyMedium: d.verifyMedium,
		atomicData:   d.atomicData, atomically: d.atomically,
		sameData: d.sameData, writeSame: d.writeSame,
		unmapList: d.unmapList, unmap: d.unmap,
		flush: d.flush, prefetch: d.prefetch,
		lbaStatus: d.lbaStatus, stopUnit: d.stopUnit,
		compareOneData: d.compareOneData, compareOne: d.compareOne,
	}
}

// Blocks is the number of logical blocks, BlockSize their size in bytes.
func (d *Disk) Blocks() uint64 { return d.blocks.Load() }

// BlockSize is the size of a logical block in bytes.
func (d *Disk) BlockSize() int { return int(d.blockSize) }

// watch follows the size of a store that can change it, until the store is closed.
func (d *Disk) watch(sizes <-chan int64) {
	for size := range sizes {
		if blocks := uint64(size) >> d.shift; d.blocks.Swap(blocks) != blocks {
			d.Announce(scsi.ASCCapacityDataChanged, nil)
		}
	}
}

// ready says why the medium cannot be used: START STOP UNIT stopped the unit.
func (d *Disk) ready() (scsi.Sense, bool) {
	if d.stopped.Load() {
		return scsi.NotReady(scsi.ASCInitializingCommandRequired), false
	}
	return scsi.Sense{}, true
}

// selfTest reads the first and the last block.
func (d *Disk) selfTest() error {
	l, err := d.arena.Get(d.blockSize)
	if err != nil {
		return err
	}
	defer l.Release()
	for _, lba := range []uint64{0, d.blocks.Load() - 1} {
		if err := d.store.ReadAt(context.Background(), l, int64(lba<<d.shift)); err != nil {
			return d.storeError(err, reading, lba)
		}
	}
	return nil
}

// Close makes everything durable and closes the store. No task is left.
func (d *Disk) Close() error {
	err := d.Server.Close()
	if !d.readOnly {
		err = errors.Join(err, d.store.Flush(context.Background()))
	}
	err = errors.Join(err, d.store.Close())
	d.running.Wait()
	return err
}
