package disk

import (
	"context"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// Flags in Work.Flags.
const (
	durable  uint32 = 1 << iota // FUA, and there is a cache that it matters to
	stores                      // data-out is written
	compares                    // data-out is compared with the medium
	oring                       // data-out is ORed with the medium
	unmaps                      // WRITE SAME may deallocate
)

// extent checks the range of a command and notes it in t.Work. It answers the command
// itself, and reports false, when the command ends here: it is wrong.
func (d *Disk) extent(t *target.Task, lba, blocks uint64, protect uint8) bool {
	switch {
	case protect != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 7))
	case !cdb.RangeOK(lba, blocks, d.blocks.Load()):
		d.Fail(t, scsi.LBAOutOfRange())
	default:
		t.Work = target.Work{LBA: lba, Blocks: blocks, Off: int64(lba << d.shift), Len: int64(blocks << d.shift)}
		return true
	}
	return false
}

// transfer is extent for commands that move all of the blocks.
func (d *Disk) transfer(t *target.Task, lba, blocks uint64, protect uint8) bool {
	if !d.extent(t, lba, blocks, protect) {
		return false
	}
	if t.Work.Len > maxTransfer {
		d.Fail(t, scsi.InvalidFieldInCDB(transferLength(t.CDB), -1))
		return false
	}
	return true
}

// transferLength is where a CDB says how many blocks it is about.
func transferLength(c []byte) int {
	switch cdb.Length(scsi.Opcode(c[0])) {
	case 6:
		return 4
	case 10:
		return 7
	case 12:
		return 6
	}
	return 10
}

// read is READ(6), (10), (12) and (16) (SBC-4 5.10 to 5.14).
func (d *Disk) read(t *target.Task) {
	c, err := cdb.ParseReadWrite(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	if !d.transfer(t, c.LBA, uint64(c.Blocks), c.Protect) {
		return
	}
	n := d.room(t)
	if n == 0 {
		t.Respond(target.Response{Moves: t.Work.Len})
		return
	}
	if c.FUA && d.volatile {
		t.Work.Flags = durable
		d.Workers().Run(t, d.steps.readPieces)
		return
	}
	if d.lender != nil {
		l, err := d.lender.Lend(t.Work.Off, n, store.ForRead)
		if err != nil {
			d.FailWith(t, d.storeError(err, reading, c.LBA))
			return
		}
		t.Respond(target.Response{Moves: t.Work.Len, DataIn: l})
		return
	}
	// A large read of what may be in the page cache is a copy: for many processors.
	submits := d.submitter != nil && d.tryer == nil
	if !submits && (d.tryer == nil || n > inlineRead) {
		d.Workers().Run(t, d.steps.readPieces)
		return
	}
	l, err := d.arena.Get(min(n, readPiece)) // inlineRead is less
	switch {
	case err != nil:
		d.FailWith(t, err)
	case submits:
		d.start(t, l)
	default:
		d.tryRead(t, l)
	}
}

// tryRead is a small read of a store that may be able to do it at once.
func (d *Disk) tryRead(t *target.Task, l *buffer.Lease) {
	t.Work.Data = l
	done, err := d.tryer.TryReadAt(l, t.Work.Off)
	switch {
	case done:
		d.answerRead(t, err)
	case d.submitter != nil:
		t.Work.Data = nil
		d.start(t, l)
	default:
		d.Workers().Run(t, d.steps.filled)
	}
}

// room is how many bytes a read moves: whole blocks that the initiator has any room for.
func (d *Disk) room(t *target.Task) int64 {
	want := (t.WantIn + d.blockSize - 1) &^ (d.blockSize - 1)
	return min(t.Work.Len, want)
}

// filled is a read that has to wait for storage; its memory is lent.
func (d *Disk) filled(t *target.Task) {
	d.answerRead(t, d.store.ReadAt(context.Background(), t.Work.Data, t.Work.Off))
}

func (d *Disk) answerRead(t *target.Task, err error) {
	l := t.Work.Data
	t.Work.Data = nil
	if err != nil {
		l.Release()
		d.FailWith(t, d.storeError(err, reading, t.Work.LBA))
		return
	}
	t.Respond(target.Response{Moves: t.Work.Len, DataIn: l})
}

// morePieces goes on with readPieces when the initiator has taken some.
func (d *Disk) morePieces(t *target.Task) { d.Workers().Run(t, d.steps.readPieces) }

// readPieces is a large read, on a worker: little memory at a time, still in the
// processor's cache when it is sent.
func (d *Disk) readPieces(t *target.Task) {
	w := &t.Work
	if w.Flags&durable != 0 { // what FUA reads is on the medium (SBC-4 5.11)
		if err := d.store.Flush(context.Background()); err != nil {
			d.FailWith(t, d.storeError(err, writing, w.LBA))
			return
		}
	}
	w.Flags = 0 // if it comes here again it has been flushed
	n := d.room(t)
	for {
		if t.Aborted() {
			d.FailWith(t, target.ErrAborted)
			return
		}
		l, err := d.arena.Get(min(readPiece, n-w.Done))
		if err != nil {
			d.FailWith(t, err)
			return
		}
		if err := d.store.ReadAt(context.Background(), l, w.Off+w.Done); err != nil {
			l.Release()
			d.FailWith(t, d.storeError(err, reading, d.lba(w.Off+w.Done)))
			return
		}
		size := l.Len()
		if w.Done+size == n {
			t.Respond(target.Response{Moves: w.Len, DataIn: l, At: w.Done})
			return
		}
		at := w.Done
		w.Done += size
		if !t.SendDataIn(at, l, d.steps.morePieces) {
			return
		}
	}
}
