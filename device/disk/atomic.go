package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// The commands of this file are of class Atomic: when they have their data no other command changes
// their blocks until they respond, and none does meanwhile.

// compareAndWrite is COMPARE AND WRITE (SBC-4 5.3). Unlike a write it has no meaning
// with less or more data than its CDB says.
func (d *Disk) compareAndWrite(t *target.Task) {
	c, err := cdb.ParseCompareAndWrite(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	if !d.extent(t, c.LBA, uint64(c.Blocks), c.Protect) || !d.writable(t) {
		return
	}
	w := &t.Work
	switch {
	case t.HaveOut != 2*w.Len:
		d.Fail(t, scsi.InvalidFieldInCDB(13, -1))
	case w.Len == 0:
		d.Good(t)
	default:
		if d.durably(t, c.FUA) {
			w.Flags |= durable
		}
		d.enter(swapBlocks, t)
		t.ReceiveDataOut(0, 2*w.Len, d.entries.received)
	}
}

func (d *Disk) swapBlocks(t *target.Task) {
	w := &t.Work
	d.finish(t, 2*w.Len, d.medium.swap(t.Context(), t, w.Data, w.Off, flags(w)))
}

// orWrite is ORWRITE(16) (SBC-4 5.6).
func (d *Disk) orWrite(t *target.Task) {
	n := d.incoming(t)
	if n == 0 {
		return
	}
	d.enter(orBlocks, t)
	t.ReceiveDataOut(0, n, d.entries.received)
}

func (d *Disk) orBlocks(t *target.Task) {
	w := &t.Work
	d.finish(t, w.Len, d.medium.or(t.Context(), t, w.Data, w.Off, flags(w)))
}

// finish ends a command that moves so many bytes by its CDB, and gives its memory back.
func (d *Disk) finish(t *target.Task, moves int64, err error) {
	if err != nil {
		d.fail(t, err)
		return
	}
	if l := t.Work.Data; l != nil {
		t.Work.Data = nil
		l.Release()
	}
	t.Respond(target.Response{Moves: moves})
}
