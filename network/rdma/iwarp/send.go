package iwarp

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// Sending. Works wait in one queue, in the order in which they are sent. The answers to the peer's
// Reads have a queue of their own; messages of the two queues are sent in turn. Whoever flushes
// while nobody sends becomes the one who sends, and goes on until the queues are empty (tcp.Sender).
// While the connection handles what one receive has brought the queues are held, so that all answers
// leave with one system call at the end.
type sender struct {
	tcp.Sender
	c *Conn

	mu      sync.Mutex // guards what follows, and build. It comes before io and the locks of memory
	queue   works
	waiting works // Reads that wait until fewer are outstanding
	allowed int   // Reads that may be queued before one ends
	never   bool  // both sides have agreed on no Reads at all
	answers answers
	flushed works // Reads that were not sent when the connection ended
	count   int   // works that were posted and have not been sent
	later   int   // of these, in waiting
	asking  int   // of these, Reads whose requests are in the batch
	started bool
	silent  bool // we are the responder, and the peer's first FPDU has not come (RFC 5044 7.1.2)
	shut    bool // no work is taken any more, and the connection ends as how says
	closed  bool // and all works have been given back
	how     ending
	last    *terminate // the message that is still to be sent, as the last of all
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
		Send: func(fd uintptr, iov []unix.Iovec) (int, error) { return c.sendMsg(fd, iov) },
	})
	t.build.init(limit)
}

// begin lets the queues be sent.
func (t *sender) begin() {
	t.mu.Lock()
	t.started = true
	t.Queued(0)
	t.mu.Unlock()
}

// speak lets a responder send, since the peer's first FPDU has come.
func (t *sender) speak() {
	t.mu.Lock()
	t.silent = false
	t.Queued(0)
	t.mu.Unlock()
}

// Flush implements rdma.Conn. While a batch that was received is being handled it sends nothing: that
// happens at the end of the batch.
func (c *Conn) Flush() {
	if !c.tx.Held() {
		c.tx.Flush()
	}
}

// refuse makes the sender of a connection that was never started take no works.
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

// shuts decides how the connection ends. It returns false if the connection has ended already.
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

// expire breaks a connection off whose end takes too long.
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
		t.c.mute(err) // Conn.Ended, which waits for us in halt, looks for it
	}
}

// Sent implements tcp.Source: it gives back the works whose last byte has been sent.
func (t *sender) Sent() {
	t.leave()
	n := 0
	for w := t.sent.pop(); w != nil; w = t.sent.pop() {
		n++
		t.c.done(w, nil)
	}
	t.Dequeued(t.size)
	if n += t.asking; n > 0 { // only the one who sends adds to it
		t.mu.Lock()
		t.count -= n
		t.asking = 0
		t.mu.Unlock()
	}
}

// leave ends the use of the windows that the batch led to.
func (t *sender) leave() {
	t.io.Lock()
	t.b = nil
	t.c.mem.leave(t.using)
	t.using = t.using[:0]
	t.io.Unlock()
}

// detach copies what the batch has not sent yet, so that it leads to no window any more.
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

// halt waits until nobody sends, and nobody will. It is called after the socket was closed.
func (t *sender) halt() {
	t.mu.Lock()
	if !t.shut {
		t.shut, t.how = true, dropped
	}
	t.mu.Unlock()
	t.Halt()
}

// stop returns the list of the works that were not sent. It is called after halt.
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
	t.count, t.later, t.asking = 0, 0, 0
	t.Dequeued(t.Backlog())
	return back.head
}
