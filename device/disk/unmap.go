package disk

import (
	"context"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// unmapBlocks is UNMAP (SBC-4 5.32).
func (d *Disk) unmapBlocks(t *target.Task) {
	c, err := cdb.ParseUnmap(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case !d.writable(t):
	case d.trimmer == nil:
		d.Fail(t, scsi.InvalidOpcode())
	case c.Anchor:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Length == 0:
		d.Good(t)
	default:
		t.Work = target.Work{}
		d.ReceiveList(t, int64(c.Length), d.steps.unmapList)
	}
}

func (d *Disk) unmapList(t *target.Task, err error) {
	if err != nil {
		d.Drop(t, err)
		return
	}
	d.Workers().Run(t, d.steps.unmap)
}

// unmap checks the whole list before it changes anything.
func (d *Disk) unmap(t *target.Task) {
	size := t.Work.Data.Len()
	list, err := cdb.ParseUnmapList(d.List(t))
	if err == nil {
		err = d.checkUnmap(list)
	}
	if err != nil {
		d.FailWith(t, err)
		return
	}
	for i := range list.Len() {
		if err := d.trim(t, list.At(i)); err != nil {
			d.FailWith(t, d.storeError(err, writing, list.At(i).LBA))
			return
		}
	}
	if d.durably(false) {
		if err := d.store.Flush(context.Background()); err != nil {
			d.FailWith(t, d.storeError(err, writing, 0))
			return
		}
	}
	t.Respond(target.Response{Moves: size})
}

func (d *Disk) checkUnmap(list cdb.UnmapList) error {
	if list.Len() > maxUnmapDescriptors {
		return scsi.InvalidFieldInParameterList(2, -1)
	}
	for _, r := range list.All() {
		if !cdb.RangeOK(r.LBA, uint64(r.Blocks), d.blocks.Load()) {
			return scsi.LBAOutOfRange()
		}
	}
	return nil
}

func (d *Disk) trim(t *target.Task, r cdb.UnmapRange) error {
	off, end := int64(r.LBA<<d.shift), int64((r.LBA+uint64(r.Blocks))<<d.shift)
	for off < end {
		if t.Aborted() {
			return target.ErrAborted
		}
		n := min(trimPiece, end-off)
		err := d.shared(off, n, func() error { return d.trimmer.Trim(context.Background(), off, n) })
		if err != nil {
			return err
		}
		off += n
	}
	return nil
}
