package srp

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// maxFlying is how many works of a transfer are with the connection at a time. A list of
// descriptors can be much longer: works are memory as well.
const maxFlying = 64

// maxSpare is how many unused works a channel keeps for the next commands.
const maxSpare = 4 * maxFlying

// maxWorks is how many works all transfers of a channel have with the connection, beside the first of
// each: so short descriptors cost a bounded amount of memory.
const maxWorks = 16 * maxFlying

// A transfer moves data between a lease and a buffer of the initiator. It belongs to its task,
// whose mu guards it.
type transfer struct {
	k   *task
	op  rdma.Op
	buf *remoteBuffer
	cur cursor // in buf, where the next work goes

	data *buffer.Lease // nil: there is no transfer
	off  int64         // how much of it is posted
	len  int64

	stopped bool  // no more is posted
	err     error // the first of a work, or why it was stopped
	flying  int
	list    *work // with the connection, by next
	own     work  // the first: most transfers need no other
}

// A work is one RDMA Write or Read of a transfer.
type work struct {
	rdma.Work
	x          *transfer // nil: it is not used
	prev, next *work
}

// works are those that a channel's transfers share.
type works struct {
	settled atomic.Int64 // transfers of data-out, and descriptor tables, all of which has come

	mu    sync.Mutex // guards what follows
	spare *work      // by next
	n     int        // how many
	used  int        // works that are not spare, and not a transfer's own
}

func (p *works) take() *work {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used++
	w := p.spare
	if w == nil {
		w = new(work)
		w.Owner = w
		return w
	}
	p.spare, w.next = w.next, nil
	p.n--
	return w
}

// full reports that no more works are to be taken.
func (p *works) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used >= maxWorks
}

func (p *works) put(w *work) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	if p.n < maxSpare {
		w.next, p.spare = p.spare, w
		p.n++
	}
}

func (x *transfer) init(k *task, op rdma.Op, m *remoteBuffer) {
	x.k, x.op, x.buf = k, op, m
	x.own.Owner = &x.own
}

// start moves data, from its byte at on, to or from offset off of the buffer, as far as works may
// be posted now. It takes data, or borrows it. x.k.mu is held.
func (x *transfer) start(data *buffer.Lease, at, off int64) {
	x.data, x.off, x.len, x.stopped, x.err = data, at, data.Len(), false, nil
	x.cur = x.buf.seek(off)
	x.pump()
}

// posted reports that nothing of x is posted any more. x.k.mu is held.
func (x *transfer) posted() bool { return x.data == nil || x.stopped || x.off == x.len }

// stop lets nothing more of x be posted, because of err. x.k.mu is held.
func (x *transfer) stop(err error) {
	x.stopped = true
	if x.err == nil {
		x.err = err
	}
}

var errBeyond = &target.DataError{Sense: scsi.AbortedCommand(scsi.ASCDataOutBufferError)}

// pump posts what may be posted, and reports that there was something. x.k.mu is held.
func (x *transfer) pump() bool {
	some := false
	for !x.posted() && x.flying < maxFlying {
		if x.own.x != nil && x.k.c.works.full() {
			break // there will be another look when its own comes back
		}
		d := x.buf.next(&x.cur, x.len-x.off)
		if d.Len == 0 { // more than the device server was told that there is
			x.stop(errBeyond)
			break
		}
		if !x.post(rdma.Remote{Key: rdma.Key(d.Key), Addr: d.Addr}, int64(d.Len)) {
			x.stop(target.ErrAborted) // the connection has ended
			break
		}
		some = true
	}
	return some
}

// post posts the next n bytes. x.k.mu is held.
func (x *transfer) post(to rdma.Remote, n int64) bool {
	c := x.k.c
	w := &x.own
	if w.x != nil {
		w = c.works.take()
	}
	w.Op, w.Data, w.At, w.Len, w.Remote = x.op, x.data, x.off, n, to
	w.Overtakes = x.op == rdma.Write // the response to its command is not posted yet, and to others it does not matter
	w.x = x
	if w.next = x.list; w.next != nil {
		w.next.prev = w
	}
	x.list = w
	x.flying++
	x.k.refs.Add(1)
	if !c.link.conn.Post(&w.Work) {
		x.back(w)
		x.k.refs.Add(-1) // who has called has one as well
		return false
	}
	x.off += n
	return true
}

// back takes a work that the connection has not any more out of its transfer. Its reference to the
// task becomes the caller's. x.k.mu is held.
func (x *transfer) back(w *work) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		x.list = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	x.flying--
	w.Data, w.x, w.prev, w.next = nil, nil, nil, nil
	c := x.k.c
	if w != &x.own {
		c.works.put(w)
	}
}

// cancel stops x, and takes back the Reads that the initiator has not been asked for. The caller has
// a reference to the task. x.k.mu is held.
func (x *transfer) cancel() {
	x.stop(target.ErrAborted)
	for w := x.list; w != nil; {
		next := w.next
		if x.k.c.link.conn.Cancel(&w.Work) {
			x.back(w)
			x.k.refs.Add(-1)
		}
		w = next
	}
}

// take ends x if nothing of it is with the connection any more, and returns its data and how it
// ended. x.k.mu is held.
func (x *transfer) take() (*buffer.Lease, error) {
	if x.data == nil || x.flying > 0 || !x.posted() {
		return nil, nil
	}
	data := x.data
	x.data = nil
	return data, x.err
}

// done takes a work back and goes on with its transfer. No lock is held.
func (w *work) done(err error) {
	x := w.x
	k := x.k
	conn := k.c.link.conn
	k.mu.Lock()
	if err != nil {
		x.stop(target.ErrAborted)
	}
	x.back(w)
	flush := x.pump()
	flush = k.conclude() || flush
	data, err := x.take()
	k.mu.Unlock()
	switch {
	case data == nil:
	case x == &k.get:
		if err == nil {
			k.c.works.settled.Add(1)
		}
		k.DataOutReceived(err)
	default:
		data.Release()
		if x != &k.last {
			k.DataInSent()
		}
	}
	k.drop()
	if flush {
		conn.Flush()
	}
}
