package disk

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A path is a way that the data of READ and WRITE takes between initiators and the store. A disk
// has one, chosen by what the store can do: see [Disk.choosePath]. What a path does not do itself
// it leaves to another one, behind it.
//
// t.Work says which range of the medium it is about, and whether it has to be durable.
type path interface {
	// read moves n bytes, n > 0, to the initiator, and ends t.
	read(t *target.Task, n int64)
	// write asks for the n bytes, n > 0, that the initiator has, writes them, and ends t.
	write(t *target.Task, n int64)
	// arrived writes t.Work.Data, the next piece of a write, and goes on with t. (Data-out
	// comes by this way when write has called askData.)
	arrived(t *target.Task)
}

// choosePath is the path for what the store can do.
func (d *Disk) choosePath() path {
	m := d.medium
	switch {
	case m.lender != nil:
		return lending{d}
	case m.tryer != nil:
		return cached{d}
	case m.submitter != nil:
		return d.queued
	}
	return d.blocking
}

// dataIn is memory for the next piece of a READ, of which n bytes go out and done are read: the initiator's
// own, if the store can fill that and the port lends it, else a little that is sent.
func (d *Disk) dataIn(t *target.Task, done, n int64) (*buffer.Lease, error) {
	if d.medium.foreign {
		if l := t.LendDataIn(done, min(lentPiece, n-done)); l != nil {
			return l, nil
		}
	}
	return t.Memory(min(readPiece, n-done))
}

// askData asks for the next piece of data-out of a WRITE, which brings n bytes.
func (d *Disk) askData(t *target.Task, n int64) {
	d.enter(writePiece, t)
	d.askMore(t, n)
}

// askMore asks for the next piece of data-out of a command that writes n bytes: in the initiator's own
// memory, if nobody but the store looks at it.
func (d *Disk) askMore(t *target.Task, n int64) {
	done := t.Work.Done
	if d.medium.foreign && step(t.Work.Step) == writePiece {
		t.BorrowDataOut(done, min(target.MaxPiece, n-done), d.entries.received)
		return
	}
	t.ReceiveDataOut(done, min(target.MaxPiece, n-done), d.entries.received)
}

// wrote goes on with a command whose piece of data-out, t.Work.Data, is written: it asks for more,
// or ends t, with those of batch.
func (d *Disk) wrote(t *target.Task, batch *store.Batch) {
	w := &t.Work
	l := w.Data
	w.Data = nil
	w.Done += l.Len()
	l.Release()
	if n := min(w.Len, t.HaveOut); w.Done < n {
		d.askMore(t, n)
		return
	}
	t.Respond(target.Response{Moves: w.Len, Batch: batch})
}

// flags of a write for t.
func flags(w *target.Work) store.Flags {
	if w.Flags&durable != 0 {
		return store.FUA
	}
	return 0
}
