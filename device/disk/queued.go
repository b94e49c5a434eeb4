package disk

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// queued is the path to a store whose calls end later, without a goroutine of ours that waits.
type queued struct{ *Disk }

func (p queued) read(t *target.Task, n int64) {
	l, err := p.dataIn(t, 0, n)
	if err != nil {
		p.FailWith(t, err)
		return
	}
	p.readInto(t, l)
}

// readInto reads by requests, into l first: all of the command, or its first piece. It takes l.
func (p queued) readInto(t *target.Task, l *buffer.Lease) {
	p.enter(readAhead, t)
	r := p.requests.begin(t)
	if t.Work.Flags&durable != 0 { // what FUA reads is on the medium (SBC-4 5.11)
		t.Work.Data = l
		p.submitRange(r, store.OpFlush, 0, 0, 0)
		return
	}
	p.readPiece(r, 0, l, pieceRoom)
}

// readPiece reads the piece at off of the command. It takes l.
func (p queued) readPiece(r *ioRequest, off int64, l *buffer.Lease, ready uint32) {
	r.at = off
	r.ready.Store(ready)
	p.submitData(r, store.OpRead, r.t.Work.Off+off, l, 0)
}

// ended goes on with a READ whose request has ended.
func (p queued) ended(r *ioRequest, err error) {
	if r.Op == store.OpFlush {
		t := r.t
		if err != nil {
			p.requests.end(r)
			p.fail(t, p.medium.failed(err, writing, t.Work.LBA))
			return
		}
		l := t.Work.Data
		t.Work.Data = nil
		p.readPiece(r, 0, l, pieceRoom)
		return
	}
	r.err = err
	if r.ready.Or(pieceRead)|pieceRead == pieceGoes {
		p.send(r, r.Batch)
	}
}

// room goes on with a READ when the initiator has taken some of it.
func (p queued) room(t *target.Task) {
	r := t.Work.Any.(*ioRequest)
	if r.Data == nil {
		p.follow(r)
		return
	}
	if r.ready.Or(pieceRoom)|pieceRoom == pieceGoes {
		p.send(r, nil) // whoever calls this is in no batch of the store's
	}
}

// send sends what has been read, while the next piece is being read already, and ends the
// command with the last one. So two pieces are held here, next to those that the transport
// may still have when it says that there is room. Of the initiator's own memory there is one piece
// at a time, and nothing to be sent: the next one is read when it is back.
// The response leaves with those of batch. Pieces are sent at once: they are large, and the next
// one waits until they have left.
func (p queued) send(r *ioRequest, batch *store.Batch) {
	t, m := r.t, p.medium
	for n := p.roomFor(t); ; {
		l, at, err := r.Data, r.at, m.failed(r.err, reading, m.lba(r.Off))
		if err == nil && t.Aborted() {
			err = target.ErrAborted
		}
		if err == nil && at+l.Len() == n {
			p.requests.end(r)
			t.Respond(target.Response{Moves: t.Work.Len, DataIn: l, At: at, Batch: batch})
			return
		}
		if err == nil && l.Foreign() {
			r.at, r.Data = at+l.Len(), nil // before the call: room may be called before it returns
			if t.SendDataIn(at, l, p.entries.room) {
				p.follow(r)
			}
			return
		}
		var following *buffer.Lease
		if err == nil {
			following, err = t.Memory(min(readPiece, n-at-l.Len()))
		}
		if err != nil {
			l.Release()
			p.requests.end(r)
			p.FailWith(t, err)
			return
		}
		p.readPiece(r, at+l.Len(), following, 0)
		if !t.SendDataIn(at, l, p.entries.room) {
			return
		}
		if r.ready.Or(pieceRoom)|pieceRoom != pieceGoes {
			return
		}
	}
}

// follow reads the next piece of a READ whose last one went to the initiator's own memory.
func (p queued) follow(r *ioRequest) {
	t := r.t
	l, err := p.dataIn(t, r.at, p.roomFor(t))
	if err != nil {
		p.requests.end(r)
		p.FailWith(t, err)
		return
	}
	p.readPiece(r, r.at, l, pieceRoom)
}

func (p queued) write(t *target.Task, n int64) { p.askData(t, n) }

func (p queued) arrived(t *target.Task) {
	w := &t.Work
	p.submitData(p.requests.begin(t), store.OpWrite, w.Off+w.Done, w.Data, flags(w))
}

// written goes on with a WRITE whose piece of data-out the store has written.
func (p queued) written(r *ioRequest, err error) {
	t, off, batch := r.t, r.Off, r.Batch
	p.requests.end(r)
	if err != nil {
		p.fail(t, p.medium.failed(err, writing, p.medium.lba(off)))
		return
	}
	p.wrote(t, batch)
}
