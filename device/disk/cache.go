package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// blocksFrom checks the range of a command whose 0 blocks mean "up to the last one".
func (d *Disk) blocksFrom(t *target.Task) bool {
	c, err := cdb.ParseCache(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return false
	}
	n, ok := cdb.Extent(c.LBA, c.Blocks, d.medium.blocks())
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
	if d.medium.submitter == nil {
		d.onWorker(t, flushCache)
		return
	}
	d.enter(flushCache, t)
	d.submitRange(d.requests.begin(t), store.OpFlush, 0, 0, 0)
}

func (d *Disk) flushCache(t *target.Task) {
	d.finish(t, 0, d.medium.flush(t.Context(), t.Work.LBA))
}

// prefetch is PRE-FETCH(10) and (16) (SBC-4 5.8, 5.9): the blocks are read, up
// to MAXIMUM PREFETCH LENGTH, so that the system's cache has them. It is not known
// whether all of them stay there; so the answer is GOOD, never CONDITION MET.
func (d *Disk) prefetch(t *target.Task) {
	if !d.blocksFrom(t) {
		return
	}
	w := &t.Work
	if d.medium.lender != nil || w.Len == 0 {
		d.Good(t)
		return
	}
	w.Len = min(w.Len, maxPrefetch)
	d.longOnWorker(t, verifyRead, w.Len, readStep)
}
