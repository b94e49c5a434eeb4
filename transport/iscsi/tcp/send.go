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
// which also keeps little memory in flight. When the socket is full a goroutine is
// started that waits for it, and ends when the queue is empty: the only second goroutine
// of a connection.
type sender struct {
	m *Mover

	mu      sync.Mutex
	idle    sync.Cond // with mu: the queue got shorter, or the sender stopped
	q       []item
	head    int
	bytes   int
	held    bool
	busy    bool // there is a sender
	closed  bool // nothing is taken any more
	last    bool // the connection ends with the queue
	hard    bool // or when the socket is full
	blocked bool // the sender waits for the socket
	failed  bool // the socket is broken
	free    *iscsi.PDU
	count   iscsi.MoverStats

	// The sender's, but build runs under mu.
	params iscsi.MoverParams
	iov    [maxSend]unix.Iovec
	n      int           // of iov
	left   []unix.Iovec  // of iov, not sent
	slab   [slabLen]byte // headers, padding and digests of the batch
	used   int
	stage  []byte // data with digests is copied here: see payload
	staged int
	done   []item // sent with the batch
	size   int    // bytes of the batch
	sends  atomic.Int64
	sent   atomic.Int64
	err    error
	try    func(fd uintptr) bool
	wait   func(fd uintptr) bool
}

// An item is one of: a PDU, a transfer, new parameters.
type item struct {
	p      *iscsi.PDU
	x      *iscsi.Transfer
	enable *iscsi.MoverParams
}

const (
	maxSend  = 256       // vectors in one call
	slabLen  = 128 * 64  // room for the headers of 128 PDUs
	perPDU   = 64        // header, two digests, padding
	flushAt  = 256 << 10 // bytes queued from which a held queue is sent
	stageLen = 256 << 10
)

func (t *sender) init(m *Mover) {
	t.m = m
	t.params = loginParams
	t.idle.L = &t.mu
	t.try = func(fd uintptr) bool { t.send(fd); return true }
	t.wait = func(fd uintptr) bool { return t.send(fd) }
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
	t.mu.Unlock()
	return true
}

// hold makes the queue collect.
func (t *sender) hold() { t.mu.Lock(); t.held = true; t.mu.Unlock() }

// release ends hold, and sends.
func (t *sender) release() {
	t.mu.Lock()
	t.held = false
	t.start()
}

// flush sends what is queued, unless it is held and not much.
func (t *sender) flush() {
	t.mu.Lock()
	if t.held && t.bytes < flushAt {
		t.mu.Unlock()
		return
	}
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
	t.run(t.try)
}

// finish ends the connection when what is queued has been sent: our direction of the stream,
// which waits for the peer as long as Terminate says; or all of it if hard, which does
// not wait for the peer.
func (t *sender) finish(hard bool) {
	t.mu.Lock()
	t.last, t.hard = true, hard
	t.idle.Broadcast()
	if t.failed || !t.busy || (hard && t.blocked) {
		t.end()
	}
	t.mu.Unlock()
}

// end does what finish has asked for. mu is held.
func (t *sender) end() {
	if t.hard || t.failed || t.m.conn.CloseWrite() != nil {
		t.m.conn.Close()
	}
}

// run is the sender: it is called with mu held and busy set, and returns without mu.
// how is try, which does not wait for the socket, or wait.
func (t *sender) run(how func(fd uintptr) bool) {
	for {
		if len(t.left) == 0 {
			if t.build(); t.n == 0 {
				t.busy, t.blocked = false, false
				t.idle.Broadcast()
				if t.last {
					t.end()
				}
				t.mu.Unlock()
				return
			}
		}
		t.mu.Unlock()
		err := t.m.conn.Write(how)
		if err == nil {
			err = t.err
		}
		if err == nil && len(t.left) == 0 {
			t.complete()
			t.mu.Lock()
			continue
		}
		t.mu.Lock()
		if err == nil && !t.hard { // the socket is full
			t.count.Blocked++
			t.blocked = true
			t.mu.Unlock()
			go func() {
				t.mu.Lock()
				t.run(t.wait)
			}()
			return
		}
		t.failed, t.busy = true, false
		t.idle.Broadcast()
		t.mu.Unlock()
		t.m.conn.Close() // the owner gives everything back
		return
	}
}

// send sends once, or until the socket is full.
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
	t.idle.Broadcast()
	t.mu.Unlock()
}

// full reports that so much is queued that the owner shall receive no more.
func (t *sender) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.crowded()
}

// crowded is full with mu held.
func (t *sender) crowded() bool { return t.bytes > maxQueuedBytes || len(t.q)-t.head > maxQueuedPDUs }

// pause makes the owner wait while too much is queued.
func (t *sender) pause() {
	t.mu.Lock()
	for t.crowded() && !t.failed && !t.m.ending.Load() {
		t.idle.Wait()
	}
	t.mu.Unlock()
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
