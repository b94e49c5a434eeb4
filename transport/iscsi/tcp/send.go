package tcp

import (
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// Sending. PDUs and data transfers wait in one queue; its order is the order of the wire.
// Whoever flushes while nobody sends becomes the sender and goes on until the queue is
// empty (tcp.Sender). While the owner handles a batch of received PDUs the queue is held, so
// that all answers leave with one system call at its end; a long queue is sent at once,
// which also keeps little memory in flight.
type sender struct {
	tcp.Sender // its lock guards what follows, up to out
	m          *Mover

	q      []item
	head   int
	closed bool // nothing is taken any more
	paused bool // the connection receives nothing until the queue is shorter
	free   *iscsi.PDU
	count  iscsi.MoverStats

	// crowd says that so much is queued that the owner shall receive no more. It is asked for
	// each PDU, without the lock, under which it follows the queue.
	crowd atomic.Bool

	// The sender's, but build runs under the lock.
	params iscsi.MoverParams
	out    *outgoing // nil while nothing is sent
	n      int       // of iov
	used   int       // of the slab
	staged int       // of the stage
	done   []item    // sent with the batch
	size   int       // bytes of the batch
}

// An item is one of: a PDU, a transfer, new parameters.
type item struct {
	p      *iscsi.PDU
	x      *iscsi.Transfer
	enable *iscsi.MoverParams
}

func (t *sender) init(m *Mover) {
	t.m = m
	t.params = loginParams
	t.Init(t, m.conn)
}

// control takes a PDU from the free list.
func (t *sender) control() *iscsi.PDU {
	t.Lock()
	p := t.free
	if p != nil {
		t.free = p.Next
		t.Unlock()
		p.Next, p.Data = nil, nil
		return p
	}
	t.Unlock()
	return new(iscsi.PDU)
}

func (t *sender) enable(p iscsi.MoverParams) { t.queue(item{enable: &p}, 0) }

// queue takes it, unless the connection has ended.
func (t *sender) queue(it item, n int) bool {
	t.Lock()
	if t.closed {
		t.Unlock()
		return false
	}
	t.q = append(t.q, it)
	t.Grow(n)
	t.measure()
	t.Unlock()
	return true
}

// measure keeps crowd. The lock is held.
func (t *sender) measure() {
	if crowd := t.crowded(); crowd != t.crowd.Load() {
		t.crowd.Store(crowd)
	}
}

// finish ends the connection when what is queued has been sent: our direction of the stream,
// which waits for the peer as long as Terminate says; or all of it if hard, which does
// not wait for the peer.
func (t *sender) finish(hard bool) {
	t.Lock()
	t.End(hard)
	t.resume()
}

// Ready implements tcp.Queue.
func (t *sender) Ready() bool { return t.head < len(t.q) }

// Batch implements tcp.Queue.
func (t *sender) Batch() []unix.Iovec {
	if t.out == nil {
		t.out = t.m.buffers.out.Get().(*outgoing)
	}
	t.build()
	t.out.used = max(t.out.used, t.n)
	t.measure()
	return t.out.iov[:t.n]
}

// Rest implements tcp.Queue: it gives the buffer back that nothing is sent from any more.
func (t *sender) Rest() {
	if t.out != nil {
		clear(t.out.iov[:t.out.used]) // they lead to memory of others
		t.out.used = 0
		t.m.buffers.out.Put(t.out)
		t.out = nil
	}
}

// Failed implements tcp.Queue: the connection is broken.
func (t *sender) Failed(error) {
	_ = t.m.conn.Close() // it may be closed already; Ended gives everything back
	if t.resumes() {
		t.m.conn.Resume()
	}
}

// Done implements tcp.Queue: it gives back what the batch has sent.
func (t *sender) Done() {
	for _, it := range t.done {
		if it.x != nil {
			t.m.h.DataMoved(it.x, nil)
		}
	}
	t.Lock()
	for i, it := range t.done {
		if it.p != nil {
			it.p.Data, it.p.Owner = nil, nil // it may be large, and its owner is another's soon
			it.p.Next = t.free
			t.free = it.p
		}
		t.done[i] = item{}
	}
	t.done = t.done[:0]
	t.Grow(-t.size)
	t.measure()
	now := t.resumes()
	t.Unlock()
	if now {
		t.m.conn.Resume()
	}
}

// full reports that so much is queued that the owner shall receive no more.
func (t *sender) full() bool { return t.crowd.Load() }

// crowded is full with the lock held.
func (t *sender) crowded() bool {
	return t.Queued() > maxQueuedBytes || len(t.q)-t.head > maxQueuedPDUs
}

// pause reports whether so much is queued that the connection shall pause. Then resume
// ends the pause.
func (t *sender) pause() bool {
	t.Lock()
	defer t.Unlock()
	t.paused = t.crowded() && !t.Broken() && !t.m.ending.Load()
	return t.paused
}

// resume ends a pause if there is no reason for it any more.
func (t *sender) resume() {
	t.Lock()
	now := t.resumes()
	t.Unlock()
	if now {
		t.m.conn.Resume()
	}
}

// resumes reports that a pause has ended. The lock is held.
func (t *sender) resumes() bool {
	now := t.paused && (!t.crowded() || t.Broken() || t.m.ending.Load())
	if now {
		t.paused = false
	}
	return now
}

// stop, called after the connection is closed, waits for the sender and gives back what
// is queued.
func (t *sender) stop() {
	t.Lock()
	t.closed = true
	t.Halt()
	back := slices.Concat(t.done, t.q[t.head:])
	t.q, t.head, t.done = nil, 0, nil
	t.Unlock()
	for _, it := range back {
		if it.x != nil {
			t.m.h.DataMoved(it.x, iscsi.ErrTerminated)
		}
	}
}

func (t *sender) stats() iscsi.MoverStats {
	t.Lock()
	defer t.Unlock()
	s := t.count
	sent := t.Sender.Stats()
	s.Sends, s.BytesOut, s.Blocked = sent.Calls, sent.Bytes, sent.Blocked
	s.BytesQueued, s.Queued = int64(t.Queued()), int64(len(t.q)-t.head+len(t.done))
	return s
}
