package disk

import (
	"context"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// Bounds of one GET LBA STATUS: descriptors that it returns, and questions that it
// puts to the store. What is left out the host asks for next.
const (
	maxExtents       = 1024
	maxExtentQueries = 4096
)

// getLBAStatus is GET LBA STATUS(16) (SBC-4 5.4).
func (d *Disk) getLBAStatus(t *target.Task) {
	c, err := cdb.ParseGetLBAStatus(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Report != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(14, -1))
	case c.LBA >= d.blocks.Load():
		d.Fail(t, scsi.LBAOutOfRange())
	case d.mapper == nil:
		n := min(d.blocks.Load()-c.LBA, 0xffffffff)
		d.Reply(t, page.AppendLBAStatus(nil, page.LBAExtent{LBA: c.LBA, Blocks: uint32(n)}), c.Allocation)
	default:
		d.Workers().Run(t, d.steps.lbaStatus)
	}
}

func (d *Disk) lbaStatus(t *target.Task) {
	c, _ := cdb.ParseGetLBAStatus(t.CDB) // parsed before
	room := 1
	if c.Allocation > 8+page.LBAExtentLen {
		room = int(min((c.Allocation-8)/page.LBAExtentLen, maxExtents))
	}
	extents, err := d.extents(t, c.LBA, room)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	d.Reply(t, page.AppendLBAStatus(nil, extents...), c.Allocation)
}

// extents are up to limit runs of blocks of one state, from lba on.
func (d *Disk) extents(t *target.Task, lba uint64, limit int) ([]page.LBAExtent, error) {
	var all []page.LBAExtent
	end := d.blocks.Load()
	for range maxExtentQueries {
		if lba >= end {
			break
		}
		if t.Aborted() {
			return nil, target.ErrAborted
		}
		blocks, state, err := d.run(lba, end)
		if err != nil {
			return nil, d.storeError(err, reading, lba)
		}
		if last := len(all) - 1; last >= 0 && all[last].State == state && uint64(all[last].Blocks)+blocks <= 0xffffffff {
			all[last].Blocks += uint32(blocks)
		} else if len(all) == limit {
			break
		} else {
			all = append(all, page.LBAExtent{LBA: lba, Blocks: uint32(blocks), State: state})
		}
		lba += blocks
	}
	return all, nil
}

// run is the state of the blocks from lba on, and how many have it. A block that is
// mapped in part is mapped.
func (d *Disk) run(lba, end uint64) (uint64, page.LBAState, error) {
	off := int64(lba << d.shift)
	e, err := d.mapper.Extent(context.Background(), off, int64((end-lba)<<d.shift))
	if err != nil {
		return 0, 0, err
	}
	if blocks := uint64(e.Len) >> d.shift; !e.Mapped && blocks > 0 {
		return min(blocks, 0xffffffff), page.Deallocated, nil
	}
	blocks := uint64(e.Len+d.blockSize-1) >> d.shift
	return min(blocks, end-lba, 0xffffffff), page.Mapped, nil
}
