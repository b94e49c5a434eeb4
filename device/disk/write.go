package disk

import (
	"context"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// writable answers for a disk that cannot be written now, and reports false then.
func (d *Disk) writable(t *target.Task) bool {
	switch {
	case d.readOnly:
		d.Fail(t, scsi.WriteProtected())
	case d.WriteProtected():
		d.Fail(t, scsi.DataProtect(scsi.ASCSoftwareWriteProtected))
	default:
		return true
	}
	return false
}

// durably reports whether a write must be on the medium before its status: FUA asks
// for it, or there is no write cache (WCE=0), and the store has one all the same.
func (d *Disk) durably(fua bool) bool { return d.volatile && (fua || !d.writeCache.Load()) }

// write is WRITE(6), (10), (12) and (16) (SBC-4 5.36 to 5.39).
func (d *Disk) write(t *target.Task) {
	c, err := cdb.ParseReadWrite(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	if !d.transfer(t, c.LBA, uint64(c.Blocks), c.Protect) || !d.writable(t) {
		return
	}
	t.Work.Flags = stores
	if d.durably(c.FUA) {
		t.Work.Flags |= durable
	}
	n := d.supply(t)
	switch {
	case n == 0:
		t.Respond(target.Response{Moves: t.Work.Len})
	case t.Work.Flags&durable != 0:
		d.receive(t)
	case d.lender != nil && d.locks.place(spanOf(t.Work.Off, n), d.wake):
		d.place(t, n)
	case d.tryer != nil && t.First.Len() == n && d.writeFirst(t, n):
	default:
		d.receive(t)
	}
}

// supply is how many bytes a command takes from the initiator: whole blocks that it has.
func (d *Disk) supply(t *target.Task) int64 { return min(t.Work.Len, t.HaveOut&^(d.blockSize-1)) }

// place lets the data land in the store's own memory.
func (d *Disk) place(t *target.Task, n int64) {
	l, err := d.lender.Lend(t.Work.Off, n, store.ForWrite)
	if err != nil {
		d.locks.left(spanOf(t.Work.Off, n), d.wake)
		d.FailWith(t, d.storeError(err, writing, t.Work.LBA))
		return
	}
	t.Work.Data = l
	t.ReceiveDataOut(0, l, d.steps.placed)
}

func (d *Disk) placed(t *target.Task, err error) {
	l := t.Work.Data
	t.Work.Data = nil
	n := l.Len()
	l.Release()
	d.locks.left(spanOf(t.Work.Off, n), d.wake)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	t.Respond(target.Response{Moves: t.Work.Len})
}

// writeFirst writes what came along with the command, from where it lies. It reports
// false, with nothing done, when that would wait.
func (d *Disk) writeFirst(t *target.Task, n int64) bool {
	s := spanOf(t.Work.Off, n)
	if !d.locks.tryShare(s) {
		return false
	}
	done, err := d.tryer.TryWriteAt(&t.First, t.Work.Off)
	d.locks.unshare(s)
	switch {
	case err != nil:
		d.FailWith(t, d.storeError(err, writing, t.Work.LBA))
	case !done:
		return false
	default:
		t.Respond(target.Response{Moves: t.Work.Len})
	}
	return true
}

// receive stages the next piece of data.
func (d *Disk) receive(t *target.Task) {
	l, err := d.arena.Get(min(target.MaxPiece, d.supply(t)-t.Work.Done))
	if err != nil {
		d.FailWith(t, err)
		return
	}
	t.Work.Data = l
	t.ReceiveDataOut(t.Work.Done, l, d.steps.staged)
}

// staged has a piece of data, for the store or to compare with it.
func (d *Disk) staged(t *target.Task, err error) {
	w := &t.Work
	if err != nil {
		d.Drop(t, err)
		return
	}
	if w.Flags == stores && d.tryer != nil {
		s := spanOf(w.Off+w.Done, w.Data.Len())
		if d.locks.tryShare(s) {
			done, err := d.tryer.TryWriteAt(w.Data, w.Off+w.Done)
			d.locks.unshare(s)
			if err != nil {
				d.Drop(t, d.storeError(err, writing, d.lba(w.Off+w.Done)))
				return
			}
			if done {
				d.next(t, nil)
				return
			}
		}
	}
	// What a Tryer refuses waits for the page cache, which no store does by itself.
	if w.Flags == stores && d.tryer == nil && d.submitter != nil && d.submitWrite(t) {
		return
	}
	d.Workers().Run(t, d.steps.work)
}

// work writes or compares a piece of data, on a worker.
func (d *Disk) work(t *target.Task) {
	w := &t.Work
	at := w.Off + w.Done
	if t.Aborted() {
		d.Drop(t, target.ErrAborted)
		return
	}
	if w.Flags&stores != 0 {
		if err := d.writeAt(w, at); err != nil {
			d.Drop(t, d.storeError(err, writing, d.lba(at)))
			return
		}
	}
	if w.Flags&compares != 0 {
		if err := d.compare(w.Data, 0, w.Data.Len(), at, uint64(w.Done)); err != nil {
			d.Drop(t, err)
			return
		}
	}
	d.next(t, nil)
}

func (d *Disk) writeAt(w *target.Work, at int64) error {
	s := spanOf(at, w.Data.Len())
	d.locks.share(s)
	defer d.locks.unshare(s)
	return d.store.WriteAt(context.Background(), w.Data, at, d.flags(w))
}

func (d *Disk) flags(w *target.Work) store.Flags {
	if w.Flags&durable != 0 {
		return store.FUA
	}
	return 0
}

// next ends the command after its last piece of data, with those of run, or stages another.
func (d *Disk) next(t *target.Task, run *store.Run) {
	w := &t.Work
	w.Done += w.Data.Len()
	w.Data.Release()
	w.Data = nil
	if w.Done == d.supply(t) {
		t.Respond(target.Response{Moves: w.Len, Run: run})
		return
	}
	d.receive(t)
}

// wake lets an atomic command try again.
func (d *Disk) wake(t *target.Task) { d.Workers().Run(t, d.steps.atomically) }
