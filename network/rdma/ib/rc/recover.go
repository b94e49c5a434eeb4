package rc

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

var errBeyond = errors.New("rdma: a work that is longer than its memory")

// due is when elapsed has to be called; 0: it is not known that it has to be. r.q.mu is held.
func (r *requester) due(now time.Duration) time.Duration {
	c := &r.clocks
	switch {
	case c.rnr > now:
		return c.rnr
	case !r.busy():
		return 0
	}
	if r.plain {
		return c.expires()
	}
	return min(c.expires(), c.probing())
}

// elapsed looks whether an answer is overdue: then packets will be sent again. An error ends the queue pair. r.q.mu is held.
func (r *requester) elapsed(now time.Duration) error {
	c := &r.clocks
	if c.rnr > now || !r.busy() {
		return nil
	}
	switch {
	case now >= c.expires():
		if c.retries++; c.retries > r.q.conf.Retries {
			return fmt.Errorf("%w: no answer to %d retries", rdma.ErrLost, r.q.conf.Retries)
		}
		r.losses.Timeouts++
		c.since, c.probes = now, 0
		r.lost()
		r.gaps.reset()
		r.back()
	case now >= c.probing() && !r.plain:
		c.probes++
		c.probe = true
	}
	return nil
}

// back has everything sent again from the first packet on that the peer has not received, and Reads asked for again. r.q.mu is held.
func (r *requester) back() {
	r.cur, r.idx = r.flight.head, 0
	if r.cur != nil {
		r.idx = max(0, r.una.Sub(first(r.cur)))
	}
	if r.reads.head != nil {
		g := &r.gaps
		// What the peer has not received it was not asked for.
		g.parts = slices.DeleteFunc(g.parts, func(x part) bool { return x.until.Sub(r.una) > 0 })
		g.known, g.unsure, g.to = true, true, r.next
	}
	r.quiet = 0
	r.clocks.waiting = false
}

// upTo notes that the peer has received what is before the PSN n. It returns whether that is new. r.q.mu is held.
func (r *requester) upTo(n ib.PSN, now time.Duration) bool {
	if n.Sub(r.una) <= 0 || n.Sub(r.sent) > 0 {
		return false
	}
	before := r.una
	r.una = n
	acked := 0
	w := r.flight.head
	for ; w != nil && r.end(w).Sub(n) <= 0; w = r.flight.head {
		acked += r.end(w).Sub(later(before, first(w)))
		if r.cur == w {
			r.cur, r.idx = w.Next, 0
		}
		r.acked.push(r.flight.pop())
	}
	if w != nil {
		if k := n.Sub(first(w)); k > 0 {
			acked += n.Sub(later(before, first(w)))
			if r.cur == w {
				r.idx = max(r.idx, k)
			}
		}
	}
	r.limits.grow(acked, n)
	r.clocks.progress(now)
	r.clocks.answered(n, now)
	return true
}

// later is the one of two PSNs that is behind the other.
func later(a, b ib.PSN) ib.PSN {
	if a.Sub(b) > 0 {
		return a
	}
	return b
}

// acknowledged takes an acknowledgement, or a NAK. An error ends the queue pair. r.q.mu is held.
func (r *requester) acknowledged(p ib.PSN, e ib.AETH, now time.Duration) error {
	s := e.Syndrome
	if s.IsAck() {
		if p.Sub(r.sent) >= 0 || p.Add(1).Sub(r.una) < 0 {
			r.losses.Ghosts++
			return nil
		}
		r.credit(e)
		if r.upTo(p.Add(1), now) {
			r.askUpTo(r.una) // the answers were sent before
			if c := &r.clocks; c.waiting {
				c.waiting = false
				if r.una.Sub(c.upTo) < 0 && r.flight.head != nil { // what was sent before the probe has not come
					r.lost()
					r.back()
				}
			}
		}
		return nil
	}
	if p.Sub(r.sent) >= 0 || p.Sub(r.oldest()) < 0 || !r.busy() {
		r.losses.Ghosts++
		return nil
	}
	switch {
	case s.IsRNR():
		r.upTo(p, now)
		if p != r.una || r.clocks.rnr > now {
			return nil // it is old, or another one for the same
		}
		r.losses.RNRs++
		if r.clocks.rnrs++; r.clocks.rnrs > r.q.conf.RNR && r.q.conf.RNR < 7 {
			return fmt.Errorf("%w: it was not ready for a message %d times", rdma.ErrRemote, r.clocks.rnrs)
		}
		r.clocks.rnr = now + s.Delay()
		r.clocks.since, r.clocks.retries, r.clocks.probes = r.clocks.rnr, 0, 0
		r.back()
	case s == ib.NAKSequence:
		fresh := r.upTo(p, now)
		if p != r.una || !fresh && r.gone(p, now) {
			return nil
		}
		r.losses.NAKs++
		r.nak, r.nakAt = p, now
		r.lost()
		r.back()
	case s.IsNAK():
		r.upTo(p, now)
		what := rdma.ErrRemote
		if s == ib.NAKAccess {
			what = rdma.ErrRemoteAccess
		}
		return fmt.Errorf("%w: NAK %#x", what, uint8(s))
	}
	return nil
}

// gone reports that everything from p on was sent again after a NAK for p, and that an answer to that cannot have come yet: the NAK came twice. r.q.mu is held.
func (r *requester) gone(p ib.PSN, now time.Duration) bool {
	return r.losses.NAKs > 0 && r.nak == p && now-r.nakAt < max(r.clocks.srtt, minProbe)
}

// credit notes how many messages the peer has room for (9.7.7.2). r.q.mu is held.
func (r *requester) credit(e ib.AETH) {
	if !r.q.conf.Credits {
		return
	}
	n, limited := e.Syndrome.Credits()
	if !limited {
		r.short = false
		return
	}
	if l := e.MSN.Add(n); !r.short || l.Sub(r.lsn) > 0 {
		r.lsn, r.short = l, true
	}
}

// lost notes that packets were lost. r.q.mu is held.
func (r *requester) lost() {
	if !r.plain {
		r.limits.lost(r.una, r.sent)
	}
}
