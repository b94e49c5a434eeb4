package disk

import (
	"context"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// blocksFrom checks the range of a command whose 0 blocks mean "up to the last one".
func (d *Disk) blocksFrom(t *target.Task) bool {
	c, err := cdb.ParseCache(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return false
	}
	n, ok := cdb.Extent(c.LBA, c.Blocks, d.blocks.Load())
	if !ok {
		d.Fail(t, scsi.LBAOutOfRange())
		return false
	}
	return d.extent(t, c.LBA, n, 0)
}

// synchronize is SYNCHRONIZE CACHE(10) and (16) (SBC-4 5.30, 5.31). With IMMED it
// waits all the same: an error that came after GOOD would be lost, and hosts that set
// IMMED ask again until the command ends.
func (d *Disk) synchronize(t *target.Task) {
	if !d.blocksFrom(t) {
		return
	}
	if !d.volatile {
		d.Good(t) // every write was as durable as it gets when it ended
		return
	}
	d.Workers().Run(t, d.steps.flush)
}

func (d *Disk) flush(t *target.Task) {
	if err := d.store.Flush(context.Background()); err != nil {
		d.FailWith(t, d.storeError(err, writing, t.Work.LBA))
		return
	}
	d.Good(t)
}

// prefetchBlocks is PRE-FETCH(10) and (16) (SBC-4 5.8, 5.9): the blocks are read, up
// to MAXIMUM PREFETCH LENGTH, so that the system's cache has them. It is not known
// whether all of them stay there; so the answer is GOOD, never CONDITION MET.
func (d *Disk) prefetchBlocks(t *target.Task) {
	if !d.blocksFrom(t) {
		return
	}
	if d.lender != nil || t.Work.Len == 0 {
		d.Good(t)
		return
	}
	d.Workers().Run(t, d.steps.prefetch)
}

func (d *Disk) prefetch(t *target.Task) {
	t.Work.Len = min(t.Work.Len, maxPrefetch)
	d.verifyMedium(t)
}
