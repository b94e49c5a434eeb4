package tcp

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// Sending. PDUs and data transfers wait in one queue; its order is the order of the wire.
// Whoever flushes while nobody sends becomes the sender and goes on until the queue is
// empty (tcp.Sender). While the mover handles a batch of received PDUs the queue is held, so
// that all answers leave with one system call at its end; a long queue is sent at once,
// which also keeps little memory in flight.
type sender struct {
	tcp.Sender
	m *Mover

	mu     sync.Mutex // guards the queue, the free list and count
	q      []item
	head   int
	closed bool // nothing is taken any more
	free   *iscsi.PDU
	count  iscsi.MoverStats

	waiting atomic.Int32 // items that are queued, or in the batch that is being sent
	echoes  atomic.Int64 // of these, bytes of echoes and what each of them takes
	paused  atomic.Bool  // the connection receives nothing until the queue is shorter

	// Of the one who sends.
	params iscsi.MoverParams
	b      *tcp.Batch // that is filled
	done   []item     // in the batch
	size   int        // bytes of theirs
}

// An item is one of: a PDU, a transfer, new parameters.
type item struct {
	p      *iscsi.PDU
	x      *iscsi.Transfer
	enable *iscsi.MoverParams
}

func (t *sender) init(m *Mover, unsent []byte) {
	t.m = m
	t.params = loginParams
	t.Init(tcp.SenderConfig{Source: t, Socket: m.conn, Batches: m.buffers.out, Unsent: unsent})
}

// control takes a PDU from the free list.
func (t *sender) control() *iscsi.PDU {
	t.mu.Lock()
	p := t.free
	if p != nil {
		t.free = p.Next
	}
	t.mu.Unlock()
	if p == nil {
		return new(iscsi.PDU)
	}
	p.Next, p.Data = nil, nil
	return p
}

func (t *sender) enable(p iscsi.MoverParams) { t.queue(item{enable: &p}, 0) }

// queue takes an item of n bytes, unless the connection has ended.
func (t *sender) queue(it item, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.q = append(t.q, it)
	t.waiting.Add(1)
	if it.p != nil && it.p.Echo {
		t.echoes.Add(echo(it.p))
	}
	t.Queued(n)
	return true
}

// finish ends the connection when what is queued has been sent: our direction of the stream,
// which waits for the peer as long as Terminate says; or all of it if hard, which does
// not wait for the peer.
func (t *sender) finish(hard bool) {
	t.End(hard)
	t.resume()
}

// Next implements tcp.Source.
func (t *sender) Next(b *tcp.Batch) (more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = b
	t.build()
	return t.head < len(t.q)
}

// Failed implements tcp.Source: the connection is broken.
func (t *sender) Failed(error) {
	_ = t.m.conn.Close() // it may be closed already; Ended gives everything back
	t.resume()
}

// Sent implements tcp.Source: it gives back what the batch has sent.
func (t *sender) Sent() {
	var pdus *iscsi.PDU
	for i, it := range t.done {
		switch {
		case it.x != nil:
			t.m.h.DataMoved(it.x, nil)
		case it.p != nil:
			if it.p.Echo {
				t.echoes.Add(-echo(it.p))
			}
			it.p.Forget()
			it.p.Next, pdus = pdus, it.p
		}
		t.done[i] = item{}
	}
	t.recycle(pdus)
	t.waiting.Add(int32(-len(t.done)))
	t.done = t.done[:0]
	t.Dequeued(t.size)
	t.resume()
}

// recycle takes a list of PDUs into the free list.
func (t *sender) recycle(pdus *iscsi.PDU) {
	if pdus == nil {
		return
	}
	last := pdus
	for last.Next != nil {
		last = last.Next
	}
	t.mu.Lock()
	last.Next, t.free = t.free, pdus
	t.mu.Unlock()
}

// echoCost is what a queued echo takes beside its data.
const echoCost = 512

// echo is what a queued echo takes.
func echo(p *iscsi.PDU) int64 { return int64(len(p.Data)) + echoCost }

// full reports that so much is queued that the connection shall receive no more.
func (t *sender) full() bool {
	return t.Backlog() > maxQueuedBytes || t.waiting.Load() > maxQueuedPDUs || t.echoes.Load() > maxEchoes
}

// pause reports whether so much is queued that the connection shall pause. Then resume
// ends the pause.
func (t *sender) pause() bool {
	if !t.pauses() {
		return false
	}
	t.paused.Store(true)
	// Whoever has made the queue shorter before that has not seen it; whoever did after it has
	// called Socket.Resume for this pause.
	return t.pauses() || !t.paused.CompareAndSwap(true, false)
}

// pauses reports that there is a reason for a pause.
func (t *sender) pauses() bool { return t.full() && !t.Broken() && !t.m.ending.Load() }

// resume ends a pause if there is no reason for it any more.
func (t *sender) resume() {
	if t.paused.Load() && !t.pauses() && t.paused.CompareAndSwap(true, false) {
		t.m.conn.Resume()
	}
}

// stop, called after the connection is closed, waits for the sender and gives back what
// is queued.
func (t *sender) stop() {
	t.close()
	t.Halt()
	t.abandon()
}

// close lets nothing be queued any more.
func (t *sender) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}

// abandon gives back what is queued. Nobody sends.
func (t *sender) abandon() {
	back := slices.Concat(t.done, t.q[t.head:])
	t.q, t.head, t.done = nil, 0, nil
	t.waiting.Store(0)
	t.echoes.Store(0)
	for _, it := range back {
		switch {
		case it.x != nil:
			t.m.h.DataMoved(it.x, iscsi.ErrTerminated)
		case it.p != nil:
			it.p.Forget()
		}
	}
}

func (t *sender) stats() iscsi.MoverStats {
	t.mu.Lock()
	s := t.count
	t.mu.Unlock()
	sent := t.Stats()
	s.Sends, s.BytesOut, s.Blocked = sent.Calls, sent.Bytes, sent.Blocked
	s.BytesQueued, s.Queued = int64(t.Backlog()), int64(t.waiting.Load())
	return s
}
