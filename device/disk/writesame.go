package disk

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
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
	case c.Unmap && d.trimmer == nil:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 3))
		return
	case c.Blocks == 0 || uint64(c.Blocks) > d.maxSame():
		d.Fail(t, scsi.InvalidFieldInCDB(transferLength(t.CDB), -1))
		return
	case !c.NoData && t.HaveOut != d.blockSize:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0)) // NDOB could have told otherwise
		return
	}
	w := &t.Work
	if c.Unmap {
		w.Flags |= unmaps
	}
	if d.durably(false) {
		w.Flags |= durable
	}
	if c.NoData {
		d.Workers().Run(t, d.steps.writeSame)
		return
	}
	l, err := d.arena.Get(d.blockSize)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	w.Data = l
	t.ReceiveDataOut(0, l, d.steps.sameData)
}

func (d *Disk) sameData(t *target.Task, err error) {
	if err != nil {
		d.Drop(t, err)
		return
	}
	d.Workers().Run(t, d.steps.writeSame)
}

// writeSame writes the block to all of the range, on a worker.
func (d *Disk) writeSame(t *target.Task) {
	w := &t.Work
	block, moves := w.Data, int64(0)
	if block != nil {
		moves = d.blockSize
	}
	w.Data = nil
	err := d.repeat(t, block)
	if block != nil {
		block.Release()
	}
	if err != nil {
		d.FailWith(t, d.storeError(err, writing, d.lba(w.Off+w.Done)))
		return
	}
	t.Respond(target.Response{Moves: moves})
}

// repeat writes the block, nil for zeros, in the cheapest way that the store has.
func (d *Disk) repeat(t *target.Task, block *buffer.Lease) error {
	w := &t.Work
	if block == nil || isZero(block) {
		err := d.zero(t)
		if !errors.Is(err, store.ErrNotSupported) {
			return err
		}
	}
	l, err := d.arena.Get(min(optimalTransfer, w.Len))
	if err != nil {
		return err
	}
	defer l.Release()
	l.Clear(0, l.Len())
	if block != nil {
		for at := int64(0); at < l.Len(); at += d.blockSize {
			l.Copy(at, block.At(0))
		}
	}
	for w.Done < w.Len {
		if t.Aborted() {
			return target.ErrAborted
		}
		l.Truncate(w.Len - w.Done)
		at := w.Off + w.Done
		if err := d.shared(at, l.Len(), func() error {
			return d.store.WriteAt(context.Background(), l, at, 0)
		}); err != nil {
			return err
		}
		w.Done += l.Len()
	}
	return d.settle(w)
}

// zero makes the range zeros without writing them; [store.ErrNotSupported] if the
// store cannot.
func (d *Disk) zero(t *target.Task) error {
	w := &t.Work
	may := w.Flags&unmaps != 0
	for w.Done < w.Len {
		if t.Aborted() {
			return target.ErrAborted
		}
		at, n := w.Off+w.Done, min(trimPiece, w.Len-w.Done)
		err := d.shared(at, n, func() error {
			switch {
			case d.zeroer != nil && may:
				return d.zeroer.Zero(context.Background(), at, n, store.MayTrim)
			case d.zeroer != nil:
				return d.zeroer.Zero(context.Background(), at, n, 0)
			case may:
				return d.trimmer.Trim(context.Background(), at, n)
			}
			return store.ErrNotSupported
		})
		if err != nil {
			return err
		}
		w.Done += n
	}
	return d.settle(w)
}

// settle makes what a command has done durable if it has to be.
func (d *Disk) settle(w *target.Work) error {
	if w.Flags&durable == 0 {
		return nil
	}
	return d.store.Flush(context.Background())
}

// shared runs a write of the store apart from atomic commands.
func (d *Disk) shared(off, n int64, write func() error) error {
	s := spanOf(off, n)
	d.locks.share(s)
	defer d.locks.unshare(s)
	return write()
}

func isZero(l *buffer.Lease) bool {
	for s := range l.All() {
		for _, b := range s.Mem {
			if b != 0 {
				return false
			}
		}
	}
	return true
}
