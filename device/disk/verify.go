package disk

import (
	"bytes"
	"context"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
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
	w := &t.Work
	switch {
	case c.Blocks == 0:
		d.Good(t)
	case moves:
		w.Flags = compares
		if c.IsWrite() {
			w.Flags |= stores
			if d.volatile { // verified is what the medium has
				w.Flags |= durable
			}
		}
		if d.supply(t) == 0 {
			t.Respond(target.Response{Moves: w.Len})
			return
		}
		d.receive(t)
	case c.ByteCheck == cdb.CheckOne:
		if t.HaveOut < d.blockSize {
			d.Fail(t, scsi.InvalidFieldInCDB(transferLength(t.CDB), -1))
			return
		}
		l, err := d.arena.Get(d.blockSize)
		if err != nil {
			d.FailWith(t, err)
			return
		}
		w.Data = l
		t.ReceiveDataOut(0, l, d.steps.compareOneData)
	default:
		d.Workers().Run(t, d.steps.verifyMedium)
	}
}

// verifyMedium is VERIFY without data: every block can be read.
func (d *Disk) verifyMedium(t *target.Task) {
	if err := d.readAll(t); err != nil {
		d.FailWith(t, err)
		return
	}
	d.Good(t)
}

// readAll reads the range of t and forgets it. Its memory is given back when it returns: a
// task that has ended holds nothing.
func (d *Disk) readAll(t *target.Task) error {
	w := &t.Work
	l, err := d.arena.Get(min(readPiece, w.Len))
	if err != nil {
		return err
	}
	defer l.Release()
	for w.Done < w.Len {
		if t.Aborted() {
			return target.ErrAborted
		}
		l.Truncate(w.Len - w.Done)
		if err := d.store.ReadAt(context.Background(), l, w.Off+w.Done); err != nil {
			return d.storeError(err, verifying, d.lba(w.Off+w.Done))
		}
		w.Done += l.Len()
	}
	return nil
}

func (d *Disk) compareOneData(t *target.Task, err error) {
	if err != nil {
		d.Drop(t, err)
		return
	}
	d.Workers().Run(t, d.steps.compareOne)
}

// compareOne is VERIFY with BYTCHK of 11b: each block is like the one that was sent.
func (d *Disk) compareOne(t *target.Task) {
	w := &t.Work
	for ; w.Done < w.Len; w.Done += d.blockSize {
		if t.Aborted() {
			d.Drop(t, target.ErrAborted)
			return
		}
		if err := d.compare(w.Data, 0, d.blockSize, w.Off+w.Done, 0); err != nil {
			d.Drop(t, err)
			return
		}
	}
	w.Data.Release()
	w.Data = nil
	t.Respond(target.Response{Moves: d.blockSize})
}

// compare compares n bytes of data at from with the store at off. A difference is a
// MISCOMPARE whose INFORMATION counts from base. It may wait for storage.
func (d *Disk) compare(data *buffer.Lease, from, n, off int64, base uint64) error {
	for done := int64(0); done < n; {
		size := min(readPiece, n-done)
		medium, err := d.fetch(off+done, size)
		if err != nil {
			return d.storeError(err, verifying, d.lba(off+done))
		}
		at := difference(data, from+done, medium)
		medium.Release()
		if at >= 0 {
			return scsi.Miscompare(base + uint64(done+at))
		}
		done += size
	}
	return nil
}

// fetch lends n bytes of the store at off.
func (d *Disk) fetch(off, n int64) (*buffer.Lease, error) {
	if d.lender != nil {
		return d.lender.Lend(off, n, store.ForRead)
	}
	l, err := d.arena.Get(n)
	if err != nil {
		return nil, err
	}
	if err := d.store.ReadAt(context.Background(), l, off); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// difference is where b first differs from a at from, or negative.
func difference(a *buffer.Lease, from int64, b *buffer.Lease) int64 {
	for done := int64(0); done < b.Len(); {
		x, y := a.At(from+done), b.At(done)
		n := min(len(x), len(y))
		if !bytes.Equal(x[:n], y[:n]) {
			for i := range n {
				if x[i] != y[i] {
					return done + int64(i)
				}
			}
		}
		done += int64(n)
	}
	return -1
}
