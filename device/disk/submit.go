package disk

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A flight is a request of a command's to a store that is a [store.Submitter]. The command's
// memory is the store's until the request has ended, so nothing ends a command before:
// an aborted one as well looks at its abort then.
type flight struct {
	store.Request
	t    *target.Task
	at   int64 // of a read: where Data goes in the initiator's buffer
	err  error // of a read that has ended
	span span  // of a write: locked until it has ended

	// Of a read: what there must be before the next piece goes out, ready. Whoever brings
	// the last of it goes on with the command; the others leave it alone.
	have atomic.Uint32

	next *flight // free list
}

const (
	haveData uint32 = 1 << iota // the piece has been read
	haveRoom                    // the transport takes it
	ready    = haveData | haveRoom
)

// flights are those that are free: as many as were ever under way at a time.
type flights struct {
	mu   sync.Mutex
	free *flight
}

func (fs *flights) get(t *target.Task) *flight {
	fs.mu.Lock()
	f := fs.free
	if f != nil {
		fs.free = f.next
	}
	fs.mu.Unlock()
	if f == nil {
		f = new(flight)
		f.Owner = f
	}
	f.t, f.next = t, nil
	return f
}

// put is called before the command ends: t is not ours then.
func (fs *flights) put(f *flight) {
	f.t, f.Data, f.err = nil, nil, nil
	fs.mu.Lock()
	f.next, fs.free = fs.free, f
	fs.mu.Unlock()
}

// start reads by requests, into l first: all of the command or its first piece. It takes l.
func (d *Disk) start(t *target.Task, l *buffer.Lease) {
	f := d.flights.get(t)
	t.Work.Any = f
	d.submitRead(f, 0, l, haveRoom)
}

// submitRead reads the piece at off of the command.
func (d *Disk) submitRead(f *flight, off int64, l *buffer.Lease, have uint32) {
	f.Op, f.Flags, f.Done = store.OpRead, 0, d.steps.landed
	f.Off, f.Data, f.at, f.Batch = f.t.Work.Off+off, l, off, nil
	f.have.Store(have)
	d.submitter.Submit(&f.Request)
}

// landed ends a request that reads.
func (d *Disk) landed(r *store.Request, err error) {
	f := r.Owner.(*flight)
	f.err = err
	if f.have.Or(haveData)|haveData == ready {
		d.stream(f, r.Batch)
	}
}

// moreRoom goes on with a large read when the initiator has taken some.
func (d *Disk) moreRoom(t *target.Task) {
	f := t.Work.Any.(*flight)
	if f.have.Or(haveRoom)|haveRoom == ready {
		d.stream(f, nil) // whoever calls this is in no run of the store's
	}
}

// stream sends what has been read, while the next piece is being read already, and ends the
// command with the last one. So two pieces are held here, next to the one that the transport
// may still have when it says that there is room.
// The response leaves with those of run. Pieces are sent at once: they are large, and the next
// one waits until they have left.
func (d *Disk) stream(f *flight, run *store.Batch) {
	t := f.t
	n := d.room(t)
	for {
		l, at, err := f.Data, f.at, f.err
		switch {
		case err != nil:
			err = d.storeError(err, reading, d.lba(f.Off))
		case t.Aborted():
			err = target.ErrAborted
		}
		if err == nil && at+l.Len() == n {
			d.flights.put(f)
			t.Respond(target.Response{Moves: t.Work.Len, DataIn: l, At: at, Run: run})
			return
		}
		var following *buffer.Lease
		if err == nil {
			following, err = d.arena.Get(min(readPiece, n-at-l.Len()))
		}
		if err != nil {
			l.Release()
			d.flights.put(f)
			d.FailWith(t, err)
			return
		}
		d.submitRead(f, at+l.Len(), following, 0)
		if !t.SendDataIn(at, l, d.steps.moreRoom) {
			return
		}
		if f.have.Or(haveRoom)|haveRoom != ready {
			return
		}
	}
}

// submitWrite starts writing a piece that is staged. It reports false, with nothing done,
// when an atomic command has its blocks.
func (d *Disk) submitWrite(t *target.Task) bool {
	w := &t.Work
	at := w.Off + w.Done
	s := spanOf(at, w.Data.Len())
	if !d.locks.tryShare(s) {
		return false
	}
	f := d.flights.get(t)
	f.Op, f.Flags, f.Done = store.OpWrite, 0, d.steps.written
	f.Off, f.Data, f.span, f.Batch = at, w.Data, s, nil
	d.submitter.Submit(&f.Request)
	return true
}

// written ends a request that writes.
func (d *Disk) written(r *store.Request, err error) {
	f := r.Owner.(*flight)
	t, at, run := f.t, f.Off, f.Batch
	d.locks.unshare(f.span)
	d.flights.put(f)
	if err != nil {
		d.Drop(t, d.storeError(err, writing, d.lba(at)))
		return
	}
	d.next(t, run)
}
