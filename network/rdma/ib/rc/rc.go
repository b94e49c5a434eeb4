// Package rc is queue pairs of InfiniBand's reliable connected service (IBTA volume 1, 9.7), in software: it makes packets of works, and works, messages and memory of packets. It has no sockets:
// packets come by [QP.Received], and leave by an [Outlet]; its clock is package time's.
package rc

import (
	"sync"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// An Outlet takes the packets of one queue pair. It is used by one goroutine at a time.
type Outlet interface {
	// Packet adds a packet: its headers from the BTH on, which are copied (the outlet sets the number of bytes of padding in the BTH, byte 1), and its payload in pieces, which are borrowed until Flush returns.
	Packet(header []byte, payload ...[]byte)
	// Flush sends what was added.
	Flush()
	// Room is how many packets it takes before Flush has to be called.
	Room() int
}

// Config is what the two sides have agreed on, and whom a queue pair works for.
type Config struct {
	Number, Peer   ib.QPN
	Sends, Expects ib.PSN // the first PSN that is sent, and that comes
	MTU            int    // bytes of payload in a packet: 256, 512, 1024, 2048 or 4096
	Reads, Serves  int    // RDMA Reads that are outstanding at the most, ours and the peer's; Info.Reads is the same as Reads
	MaxMessage     int
	Credits        bool          // the peer's acknowledgements have credits (9.7.7.2)
	Timeout        time.Duration // without an answer, until the first retry
	Retries        int           // 7 at the most
	RNR            int           // retries after RNR NAK; 7: without end
	KeepAlive      time.Duration // of silence, until the peer is asked for a sign of life; 0: it is not. See [QP.Established]
	MaxWindows     int
	Buffers        *Buffers // shared with others; nil: the queue pair has its own
	Info           rdma.Info
	Outlet         Outlet
	// Ended is called once when the queue pair has ended, before [rdma.Handler].Closed: with nil after Close(nil) or an orderly end of the peer. The owner forgets the number, and tells the peer.
	// It is called on any goroutine, also one that receives, and does not wait.
	Ended func(err error)
	// Pace is told of a burst of n bytes, and returns how long to wait before the next. nil: there is no pacing.
	Pace func(n int) time.Duration
}

// A QP is a queue pair: the rdma.Conn of a connection. Its requester sends what is posted (requester.go), its responder answers the peer (responder.go);
// whoever flushes while nobody sends is the one who sends, for both (send.go). How it ends is in end.go.
type QP struct {
	conf  Config
	epoch time.Time // what times are counted from
	count counters

	// io is held by the one who sends from before the first packet of a burst is made until Outlet.Flush has returned: who has it knows that no memory is
	// in the outlet. It comes before mu. Handlers are called without it.
	io sync.Mutex

	// mu guards what follows. No handler is called with it held, and the outlet is not either.
	mu        sync.Mutex
	h         rdma.Handler  // nil before Start
	held      bool          // a batch is being received, at whose end is flushed
	receiving bool          // a goroutine is in Received
	sending   bool          // a goroutine sends
	wake      bool          // there may be more for it to send
	since     time.Duration // when that batch began, or the last one did: the peer was heard then
	met       bool          // the peer's queue pair is there
	closing   bool          // Close(nil) was called: it ends when all that was posted has been answered
	until     time.Duration // and then, whatever the peer does
	quiet     time.Duration // until then nothing is sent, for the pace
	over      bool          // no work is taken, nothing is received, and nothing is sent but last words
	parting   bool          // last words are still to be sent before it is wound up: acknowledgements, a NAK
	wound     bool          // everything is given back
	cause     error         // why it is over
	alarm     alarm
	req       requester
	resp      responder // it has parts that only the goroutine in Received uses

	turn int           // below share: the responder's next packet comes first, else the requester's
	out  packet        // the one who sends has it
	mem  memory        // has its own lock
	gone chan struct{} // closed when it is wound up
}

// New makes a queue pair. It receives and answers what needs no handler at once; Sends of the peer are answered by RNR NAK until [QP.Start].
func New(c Config) *QP {
	c.Info.Reads = c.Reads
	q := &QP{conf: c, epoch: time.Now(), gone: make(chan struct{})}
	q.req.init(q)
	q.resp.init(q)
	q.mem.init(c.MaxWindows)
	return q
}

// now is the time since the queue pair was made.
func (q *QP) now() time.Duration { return time.Since(q.epoch) }

// Start implements rdma.Conn.
func (q *QP) Start(h rdma.Handler) {
	q.mu.Lock()
	q.h = h
	wound, cause := q.wound, q.cause
	q.mu.Unlock()
	if wound { // the peer has gone before
		h.Closed(cause)
		return
	}
	q.Flush()
}

// Post implements rdma.Conn.
func (q *QP) Post(w *rdma.Work) bool { return q.req.post(w) }

// Cancel implements rdma.Conn.
func (q *QP) Cancel(w *rdma.Work) bool { return q.req.cancel(w) }

// Flush implements rdma.Conn.
func (q *QP) Flush() {
	q.mu.Lock()
	held := q.held
	q.mu.Unlock()
	if !held {
		q.send()
	}
}

// Expose implements rdma.Windows.
func (q *QP) Expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	return q.mem.expose(data, a)
}

// Revoke implements rdma.Windows.
func (q *QP) Revoke(k rdma.Key) bool { return q.mem.revoke(q, uint32(k)) }

// Info implements rdma.Conn.
func (q *QP) Info() rdma.Info { return q.conf.Info }

// Received takes a packet: all of it from the BTH to the payload, whose ICRC and padding are gone; it borrows b. Calls come one at a time.
func (q *QP) Received(h ib.BTH, b []byte) {
	q.mu.Lock()
	if q.over {
		q.mu.Unlock()
		return
	}
	if !q.held {
		q.held, q.since = true, q.now()
		q.ring(q.since + patience)
	}
	q.receiving = true
	q.mu.Unlock()
	q.count.bytesIn.Add(int64(len(b)))
	switch t := h.Opcode.Traits(); {
	case !h.Opcode.Reliable() || len(b) < h.Opcode.HeaderLen():
	case t&ib.Response != 0:
		q.req.receive(h, b)
	default: // the responder refuses what it does not know
		q.resp.receive(h, b)
	}
	q.mu.Lock()
	q.receiving = false
	over, closing := q.over, q.closing
	q.mu.Unlock()
	switch {
	case over:
		q.send() // last words
	case closing:
		q.settle()
	}
}

// Batch ends a batch of packets: acknowledgements are sent, and what was posted meanwhile.
func (q *QP) Batch() {
	q.count.receives.Add(1)
	q.mu.Lock()
	q.held = false
	q.mu.Unlock()
	q.send()
}
