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
	case c.LBA >= d.medium.blocks():
		d.Fail(t, scsi.LBAOutOfRange())
	case d.medium.mapper == nil:
		n := min(d.medium.blocks()-c.LBA, 0xffffffff)
		d.Reply(t, page.AppendLBAStatus(nil, page.LBAExtent{LBA: c.LBA, Blocks: uint32(n)}), c.Allocation)
	default:
		d.onWorker(t, listExtents)
	}
}

func (d *Disk) listExtents(t *target.Task) {
	c, _ := cdb.ParseGetLBAStatus(t.CDB) // parsed before
	room := 1
	if c.Allocation > 8+page.LBAExtentLen {
		room = int(min((c.Allocation-8)/page.LBAExtentLen, maxExtents))
	}
	extents, err := d.medium.extents(t.Context(), c.LBA, room)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	d.Reply(t, page.AppendLBAStatus(nil, extents...), c.Allocation)
}

// extents are up to limit runs of blocks of one state, from lba on.
func (m *medium) extents(ctx context.Context, lba uint64, limit int) ([]page.LBAExtent, error) {
	var all []page.LBAExtent
	end := m.blocks()
	for range maxExtentQueries {
		if lba >= end {
			break
		}
		err := ctx.Err()
		var blocks uint64
		var state page.LBAState
		if err == nil {
			blocks, state, err = m.extent(ctx, lba, end)
		}
		if err != nil {
			return nil, m.failed(err, reading, lba)
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

// extent is the state of the blocks from lba on, and how many have it. A block that is
// mapped in part is mapped.
func (m *medium) extent(ctx context.Context, lba, end uint64) (uint64, page.LBAState, error) {
	e, err := m.mapper.Extent(ctx, m.bytes(lba), m.bytes(end-lba))
	if err != nil {
		return 0, 0, err
	}
	if blocks := m.whole(e.Len); !e.Mapped && blocks > 0 {
		return min(blocks, 0xffffffff), page.Deallocated, nil
	}
	blocks := m.whole(m.up(e.Len))
	return min(blocks, end-lba, 0xffffffff), page.Mapped, nil
}
