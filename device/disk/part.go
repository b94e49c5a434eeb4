package disk

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A PartConfig says what NewPart makes: each as in [Config].
type PartConfig struct {
	Store store.Store
	Arena *buffer.Arena
	// BlockSize is a power of two, from 512 on.
	BlockSize int
	ReadOnly  bool
	Log       *slog.Logger
}

// A Part reads and writes the blocks of a store for a device type that is no disk but has blocks, such as a drive for optical discs: the
// commands come to the server of that, and their data goes the ways of a disk's. Of that server's settings a Part reads the first
// one and the second, which a device type with a Part leaves alone: its own begin at [FirstOwnSetting].
type Part struct{ d *Disk }

// FirstOwnSetting is the first switch that a device type with a Part has for itself.
const FirstOwnSetting = writeThrough << 1

var errBlockSize = errors.New("disk: a block size that is no power of two from 512 on")

// NewPart returns a part for the commands of s. The store stays the caller's, who keeps it open until no command runs any more.
func NewPart(s *device.Server, cfg PartConfig) (*Part, error) {
	if n := cfg.BlockSize; n < 512 || n&(n-1) != 0 {
		return nil, errBlockSize
	}
	if err := CheckSize(cfg.Store.Info().Size, cfg.BlockSize); err != nil {
		return nil, err
	}
	d := newDisk(Config{Store: cfg.Store, Arena: cfg.Arena, BlockSize: cfg.BlockSize, ReadOnly: cfg.ReadOnly, Log: cfg.Log})
	d.Server = s
	return &Part{d}, nil
}

// Read runs t, READ of 6, 10, 12 or 16 bytes.
func (p *Part) Read(t *target.Task) { p.d.read(t) }

// ReadRange runs t, which sends so many blocks from lba on, and has a CDB that says so in another way. There are no more
// than [Part.MostBlocks].
func (p *Part) ReadRange(t *target.Task, lba, blocks uint64) {
	if !p.d.extent(t, lba, blocks, 0) {
		return
	}
	n := p.d.roomFor(t)
	if n == 0 {
		t.Respond(target.Response{Moves: t.Work.Len})
		return
	}
	p.d.path.read(t, n)
}

// Write runs t, WRITE of 6, 10, 12 or 16 bytes.
func (p *Part) Write(t *target.Task) { p.d.write(t) }

// Verify runs t, VERIFY or WRITE AND VERIFY of 10, 12 or 16 bytes.
func (p *Part) Verify(t *target.Task) { p.d.verify(t) }

// Synchronize runs t, SYNCHRONIZE CACHE of 10 or 16 bytes.
func (p *Part) Synchronize(t *target.Task) { p.d.synchronize(t) }

// Probe runs t, which asks whether the unit is ready: a store that could not be reached when it was last asked is asked again.
func (p *Part) Probe(t *target.Task) { p.d.testUnitReady(t) }

// Blocks is the number of logical blocks.
func (p *Part) Blocks() uint64 { return p.d.medium.blocks() }

// MostBlocks is how many of them one command may read.
func (p *Part) MostBlocks() uint64 { return p.d.medium.whole(maxTransfer) }

// ReadOnly reports that writes are refused, whoever sends them.
func (p *Part) ReadOnly() bool { return p.d.readOnly.Load() }

// Volatile reports that there is a write cache that FUA and flushes matter to.
func (p *Part) Volatile() bool { return p.d.volatile }

// Fetch lends so many blocks from lba on to look at, on the account of t. It runs on a worker. An error is what the initiator is told.
func (p *Part) Fetch(t *target.Task, lba, blocks uint64) (*buffer.Lease, error) {
	m := p.d.medium
	if !m.contains(lba, blocks) {
		return nil, scsi.LBAOutOfRange()
	}
	return m.fetch(t.Context(), t, m.bytes(lba), m.bytes(blocks), reading)
}

// Flush makes durable what was written. An error is what an initiator is told.
func (p *Part) Flush(ctx context.Context) error {
	if p.d.medium.info.ReadOnly {
		return nil
	}
	return p.d.medium.flush(ctx, 0)
}

// Errors counts commands that the store has failed.
func (p *Part) Errors() uint64 { return p.d.medium.errors.store.Load() }

// Retire says why no blocks can be used any more. No command runs: one that waits for data of its initiator ends with why when that is
// there, instead of using it.
func (p *Part) Retire(why scsi.Sense) {
	p.d.retired.Store(&why)
	p.d.end()
	p.d.medium.log.close()
}
