package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// verify is VERIFY and WRITE AND VERIFY of 10, 12 and 16 bytes (SBC-4 5.33 to 5.35,
// 5.40 to 5.42). WRITE AND VERIFY always compares: reading back is the verification.
func (d *Disk) verify(t *target.Task) {
	c, err := cdb.ParseVerify(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
		return
	case c.ByteCheck == 2 || c.IsWrite() && c.ByteCheck > cdb.CheckAll:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 2))
		return
	}
	moves := c.IsWrite() || c.ByteCheck == cdb.CheckAll
	switch {
	case moves && !d.transfer(t, c.LBA, uint64(c.Blocks), c.Protect),
		!moves && !d.extent(t, c.LBA, uint64(c.Blocks), c.Protect),
		c.IsWrite() && !d.writable(t):
		return
	}
	switch {
	case c.Blocks == 0:
		d.Good(t)
	case moves:
		d.verifyData(t, c.IsWrite())
	case c.ByteCheck == cdb.CheckOne:
		if t.HaveOut < d.medium.blockSize {
			d.Fail(t, scsi.InvalidFieldInCDB(transferLength(t.CDB), -1))
			return
		}
		d.enter(verifyLike, t)
		t.ReceiveDataOut(0, d.medium.blockSize, d.entries.received)
	default:
		d.longOnWorker(t, verifyRead, t.Work.Len, readStep)
	}
}

// verifyData compares all blocks with data, and writes that first if it shall.
func (d *Disk) verifyData(t *target.Task, write bool) {
	w := &t.Work
	n, ok := d.supply(t)
	switch {
	case !ok:
		return
	case n == 0:
		t.Respond(target.Response{Moves: w.Len})
		return
	}
	if write {
		w.Flags |= stores
		if d.volatile { // verified is what the medium has
			w.Flags |= durable
		}
	}
	d.enter(verifyPiece, t)
	t.ReceiveDataOut(0, min(target.MaxPiece, n), d.entries.received)
}

// verifyPiece writes a piece of data, if it shall, and compares it with the medium.
func (d *Disk) verifyPiece(t *target.Task) {
	w, ctx := &t.Work, t.Context()
	at := w.Off + w.Done
	var err error
	if w.Flags&stores != 0 {
		err = d.medium.writeAt(ctx, w.Data, at, flags(w))
	}
	if err == nil {
		err = d.medium.compare(ctx, t, w.Data, 0, w.Data.Len(), at, uint64(w.Done))
	}
	if err != nil {
		d.fail(t, err)
		return
	}
	d.wrote(t, nil)
}

// verifyLike is VERIFY with BYTCHK of 11b: each block is like the one that was sent.
func (d *Disk) verifyLike(t *target.Task) {
	w, m, ctx := &t.Work, d.medium, t.Context()
	for end := min(w.Len, w.Done+likeStep); w.Done < end; w.Done += m.blockSize {
		if err := m.compare(ctx, t, w.Data, 0, m.blockSize, w.Off+w.Done, 0); err != nil {
			d.fail(t, err)
			return
		}
	}
	if w.Done < w.Len {
		d.again(t)
		return
	}
	d.finish(t, m.blockSize, nil)
}

// verifyRead is VERIFY without data, which says that every block can be read: so all are read.
func (d *Disk) verifyRead(t *target.Task) {
	w := &t.Work
	n := min(readStep, w.Len-w.Done)
	err := d.medium.readThrough(t.Context(), t, w.Off+w.Done, n)
	if w.Done += n; err == nil && w.Done < w.Len {
		d.again(t)
		return
	}
	d.finish(t, 0, err)
}
