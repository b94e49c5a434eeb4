package iwarp

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// Sending. Works wait in one queue; its order is the order of the wire. The answers to the
// peer's Reads have a queue of their own, and take turns with it. Whoever flushes while nobody
// sends becomes the sender and goes on until the queues are empty (tcp.Sender). While the owner
// handles a batch that was received they are held, so that all answers leave with one system
// call at its end.
type sender struct {
	tcp.Sender // its lock guards what follows, up to build
	c          *Conn

	queue   works
	waiting works // Reads that would be too many
	allowed int   // Reads that may be queued still
	never   bool  // none are agreed on
	answers answers
	flushed works // not sent, and never will be
	count   int   // works that were posted and have not been sent
	started bool
	silent  bool // a responder that has not heard the peer's first FPDU (RFC 5044 7.1.2)
	shut    bool // nothing is taken any more, and the end is as how says
	closed  bool // and everything has been given back
	how     ending
	last    *terminate // to be sent, as the last of all

	// The sender's, but build runs under the lock.
	build

	io sync.Mutex // held during each send; the lock comes before it
}

func (t *sender) init(c *Conn, n terms, limit int) {
	t.c = c
	t.allowed, t.never = n.reads, n.reads == 0
	t.answers.max = n.serves
	t.Init(t, c.sock)
	t.build.init(limit)
}

// begin lets the queue go.
func (t *sender) begin() {
	t.Lock()
	t.started = true
	t.Unlock()
}

// speak says that the peer's first FPDU has come.
func (t *sender) speak() {
	t.Lock()
	t.silent = false
	t.Unlock()
}

// Flush implements rdma.Conn: a batch that was received has its end.
func (c *Conn) Flush() {
	if !c.tx.Held() {
		c.tx.Flush()
	}
}

// Ready implements tcp.Queue.
func (t *sender) Ready() bool {
	return t.started && !t.silent && (t.queue.head != nil || t.answers.n > 0)
}

// refuse takes nothing any more, before the start.
func (t *sender) refuse() {
	t.Lock()
	t.shut, t.closed = true, true
	t.Unlock()
}

// finish ends the connection.
func (t *sender) finish(how ending, err error) {
	t.Lock()
	if t.closed {
		t.Unlock()
		return
	}
	t.shut, t.how = true, how
	if how == failed || how == broken {
		if t.started && !t.silent {
			t.last = lastWords(err)
		} else {
			_ = t.c.sock.Try(tcp.Reset) // it may be closed already
		}
	}
	t.End(how >= broken)
}

// expire ends the connection that has taken too long for its end.
func (t *sender) expire() {
	t.Lock()
	if t.closed {
		t.Unlock()
		return
	}
	t.shut, t.how, t.last = true, dropped, nil
	t.End(true)
}

// Batch implements tcp.Queue.
func (t *sender) Batch() []unix.Iovec {
	if t.out == nil {
		t.out = t.c.buffers.out.Get().(*outgoing)
	}
	for {
		v := t.batch()
		bad := t.bad
		if bad == nil {
			return v
		}
		t.bad = nil
		t.Unlock()
		t.c.finish(bad, failed)
		t.Lock()
		if len(v) > 0 {
			return v
		}
	}
}

// Send implements tcp.Owner.
func (c *Conn) Send(fd uintptr) bool { return c.tx.Send(fd) }

// Sent implements tcp.Owner.
func (c *Conn) Sent(err error) { c.tx.Sent(err) }

// Send implements tcp.Queue: meanwhile nothing of the batch is detached.
func (t *sender) Send(fd uintptr) bool {
	t.io.Lock()
	defer t.io.Unlock()
	return t.SendBy(fd, t.c.sendMsg)
}

// Rest implements tcp.Queue: it gives the buffer back that nothing is sent from any more.
func (t *sender) Rest() {
	if t.out != nil {
		clear(t.out.iov[:t.out.used]) // they lead to memory of others
		t.out.used = 0
		t.c.buffers.out.Put(t.out)
		t.out = nil
	}
}

// Failed implements tcp.Queue: the connection is broken, in our direction at least. It closes
// the socket only if that was to end; Ended gives everything back.
func (t *sender) Failed(err error) {
	t.leave()
	if err != nil {
		t.c.mute(err) // before halt has returned
	}
}

// Done implements tcp.Queue: it gives back what the batch has sent.
func (t *sender) Done() {
	t.leave()
	n := 0
	for w := t.sent.pop(); w != nil; w = t.sent.pop() {
		n++
		t.c.done(w, nil)
	}
	t.Lock()
	t.count -= n
	t.Grow(-t.size)
	t.Unlock()
}

// leave says that nothing is sent from windows any more.
func (t *sender) leave() {
	t.io.Lock()
	t.c.mem.leave(t.using)
	t.using = t.using[:0]
	t.io.Unlock()
}

// detach copies what was built and not sent, so that it comes from no window.
func (t *sender) detach() {
	t.Lock()
	defer t.Unlock()
	t.io.Lock()
	defer t.io.Unlock()
	var mem []byte
	for _, v := range t.Left() {
		mem = append(mem, bytesOf(&v, int(v.Len))...)
	}
	if len(mem) > 0 {
		t.c.count.copied.Add(int64(len(mem)))
		t.out.iov[0] = tcp.Vector(mem)
		t.Instead(t.out.iov[:1])
	}
	t.c.mem.leave(t.using)
	t.using = t.using[:0]
}

// halt, called after the socket is closed, waits for the sender. There is none after it.
func (t *sender) halt() {
	t.Lock()
	if !t.shut {
		t.shut, t.how = true, dropped
	}
	t.Halt()
	t.Unlock()
}

// stop returns what was not sent, after halt.
func (t *sender) stop() *rdma.Work {
	t.Lock()
	defer t.Unlock()
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
	t.sent, t.cur = works{}, message{}
	t.answers.ring, t.answers.n = nil, 0
	t.count = 0
	t.Grow(-t.Queued())
	return back.head
}
