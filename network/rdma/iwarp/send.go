package iwarp

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// Sending. Works wait in one queue; its order is the order of the wire. The answers to the
// peer's Reads have a queue of their own, and take turns with it. Whoever flushes while nobody
// sends becomes the sender and goes on until the queues are empty (tcp.Sender). While the
// connection handles a batch that was received they are held, so that all answers leave with one
// system call at its end.
type sender struct {
	tcp.Sender
	c *Conn

	mu      sync.Mutex // guards what follows, and build. It comes before io and the locks of memory
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
	build

	// io is held during each send, so that nothing that is being sent is detached from its window.
	// The one who sends changes build.b and build.using with mu held, or with io; others hold both.
	io sync.Mutex
}

func (t *sender) init(c *Conn, n terms, limit int) {
	t.c = c
	t.allowed, t.never = n.reads, n.reads == 0
	t.answers.max = n.serves
	t.Init(tcp.SenderConfig{
		Source: t, Socket: c.sock, Batches: c.buffers.out, Guard: &t.io,
		Send: func(fd uintptr, iov []unix.Iovec, more bool) (int, error) { return c.sendMsg(fd, iov, more) },
	})
	t.build.init(limit)
}

// begin lets the queue go.
func (t *sender) begin() {
	t.mu.Lock()
	t.started = true
	t.Queued(0)
	t.mu.Unlock()
}

// speak says that the peer's first FPDU has come.
func (t *sender) speak() {
	t.mu.Lock()
	t.silent = false
	t.Queued(0)
	t.mu.Unlock()
}

// Flush implements rdma.Conn: a batch that was received has its end.
func (c *Conn) Flush() {
	if !c.tx.Held() {
		c.tx.Flush()
	}
}

// refuse takes nothing any more, before the start.
func (t *sender) refuse() {
	t.mu.Lock()
	t.shut, t.closed = true, true
	t.mu.Unlock()
}

// finish ends the connection.
func (t *sender) finish(how ending, err error) {
	if t.shuts(how, err) {
		t.End(how >= broken)
	}
}

// shuts says how the connection ends. false: it has ended.
func (t *sender) shuts(how ending, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.shut, t.how, t.last = true, how, nil
	if how == failed || how == broken {
		if t.started && !t.silent {
			t.last = lastWords(err)
		} else {
			_ = t.c.sock.Try(tcp.Reset) // it may be closed already
		}
	}
	return true
}

// expire ends the connection that has taken too long for its end.
func (t *sender) expire() { t.finish(dropped, nil) }

// Next implements tcp.Source.
func (t *sender) Next(b *tcp.Batch) (more bool) {
	for {
		more, bad := t.fill(b)
		if bad == nil {
			return more
		}
		t.c.finish(bad, failed)
		if !b.Empty() {
			return true
		}
	}
}

// fill appends what the next call shall send to b, and returns whether there may be more behind
// that, or why the connection has to end.
func (t *sender) fill(b *tcp.Batch) (more bool, bad error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = b
	t.batch()
	bad, t.bad = t.bad, nil
	if b.Empty() {
		t.b = nil
	}
	return t.cur.active || t.queue.head != nil || t.answers.n > 0, bad
}

// Failed implements tcp.Source: the connection is broken, in our direction at least. It closes
// the socket only if that was to end; Ended gives everything back.
func (t *sender) Failed(err error) {
	t.leave()
	if err != nil {
		t.c.mute(err) // before halt has returned
	}
}

// Sent implements tcp.Source: it gives back what the batch has sent.
func (t *sender) Sent() {
	t.leave()
	n := 0
	for w := t.sent.pop(); w != nil; w = t.sent.pop() {
		n++
		t.c.done(w, nil)
	}
	t.Dequeued(t.size)
	if n > 0 {
		t.mu.Lock()
		t.count -= n
		t.mu.Unlock()
	}
}

// leave says that nothing is sent from windows any more.
func (t *sender) leave() {
	t.io.Lock()
	t.b = nil
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
	if t.b != nil {
		t.c.count.copied.Add(int64(t.b.Own()))
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
	t.mu.Unlock()
	t.Halt()
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
	t.sent, t.cur = works{}, message{}
	t.answers.ring, t.answers.n = nil, 0
	t.count = 0
	t.Dequeued(t.Backlog())
	return back.head
}
