package tcp

import (
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// Sending. PDUs and data transfers wait in one queue; its order is the order of the wire.
// Whoever flushes while nobody sends becomes the sender and goes on until the queue is
// empty. While the owner handles a batch of received PDUs the queue is held, so
// that all answers leave with one system call at its end; a long queue is sent at once,
// which also keeps little memory in flight. When the socket is full the engine says when
// there is room again, and goes on as the sender.
type sender struct {
	m *Mover

	mu      sync.Mutex
	idle    sync.Cond // with mu: the queue got shorter, or the sender stopped
	q       []item
	head    int
	bytes   int
	busy    bool // there is a sender
	closed  bool // nothing is taken any more
	last    bool // the connection ends with the queue
	hard    bool // or when the socket is full
	blocked bool // the sender waits for the socket
	paused  bool // the connection receives nothing until the queue is shorter
	failed  bool // the socket is broken
	free    *iscsi.PDU
	count   iscsi.MoverStats

	// What is asked for each PDU, without mu. Only the owner and Terminate write held; much
	// and crowd follow the queue, under mu, when they change.
	held  atomic.Bool // what is queued waits for release
	much  atomic.Bool // flushAt bytes or more are queued: they do not
	crowd atomic.Bool // so much is queued that the owner shall receive no more

	// The sender's, but build runs under mu.
	params iscsi.MoverParams
	out    *outgoing    // nil while nothing is sent
	n      int          // of iov
	left   []unix.Iovec // of iov, not sent
	used   int          // of the slab
	staged int          // of the stage
	done   []item       // sent with the batch
	size   int          // bytes of the batch
	sends  atomic.Int64
	sent   atomic.Int64
	err    error
	try    func(fd uintptr)
}

// An item is one of: a PDU, a transfer, new parameters.
type item struct {
	p      *iscsi.PDU
	x      *iscsi.Transfer
	enable *iscsi.MoverParams
}

// flushAt is how many bytes are queued when a held queue is sent all the same.
const flushAt = 256 << 10

func (t *sender) init(m *Mover) {
	t.m = m
	t.params = loginParams
	t.idle.L = &t.mu
	t.try = func(fd uintptr) { t.send(fd) }
}

// control takes a PDU from the free list.
func (t *sender) control() *iscsi.PDU {
	t.mu.Lock()
	p := t.free
	if p != nil {
		t.free = p.Next
		t.mu.Unlock()
		p.Next, p.Data = nil, nil
		return p
	}
	t.mu.Unlock()
	return new(iscsi.PDU)
}

func (t *sender) enable(p iscsi.MoverParams) { t.queue(item{enable: &p}, 0) }

// queue takes it, unless the connection has ended.
func (t *sender) queue(it item, n int) bool {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return false
	}
	t.q = append(t.q, it)
	t.bytes += n
	t.measure()
	t.mu.Unlock()
	return true
}

// measure keeps much and crowd. mu is held.
func (t *sender) measure() {
	if much := t.bytes >= flushAt; much != t.much.Load() {
		t.much.Store(much)
	}
	if crowd := t.crowded(); crowd != t.crowd.Load() {
		t.crowd.Store(crowd)
	}
}

// hold makes the queue collect.
func (t *sender) hold() { t.held.Store(true) }

// release ends hold, and sends. What was queued before is in the queue that it sees; whoever
// queues after it, and so takes mu after it, sees that nothing is held.
func (t *sender) release() {
	t.mu.Lock()
	t.held.Store(false)
	t.start()
}

// flush sends what is queued, unless it is held and not much. It is called after queue: so a
// flush that finds the queue held comes before a release that finds what was queued.
func (t *sender) flush() {
	if t.held.Load() && !t.much.Load() {
		return
	}
	t.mu.Lock()
	t.start()
}

// start makes the caller the sender if there is something to send and no sender. It is
// called with mu held and returns without.
func (t *sender) start() {
	if t.busy || t.failed || t.head == len(t.q) {
		t.mu.Unlock()
		return
	}
	t.busy = true
	t.run()
}

// finish ends the connection when what is queued has been sent: our direction of the stream,
// which waits for the peer as long as Terminate says; or all of it if hard, which does
// not wait for the peer.
func (t *sender) finish(hard bool) {
	t.mu.Lock()
	t.last, t.hard = true, hard
	if t.failed || !t.busy || (hard && t.blocked) {
		t.end()
	}
	t.mu.Unlock()
	t.resume()
}

// end does what finish has asked for. mu is held.
func (t *sender) end() {
	if t.hard || t.failed || t.m.conn.CloseWrite() != nil {
		t.m.conn.Close()
	}
}

// run is the sender: it is called with mu held and busy set, and returns without mu. When
// the socket is full it returns too, and Sent goes on.
func (t *sender) run() {
	for {
		if len(t.left) == 0 {
			if t.out == nil {
				t.out = t.m.buffers.out.Get().(*outgoing)
			}
			t.build()
			t.out.used = max(t.out.used, t.n)
			t.measure()
			if t.n == 0 {
				t.rest()
				return
			}
		}
		t.mu.Unlock()
		if err := t.m.conn.Try(t.try); err != nil {
			t.err = err
		}
		if t.err == nil && len(t.left) > 0 { // the socket is full
			t.mu.Lock()
			if t.hard {
				t.fail()
				return
			}
			t.count.Blocked++
			t.blocked = true
			t.mu.Unlock()
			t.m.conn.AwaitRoom()
			return
		}
		if !t.sentAll() {
			return
		}
	}
}

// Send implements tcp.Owner.
func (m *Mover) Send(fd uintptr) bool { return m.tx.send(fd) }

// Sent implements tcp.Owner.
func (m *Mover) Sent(err error) {
	t := &m.tx
	if err != nil {
		t.err = err
	}
	if t.sentAll() {
		t.blocked = false
		t.run()
	}
}

// sentAll ends a batch. If all of it was sent it returns true, with mu held.
func (t *sender) sentAll() bool {
	if t.err == nil {
		t.complete()
		t.mu.Lock()
		return true
	}
	t.mu.Lock()
	t.fail()
	return false
}

// rest ends the sender: the queue is empty. It is called with mu held and returns without.
func (t *sender) rest() {
	t.busy, t.blocked = false, false
	t.giveBack()
	t.idle.Broadcast()
	if t.last {
		t.end()
	}
	t.mu.Unlock()
}

// giveBack gives the buffer back that nothing is sent from any more. mu is held.
func (t *sender) giveBack() {
	if t.out != nil {
		clear(t.out.iov[:t.out.used]) // they lead to memory of others
		t.out.used = 0
		t.m.buffers.out.Put(t.out)
		t.out = nil
	}
}

// fail ends the sender: the connection is broken. It is called with mu held and returns
// without.
func (t *sender) fail() {
	t.failed, t.busy, t.blocked = true, false, false
	t.left = nil
	t.giveBack()
	t.idle.Broadcast()
	t.mu.Unlock()
	_ = t.m.conn.Close() // it may be closed already; Ended gives everything back
	t.resume()
}

// send sends until all is sent, or the socket is full: then it returns false.
func (t *sender) send(fd uintptr) bool {
	t.err = nil
	for len(t.left) > 0 {
		n, err := tcp.SendMsg(fd, t.left, false)
		t.sends.Add(1)
		if tcp.Again(err) {
			return false
		}
		if err != nil {
			t.err = err
			return true
		}
		t.sent.Add(int64(n))
		t.left = tcp.Advance(t.left, n)
	}
	return true
}

// complete gives back what the batch has sent.
func (t *sender) complete() {
	for _, it := range t.done {
		if it.x != nil {
			t.m.h.DataMoved(it.x, nil)
		}
	}
	t.mu.Lock()
	for i, it := range t.done {
		if it.p != nil {
			it.p.Data = nil // it may be large
			it.p.Next = t.free
			t.free = it.p
		}
		t.done[i] = item{}
	}
	t.done = t.done[:0]
	t.bytes -= t.size
	t.measure()
	now := t.resumes()
	t.mu.Unlock()
	if now {
		t.m.conn.Resume()
	}
}

// full reports that so much is queued that the owner shall receive no more.
func (t *sender) full() bool { return t.crowd.Load() }

// crowded is full with mu held.
func (t *sender) crowded() bool { return t.bytes > maxQueuedBytes || len(t.q)-t.head > maxQueuedPDUs }

// pause reports whether so much is queued that the connection shall pause. Then resume
// ends the pause.
func (t *sender) pause() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = t.crowded() && !t.failed && !t.m.ending.Load()
	return t.paused
}

// resume ends a pause if there is no reason for it any more.
func (t *sender) resume() {
	t.mu.Lock()
	now := t.resumes()
	t.mu.Unlock()
	if now {
		t.m.conn.Resume()
	}
}

// resumes reports that a pause has ended. mu is held.
func (t *sender) resumes() bool {
	now := t.paused && (!t.crowded() || t.failed || t.m.ending.Load())
	if now {
		t.paused = false
	}
	return now
}

// stop, called after the connection is closed, waits for the sender and gives back what
// is queued.
func (t *sender) stop() {
	t.mu.Lock()
	t.closed = true
	for t.busy {
		t.idle.Wait()
	}
	back := slices.Concat(t.done, t.q[t.head:])
	t.q, t.head, t.done, t.left = nil, 0, nil, nil
	t.mu.Unlock()
	for _, it := range back {
		if it.x != nil {
			t.m.h.DataMoved(it.x, iscsi.ErrTerminated)
		}
	}
}

func (t *sender) stats() iscsi.MoverStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.count
	s.Sends, s.BytesOut = t.sends.Load(), t.sent.Load()
	s.BytesQueued, s.Queued = int64(t.bytes), int64(len(t.q)-t.head+len(t.done))
	return s
}
