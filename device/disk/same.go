package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// same is WRITE SAME(10) and (16) (SBC-4 5.43, 5.44). 0 blocks are refused (WSNZ): the
// command means the rest of the medium then, and it takes one slip to wipe that.
func (d *Disk) same(t *target.Task) {
	c, err := cdb.ParseWriteSame(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
		return
	case !d.extent(t, c.LBA, uint64(c.Blocks), c.Protect) || !d.writable(t):
		return
	case c.Anchor:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 4))
		return
	case c.Unmap && d.medium.trimmer == nil:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 3))
		return
	case c.Blocks == 0 || uint64(c.Blocks) > d.maxSame():
		d.Fail(t, scsi.InvalidFieldInCDB(transferLength(t.CDB), -1))
		return
	case !c.NoData && t.HaveOut != d.medium.blockSize:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0)) // NDOB could have told otherwise
		return
	}
	w := &t.Work
	if c.Unmap {
		w.Flags |= unmaps
	}
	if d.durably(t, false) {
		w.Flags |= durable
	}
	d.enter(zeroRange, t)
	if c.NoData {
		d.startSame(t)
		return
	}
	w.Flags |= oneBlock
	t.ReceiveDataOut(0, d.medium.blockSize, d.entries.received)
}

// startSame writes the block, t.Work.Data or zeros if there is none, to the range, in the cheapest
// way that the store has.
func (d *Disk) startSame(t *target.Task) {
	w, m := &t.Work, d.medium
	zeros := w.Data == nil || isZero(w.Data)
	if zeros && (m.zeroer != nil || w.Flags&unmaps != 0) {
		d.sweep.start(t)
		return
	}
	d.longOnWorker(t, fillRange, w.Len, fillStep)
}

// fillRange writes the block again and again.
func (d *Disk) fillRange(t *target.Task) {
	w, ctx := &t.Work, t.Context()
	err := d.medium.fill(ctx, t, w.Data, w.Off, min(w.Len, w.Done+fillStep), &w.Done)
	if err == nil && w.Done < w.Len {
		d.again(t)
		return
	}
	if err == nil && w.Flags&durable != 0 {
		err = d.medium.flush(ctx, w.LBA)
	}
	d.endSame(t, err)
}

func (d *Disk) endSame(t *target.Task, err error) {
	moves := int64(0)
	if t.Work.Flags&oneBlock != 0 {
		moves = d.medium.blockSize
	}
	d.finish(t, moves, err)
}
