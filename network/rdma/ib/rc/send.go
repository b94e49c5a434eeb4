package rc

import (
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A packet is one that is being made. There is one for each queue pair: that of who sends.
type packet struct {
	head   []byte   // the headers; its memory is used again
	pieces [][]byte // the payload, which is borrowed until the outlet was flushed; its memory is used again
}

// begin begins a packet: extension headers are appended to p.head after it, and pieces of payload to p.pieces.
func (q *QP) begin(p *packet, h ib.BTH) {
	h.PKey, h.Dest = ib.DefaultPKey, q.conf.Peer
	p.head = h.Append(p.head[:0])
	p.pieces = p.pieces[:0]
}

// size is how many bytes the packet has so far.
func (p *packet) size() int {
	n := len(p.head)
	for _, b := range p.pieces {
		n += len(b)
	}
	return n
}

// maxBurst is how many packets are sent before mu is looked after: works whose acknowledgement has come are given back then, and the pace is asked about.
const maxBurst = 256

// maxSent is after how many packets the rest is left to the alarm: who sends most likely is who receives, which others wait for too, and a peer may have asked for
// as much as it likes.
const maxSent = 512

// send sends what there is to be sent, unless another goroutine does: then that one goes on.
func (q *QP) send() {
	q.mu.Lock()
	q.wake = true
	if q.sending || q.wound {
		q.mu.Unlock()
		return
	}
	q.sending = true
	sent := 0
	for !q.wound {
		if back := q.req.acked; back.head != nil { // nothing is in the outlet
			q.req.acked = works{}
			q.mu.Unlock()
			q.give(back, nil)
			q.mu.Lock()
			continue
		}
		if !q.wake {
			break
		}
		if sent >= maxSent && !q.over {
			q.ring(q.now())
			break
		}
		q.wake = false
		if q.quiet > q.now() && !q.over {
			q.ring(q.quiet)
			break
		}
		q.mu.Unlock()
		sent += q.burst()
		q.mu.Lock()
	}
	q.sending = false
	q.rearm(q.now())
	q.mu.Unlock()
	q.settle()
}

// burst sends up to maxBurst packets, and returns how many. Only the one who sends calls it.
func (q *QP) burst() (n int) {
	q.io.Lock()
	out, bytes := q.conf.Outlet, 0
	q.req.clock = q.now()
	full := false
	for ; ; n++ {
		if full = n == maxBurst || out.Room() == 0; full {
			break
		}
		q.mu.Lock()
		ok := q.next()
		q.mu.Unlock()
		if !ok {
			break
		}
		bytes += q.out.size()
		out.Packet(q.out.head, q.out.pieces...)
	}
	wait := time.Duration(0)
	if n > 0 {
		out.Flush()
		q.count.sends.Add(1)
		if q.conf.Pace != nil {
			wait = q.conf.Pace(bytes)
		}
	}
	q.mu.Lock()
	q.resp.sent()
	if full { // there may be more
		q.wake = true
	}
	if wait > 0 {
		q.quiet = q.now() + wait
		q.wake = true
	}
	bad, words := q.req.bad, false
	if q.resp.bad != nil {
		bad, words = q.resp.bad, true
	}
	q.mu.Unlock()
	clear(q.out.pieces)
	q.io.Unlock()
	if bad != nil {
		q.finish(bad, words)
	}
	return n
}

// share is how many packets the responder and the requester send in turn while both have some: a large Read of the peer holds up what is posted no more than the other way round.
const share = 8

// next makes the next packet. mu is held.
func (q *QP) next() bool {
	if q.over {
		q.parting = q.parting && q.resp.next(&q.out)
		return q.parting
	}
	for range 2 {
		if q.turn < share {
			if q.resp.next(&q.out) {
				q.turn++
				q.count.bytesOut.Add(int64(q.out.size()))
				return true
			}
			q.turn = share
			continue
		}
		if q.req.send(&q.out) {
			q.turn = (q.turn + 1) % (2 * share)
			return true
		}
		q.turn = 0
	}
	return false
}
