package iwarp

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// Sending. Works wait in one queue; its order is the order of the wire. The answers to the
// peer's Reads have a queue of their own, and take turns with it. Whoever flushes while nobody
// sends becomes the sender and goes on until the queues are empty. While the owner handles a
// batch that was received they are held, so that all answers leave with one system call at its
// end. When the socket is full the engine says when there is room again, and goes on as the
// sender.
type sender struct {
	c *Conn

	mu      sync.Mutex
	idle    sync.Cond // with mu: the sender has stopped
	queue   works
	waiting works // Reads that would be too many
	allowed int   // Reads that may be queued still
	never   bool  // none are agreed on
	answers answers
	flushed works // not sent, and never will be
	count   int   // works that were posted and have not been sent
	bytes   int64 // of these
	started bool
	silent  bool // a responder that has not heard the peer's first FPDU (RFC 5044 7.1.2)
	busy    bool // there is a sender
	blocked bool // it waits for the socket
	failed  bool // the socket is broken
	shut    bool // nothing is taken any more, and the end is as how says
	closed  bool // and everything has been given back
	how     ending
	last    *terminate // to be sent, as the last of all

	held atomic.Bool // what is queued waits for release
	much atomic.Bool // flushAt bytes or more are queued

	// The sender's, but build runs under mu.
	build
	full bool // the socket has not taken all
	err  error
	try  func(fd uintptr)

	io   sync.Mutex   // held during each send; mu comes before it
	left []unix.Iovec // of what was built, not sent
}

// flushAt is how many bytes are queued when they are sent in the midst of a batch.
const flushAt = 256 << 10

func (t *sender) init(c *Conn, n terms, limit int) {
	t.c = c
	t.allowed, t.never = n.reads, n.reads == 0
	t.answers.max = n.serves
	t.idle.L = &t.mu
	t.try = func(fd uintptr) { t.send(fd) }
	t.build.init(limit)
}

// begin lets the queue go.
func (t *sender) begin() {
	t.mu.Lock()
	t.started = true
	t.mu.Unlock()
}

// speak says that the peer's first FPDU has come.
func (t *sender) speak() {
	t.mu.Lock()
	t.silent = false
	t.mu.Unlock()
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

// Flush implements rdma.Conn.
func (c *Conn) Flush() { c.tx.flush() }

func (t *sender) flush() {
	if t.held.Load() {
		return
	}
	t.mu.Lock()
	t.start()
}

// start makes the caller the sender if there is something to send and no sender. It is
// called with mu held and returns without.
func (t *sender) start() {
	if t.busy || t.failed || !t.started || t.silent || t.queue.head == nil && t.answers.n == 0 {
		t.mu.Unlock()
		return
	}
	t.busy = true
	t.run()
}

// refuse takes nothing any more, before the start.
func (t *sender) refuse() {
	t.mu.Lock()
	t.shut, t.closed = true, true
	t.mu.Unlock()
}

// finish ends the connection.
func (t *sender) finish(how ending, err error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.held.Store(false)
	t.shut, t.how = true, how
	if (how == failed || how == broken) && t.started && !t.silent {
		t.last = lastWords(err)
	}
	switch {
	case t.failed, t.blocked && how >= broken:
		t.end()
		t.mu.Unlock()
	case t.busy: // the sender will see it
		t.mu.Unlock()
	default:
		t.busy = true
		t.run()
	}
}

// end does what finish has asked for. mu is held.
func (t *sender) end() {
	if t.failed || t.how >= broken || t.c.sock.CloseWrite() != nil {
		_ = t.c.sock.Close() // it may be closed already
	}
}

// run is the sender: it is called with mu held and busy set, and returns without mu. When
// the socket is full it returns too, and Sent goes on.
func (t *sender) run() {
	for {
		if len(t.left) == 0 {
			if t.out == nil {
				t.out = t.c.buffers.out.Get().(*outgoing)
			}
			t.io.Lock()
			t.left = t.batch()
			t.io.Unlock()
			if bad := t.bad; bad != nil {
				t.bad = nil
				t.mu.Unlock()
				t.c.finish(bad, failed)
				t.mu.Lock()
				if len(t.left) == 0 {
					continue
				}
			}
			if len(t.left) == 0 {
				t.rest()
				return
			}
		}
		t.mu.Unlock()
		if err := t.c.sock.Try(t.try); err != nil {
			t.err = err
		}
		if t.err == nil && t.full {
			t.mu.Lock()
			if t.shut && t.how >= broken {
				t.fail()
				return
			}
			t.c.count.blocked.Add(1)
			t.blocked = true
			t.mu.Unlock()
			t.c.sock.AwaitRoom()
			return
		}
		if !t.sentAll() {
			return
		}
	}
}

// Send implements tcp.Owner.
func (c *Conn) Send(fd uintptr) bool { return c.tx.send(fd) }

// Sent implements tcp.Owner.
func (c *Conn) Sent(err error) {
	t := &c.tx
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

// rest ends the sender: there is nothing to send. It is called with mu held and returns without.
func (t *sender) rest() {
	t.busy, t.blocked = false, false
	t.giveBack()
	t.idle.Broadcast()
	if t.shut {
		t.end()
	}
	t.mu.Unlock()
}

// giveBack gives the buffer back that nothing is sent from any more. mu is held.
func (t *sender) giveBack() {
	if t.out != nil {
		clear(t.out.iov[:t.out.used]) // they lead to memory of others
		t.out.used = 0
		t.c.buffers.out.Put(t.out)
		t.out = nil
	}
}

// fail ends the sender: the connection is broken, in our direction at least. It is called with
// mu held and returns without.
func (t *sender) fail() {
	t.failed, t.busy, t.blocked = true, false, false
	t.leave()
	t.giveBack()
	t.idle.Broadcast()
	shut := t.shut
	if t.err != nil {
		t.c.mute(t.err) // before halt has returned
	}
	t.mu.Unlock()
	if shut {
		_ = t.c.sock.Close() // it may be closed already; Ended gives everything back
	}
}

// send sends until all is sent, or the socket is full: then it returns false.
func (t *sender) send(fd uintptr) bool {
	t.io.Lock()
	defer t.io.Unlock()
	t.err, t.full = nil, false
	for len(t.left) > 0 {
		n, err := t.c.sendMsg(fd, t.left, false)
		t.c.count.sends.Add(1)
		if tcp.Again(err) {
			t.full = true
			return false
		}
		if err != nil {
			t.err = err
			return true
		}
		t.c.count.bytesOut.Add(int64(n))
		t.left = tcp.Advance(t.left, n)
	}
	return true
}

// complete gives back what the batch has sent.
func (t *sender) complete() {
	t.leave()
	n := 0
	for w := t.sent.pop(); w != nil; w = t.sent.pop() {
		n++
		t.c.done(w, nil)
	}
	t.mu.Lock()
	t.count -= n
	t.bytes -= t.size
	t.measure()
	t.mu.Unlock()
}

// leave says that nothing is sent from windows any more.
func (t *sender) leave() {
	t.io.Lock()
	t.left = nil
	t.c.mem.leave(t.using)
	t.using = t.using[:0]
	t.io.Unlock()
}

// detach copies what was built and not sent, so that it comes from no window.
func (t *sender) detach() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.io.Lock()
	defer t.io.Unlock()
	var mem []byte
	for i := range t.left {
		mem = append(mem, bytesOf(&t.left[i], int(t.left[i].Len))...)
	}
	if len(mem) > 0 {
		t.c.count.copied.Add(int64(len(mem)))
		t.out.iov[0] = tcp.Vector(mem)
		t.left = t.out.iov[:1]
	}
	t.c.mem.leave(t.using)
	t.using = t.using[:0]
}

// halt, called after the socket is closed, waits for the sender. There is none after it.
func (t *sender) halt() {
	t.mu.Lock()
	if !t.shut {
		t.shut, t.how = true, dropped
	}
	for t.busy {
		t.idle.Wait()
	}
	t.failed = true
	t.mu.Unlock()
}

// stop returns what was not sent, after halt.
func (t *sender) stop() *rdma.Work {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	back := t.sent
	if w := t.cur.work; w != nil {
		back.push(w)
	}
	for _, q := range []*works{&t.flushed, &t.queue, &t.waiting} {
		for w := q.pop(); w != nil; w = q.pop() {
			back.push(w)
		}
	}
	t.sent, t.cur, t.left = works{}, message{}, nil
	t.answers.ring, t.answers.n = nil, 0
	t.count, t.bytes = 0, 0
	return back.head
}
