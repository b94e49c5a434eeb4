package disk

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// blocking is the path on which a worker waits for storage. Every store can go it.
type blocking struct{ *Disk }

func (p blocking) read(t *target.Task, _ int64) { p.onWorker(t, readPieces) }

// readInto is a READ of the bytes that l has room for, and of no others. It takes l.
func (p blocking) readInto(t *target.Task, l *buffer.Lease) {
	t.Work.Data = l
	p.onWorker(t, readPieces)
}

// readPieces reads a piece and sends it, again and again: little memory at a time, still in the
// processor's cache when it is sent.
func (p blocking) readPieces(t *target.Task) {
	w, m, ctx := &t.Work, p.medium, t.Context()
	if w.Flags&durable != 0 { // what FUA reads is on the medium (SBC-4 5.11)
		if err := m.flush(ctx, w.LBA); err != nil {
			p.fail(t, err)
			return
		}
		w.Flags &^= durable // when t comes here again it has been flushed
	}
	for n, sent := p.roomFor(t), int64(0); ; {
		if sent >= readStep { // others have their turn
			p.onWorker(t, readPieces)
			return
		}
		l := w.Data
		w.Data = nil
		if l == nil {
			var err error
			if l, err = p.dataIn(t, w.Done, n); err != nil {
				p.FailWith(t, err)
				return
			}
		}
		err := m.readAt(ctx, l, w.Off+w.Done, reading)
		if err == nil && t.Aborted() {
			err = target.ErrAborted
		}
		if err != nil {
			l.Release()
			p.FailWith(t, err)
			return
		}
		at, size := w.Done, l.Len()
		if at+size == n {
			t.Respond(target.Response{Moves: w.Len, DataIn: l, At: at})
			return
		}
		w.Done += size
		sent += size
		if !t.SendDataIn(at, l, p.entries.room) {
			return
		}
	}
}

func (p blocking) write(t *target.Task, n int64) { p.askData(t, n) }

func (p blocking) arrived(t *target.Task) { p.onWorker(t, writePiece) }

func (p blocking) writePiece(t *target.Task) {
	w := &t.Work
	if err := p.medium.writeAt(t.Context(), w.Data, w.Off+w.Done, flags(w)); err != nil {
		p.fail(t, err)
		return
	}
	p.wrote(t, nil)
}
