package disk

import (
	"context"
	"encoding/binary"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

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
		w.Flags = compares
		if d.durably(c.FUA) {
			w.Flags |= durable
		}
		d.receiveAll(t, 2*w.Len)
	}
}

// orWrite is ORWRITE(16) (SBC-4 5.6).
func (d *Disk) orWrite(t *target.Task) {
	c, err := cdb.ParseReadWrite(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	if !d.transfer(t, c.LBA, uint64(c.Blocks), c.Protect) || !d.writable(t) {
		return
	}
	t.Work.Flags = oring
	if d.durably(c.FUA) {
		t.Work.Flags |= durable
	}
	if n := d.supply(t); n > 0 {
		d.receiveAll(t, n)
		return
	}
	t.Respond(target.Response{Moves: t.Work.Len})
}

// receiveAll stages all data of a command at once.
func (d *Disk) receiveAll(t *target.Task, n int64) {
	l, err := d.arena.Get(n)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	t.Work.Data = l
	t.ReceiveDataOut(0, l, d.steps.atomicData)
}

func (d *Disk) atomicData(t *target.Task, err error) {
	if err != nil {
		d.Drop(t, err)
		return
	}
	d.wake(t)
}

// atomically runs COMPARE AND WRITE or ORWRITE with its data, on a worker, when no
// other write of its blocks is under way.
func (d *Disk) atomically(t *target.Task) {
	w := &t.Work
	n := w.Len
	if w.Flags&oring != 0 {
		n = w.Data.Len()
	}
	s := spanOf(w.Off, n)
	if !t.Aborted() && !d.locks.guard(s, t) {
		return // it will be woken
	}
	if t.Aborted() {
		d.Drop(t, target.ErrAborted)
		return
	}
	d.locks.lock(s)
	var err error
	moves := w.Len
	if w.Flags&oring != 0 {
		err = d.or(w, n)
	} else {
		moves = 2 * n
		err = d.swap(w, n)
	}
	d.locks.unlock(s)
	if err != nil {
		d.Drop(t, err)
		return
	}
	w.Data.Release()
	w.Data = nil
	t.Respond(target.Response{Moves: moves})
}

// swap writes the second half of the data if the medium is like the first.
func (d *Disk) swap(w *target.Work, n int64) error {
	if err := d.compare(w.Data, 0, n, w.Off, 0); err != nil {
		return err
	}
	with := w.Data.Slice(n, n)
	defer with.Release()
	if err := d.store.WriteAt(context.Background(), with, w.Off, d.flags(w)); err != nil {
		return d.storeError(err, writing, w.LBA)
	}
	return nil
}

// or reads all blocks before it writes any, so that a block that cannot be read
// changes none.
func (d *Disk) or(w *target.Work, n int64) error {
	for done := int64(0); done < n; {
		size := min(readPiece, n-done)
		medium, err := d.fetch(w.Off+done, size)
		if err != nil {
			return d.storeError(err, reading, d.lba(w.Off+done))
		}
		orInto(w.Data, done, medium)
		medium.Release()
		done += size
	}
	if err := d.store.WriteAt(context.Background(), w.Data, w.Off, d.flags(w)); err != nil {
		return d.storeError(err, writing, w.LBA)
	}
	return nil
}

// orInto ORs b into a at off.
func orInto(a *buffer.Lease, off int64, b *buffer.Lease) {
	for done := int64(0); done < b.Len(); {
		x, y := a.At(off+done), b.At(done)
		n := min(len(x), len(y))
		words := n &^ 7 // a word at a time
		for i := 0; i < words; i += 8 {
			binary.NativeEndian.PutUint64(x[i:], binary.NativeEndian.Uint64(x[i:])|binary.NativeEndian.Uint64(y[i:]))
		}
		for i := words; i < n; i++ {
			x[i] |= y[i]
		}
		done += int64(n)
	}
}
