package disk

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// An ioRequest is a request of a command to a store that is a [store.Submitter]. Until it has
// ended the store borrows the command's memory, so nothing ends the command before: an abort
// asks the store to end the request, and the command ends behind it.
//
// Work.Any has the request from the first use of it to the end of the command, which may use it
// many times, one after the other.
type ioRequest struct {
	store.Request
	t *target.Task

	// Of a READ by pieces.
	at    int64 // where Data goes in the initiator's buffer
	err   error // of a read that has ended
	ready atomic.Uint32
}

// What there must be before the next piece of a READ goes out, in ioRequest.ready. Whoever brings
// the last of it goes on with the command; the other leaves it alone.
const (
	pieceRead uint32 = 1 << iota // the store has read the piece
	pieceRoom                    // the transport takes it
	pieceGoes = pieceRead | pieceRoom
)

// ioRequests recycles requests, without a lock.
type ioRequests struct {
	free sync.Pool // of *ioRequest
	done func(*store.Request, error)
}

// begin gives t a request.
func (p *ioRequests) begin(t *target.Task) *ioRequest {
	r, _ := p.free.Get().(*ioRequest)
	if r == nil {
		r = new(ioRequest)
		r.Owner, r.Done = r, p.done
	}
	r.t, r.Context = t, t.Context()
	t.Work.Any = r
	return r
}

// end takes the request back, before the command ends: its memory belongs to others then.
func (p *ioRequests) end(r *ioRequest) {
	r.t.Work.Any = nil
	r.t, r.Context, r.Data, r.err = nil, nil, nil, nil
	p.free.Put(r)
}

// submitData submits r to read into data, or to write it; r borrows it.
func (d *Disk) submitData(r *ioRequest, op store.Op, off int64, data *buffer.Lease, f store.Flags) {
	r.Op, r.Off, r.Data, r.Len, r.Flags = op, off, data, 0, f
	d.submit(r)
}

// submitRange submits r to do something that has no data.
func (d *Disk) submitRange(r *ioRequest, op store.Op, off, n int64, f store.Flags) {
	r.Op, r.Off, r.Data, r.Len, r.Flags = op, off, nil, n, f
	d.submit(r)
}

func (d *Disk) submit(r *ioRequest) {
	r.Batch = nil
	r.t.OnAbort(d.entries.abort)
	d.medium.submitter.Submit(&r.Request)
}

// cancel asks the store to end the request of t, which is aborted.
func (d *Disk) cancel(t *target.Task) {
	d.medium.submitter.Cancel(&t.Work.Any.(*ioRequest).Request)
}
