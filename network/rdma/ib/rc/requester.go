package rc

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A requester sends the works of its queue pair, and gives them back. The queue pair's mu guards it.
//
// A work that was posted waits in queue (a Read that has to wait for others, in waiting) until its first packet is sent: then it gets its PSNs, and is in flight (a Read
// in reads) until the peer has answered. A work's State is its first PSN. Its Moved is, of a Read, how many bytes are in place without a gap from the first on; of
// another, how many packets of Sends and Writes were before it on this connection: so the packets between two places can be told without counting.
type requester struct {
	q       *QP
	timeout time.Duration // Config.Timeout, but not less than minTimeout
	shift   int           // the MTU is 1 << shift
	bad     error         // a work that cannot be sent: the one who sends ends the queue pair

	queue   works
	lead    *rdma.Work // the last of the Writes at the beginning of queue that have overtaken others; nil: there is none
	waiting works      // Reads
	flight  works      // Sends and Writes, in the order of their PSNs
	reads   works      // Reads, likewise
	acked   works      // acknowledged, to be given back by the one who sends, or when nobody does: the outlet may have their memory
	placed  works      // Reads that are answered, to be given back by the goroutine in Received

	open     int   // Reads in queue and in reads
	openPSNs int   // and their PSNs
	queued   int   // works in queue, and one that is sent in part
	bytes    int64 // of them

	next  ib.PSN     // the first that no work has
	sent  ib.PSN     // the first that was not sent
	una   ib.PSN     // what is before was received by the peer, as it says
	count int64      // packets of Sends and Writes that have PSNs
	cur   *rdma.Work // in flight: the next packet is one of this, unless a Read is to be asked for (again)
	idx   int        // which one; all before were sent since the last loss
	quiet int        // packets since the last that asked for an acknowledgement
	ssn   ib.MSN     // messages that have PSNs
	lsn   ib.MSN     // a Send with a higher number waits, if the peer counts its receive buffers
	short bool       // it does

	alive    rdma.Work // asks for a sign of life
	knocking bool      // it was posted, and has not come back

	gaps   gaps
	limits limits
	clocks clocks
	clock  time.Duration // when the burst began that is being made
	nak    ib.PSN        // of the last NAK of a sequence
	nakAt  time.Duration // and when it came
	losses Losses
	plain  bool // for comparison in tests: by the letter of the protocol, with a window that is always open and no probes
}

// Losses count what went wrong on the wire.
type Losses struct {
	Resent   int64 // packets that were sent again
	NAKs     int64 // of a sequence, that came
	RNRs     int64 // that came
	Timeouts int64 // after which everything was sent again
	Probes   int64 // packets that were sent to learn what is missing
	Asked    int64 // Reads that were asked for again, in part or whole
	Ghosts   int64 // responses to nothing, or that came before
}

// Losses are those of the queue pair's requester.
func (q *QP) Losses() Losses {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.req.losses
}

const (
	// maxPSNs is how many PSNs a work can have, and all works together that the peer has not answered: half of those that can be told from old ones (9.7.1).
	maxPSNs = 1 << 22
	// maxMessage is how long a message can be (9.3.3).
	maxMessage = 1 << 31
)

func (r *requester) init(q *QP) {
	r.q = q
	r.next, r.sent, r.una = q.conf.Sends, q.conf.Sends, q.conf.Sends
	r.shift = bits.TrailingZeros(uint(q.conf.MTU))
	r.timeout = max(q.conf.Timeout, minTimeout)
	r.limits.init()
	r.clocks.init(r.timeout)
}

// post queues w.
func (r *requester) post(w *rdma.Work) bool {
	q := r.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over || q.closing || q.h == nil {
		return false
	}
	w.Moved, w.State = 0, 0
	if w.Op == rdma.Read && r.q.conf.Reads > 0 && (r.waiting.head != nil || !r.roomFor(w)) { // a short one that does not wait for a long one would have it wait for ever
		r.waiting.push(w)
		return true
	}
	r.push(w)
	return true
}

// push puts w into the queue. r.q.mu is held.
func (r *requester) push(w *rdma.Work) {
	if w.Overtakes && w.Op == rdma.Write && w.Len <= int64(r.q.conf.MTU) {
		r.queue.insert(r.lead, w)
		r.lead = w
	} else {
		r.queue.push(w)
	}
	r.queued++
	if w.Op == rdma.Read {
		r.open++
		r.openPSNs += r.psns(w)
	} else {
		r.bytes += int64(len(w.Head)) + w.Len
	}
}

// roomFor reports that a Read need not wait for others: as many may be outstanding as was agreed on, and as many packets of their answers as the window says. r.q.mu is held.
func (r *requester) roomFor(w *rdma.Work) bool {
	return r.open < r.q.conf.Reads && (r.open == 0 || r.openPSNs+r.psns(w) <= r.limits.reads)
}

// ended notes that a Read is not open any more, and queues those that have waited for it. r.q.mu is held.
func (r *requester) ended(w *rdma.Work) {
	r.open--
	r.openPSNs -= r.psns(w)
	r.admit()
}

// admit queues the Reads that need not wait any longer. r.q.mu is held.
func (r *requester) admit() {
	for w := r.waiting.head; w != nil && r.roomFor(w); w = r.waiting.head {
		r.waiting.pop()
		r.push(w)
	}
}

// cancel takes back a Read that the peer was not asked for.
func (r *requester) cancel(w *rdma.Work) bool {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	switch {
	case w.Op != rdma.Read:
		return false
	case r.waiting.remove(w):
		r.admit() // those behind it may be shorter
	case r.queue.remove(w):
		r.queued--
		r.ended(w)
	default:
		return false
	}
	return true
}

// length is how many bytes of payload w has.
func length(w *rdma.Work) int64 {
	if w.Op == rdma.Send || w.Op == rdma.SendInvalidate {
		return int64(len(w.Head)) + w.Len
	}
	return w.Len
}

// psns is how many PSNs w takes.
func (r *requester) psns(w *rdma.Work) int {
	return max(1, int((length(w)+int64(r.q.conf.MTU)-1)>>r.shift))
}

// first is the first PSN of w, which has some, and end the one behind its last.
func first(w *rdma.Work) ib.PSN              { return ib.PSN(w.State) }
func (r *requester) end(w *rdma.Work) ib.PSN { return first(w).Add(r.psns(w)) }

// busy reports that the peer owes an answer. r.q.mu is held.
func (r *requester) busy() bool { return r.flight.head != nil || r.reads.head != nil }

// idle reports that every work has been given back. r.q.mu is held.
func (r *requester) idle() bool {
	return !r.busy() && r.queue.head == nil && r.waiting.head == nil && r.acked.head == nil && r.placed.head == nil
}

// oldest is the first PSN that is not answered. r.q.mu is held.
func (r *requester) oldest() ib.PSN {
	p := r.next
	if r.flight.head != nil {
		p = r.una
		if f := first(r.flight.head); f.Sub(p) > 0 {
			p = f
		}
	}
	if r.reads.head != nil && r.missing().Sub(p) < 0 {
		p = r.missing()
	}
	return p
}

// missing is the first PSN of the first Read that has not come. There is a Read. r.q.mu is held.
func (r *requester) missing() ib.PSN {
	w := r.reads.head
	return first(w).Add(int(w.Moved / int64(r.q.conf.MTU)))
}

// outstanding is how many packets of Sends and Writes were sent and not acknowledged, since the last loss. r.q.mu is held.
func (r *requester) outstanding() int {
	h := r.flight.head
	if h == nil {
		return 0
	}
	at := r.count
	if r.cur != nil {
		at = r.cur.Moved + int64(r.idx)
	}
	return int(at - h.Moved - int64(max(0, r.una.Sub(first(h)))))
}

// assign gives the first work of the queue its PSNs, if it may be sent now. r.q.mu is held.
func (r *requester) assign() *rdma.Work {
	w := r.queue.head
	if w == nil {
		return nil
	}
	n := 0
	switch l := length(w); {
	case l > maxMessage || (l+int64(r.q.conf.MTU)-1)/int64(r.q.conf.MTU) > maxPSNs:
		r.bad = fmt.Errorf("%w: %d bytes", rdma.ErrLength, l)
		return nil
	case w.Op == rdma.Read && r.q.conf.Reads == 0:
		r.bad = fmt.Errorf("%w: a Read where none are agreed on", rdma.ErrClosed)
		return nil
	case w.Len > 0 && (w.Data == nil || w.At < 0 || w.At > w.Data.Len()-w.Len):
		r.bad = fmt.Errorf("%w: %w", rdma.ErrClosed, errBeyond)
		return nil
	default:
		n = r.psns(w)
	}
	switch {
	case w.Op != rdma.Read && r.outstanding() >= r.limits.size:
		return nil
	case r.busy() && r.next.Sub(r.oldest())+n > maxPSNs:
		return nil
	case r.short && w.Op != rdma.Read && w.Op != rdma.Write && r.busy() && r.ssn.Add(1).Sub(r.lsn) > 0:
		return nil // the peer has no buffer for it; if nothing is outstanding it is tried
	}
	r.queue.pop()
	if r.lead == w {
		r.lead = nil
	}
	w.State = uint32(r.next)
	r.next = r.next.Add(n)
	r.ssn = r.ssn.Add(1)
	if !r.busy() {
		r.clocks.begin(r.clock)
	}
	if w.Op == rdma.Read {
		w.Moved = 0
		r.reads.push(w)
		return w
	}
	w.Moved = r.count
	r.count += int64(n)
	r.flight.push(w)
	return w
}

// stop takes all works out, for the end: those that are acknowledged, those that are answered, and the rest. r.q.mu is held.
func (r *requester) stop() (acked, placed, rest works) {
	acked, placed = r.acked, r.placed
	for _, l := range []*works{&r.flight, &r.reads, &r.queue, &r.waiting} {
		rest.join(*l)
		*l = works{}
	}
	r.acked, r.placed, r.cur, r.lead = works{}, works{}, nil, nil
	r.open, r.openPSNs, r.queued, r.bytes = 0, 0, 0, 0
	return acked, placed, rest
}
