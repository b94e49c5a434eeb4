package rc

import (
	"fmt"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// receive takes a packet of the peer's responder, which is long enough for its headers. It is called by the goroutine in Received.
func (r *requester) receive(h ib.BTH, b []byte) {
	q := r.q
	q.mu.Lock()
	var err error
	if q.over {
		q.mu.Unlock()
		return
	}
	switch {
	case h.Opcode == ib.Acknowledge:
		e, _ := ib.ParseAETH(b[ib.BTHLen:])
		err = r.acknowledged(h.PSN, e, q.now())
	case h.Opcode.Is(ib.Read):
		if w, i := r.wants(h.PSN); w == nil {
			r.losses.Ghosts++
			r.clocks.late(q.now())
			r.letter(h.PSN)
		} else {
			data := b[h.Opcode.HeaderLen():]
			if h.Opcode.Is(ib.HasAETH) {
				e, _ := ib.ParseAETH(b[ib.BTHLen:])
				r.credit(e)
			}
			if err = r.fits(w, i, h.Opcode, len(data)); err == nil {
				q.mu.Unlock()
				err = r.place(w, i, data) // nobody gives w back but this goroutine, or who comes after it
				q.mu.Lock()
				if err == nil {
					r.came(h.PSN)
				}
			}
		}
	default:
		r.losses.Ghosts++ // we ask for nothing atomic
	}
	placed, acked := r.placed, works{}
	r.placed = works{}
	if !q.sending {
		acked, r.acked = r.acked, works{}
	}
	q.mu.Unlock()
	q.give(acked, nil)
	q.give(placed, nil)
	if err != nil {
		q.finish(err, false)
	}
}

// wants returns the Read that the response psn belongs to, and which of its packets it is; nil: there is none, or it came before, or it is too far ahead. r.q.mu is held.
func (r *requester) wants(psn ib.PSN) (*rdma.Work, int) {
	if r.reads.head == nil {
		return nil, 0
	}
	m := r.missing()
	if d := psn.Sub(m); d < 0 || d >= gapBits || r.plain && d > 0 || r.gaps.has(psn) {
		return nil, 0
	}
	for w := r.reads.head; w != nil; w = w.Next {
		if i := psn.Sub(first(w)); i >= 0 && psn.Sub(r.end(w)) < 0 {
			return w, i
		}
	}
	return nil, 0
}

// fits checks that packet i of the answer to w is as long as it has to be, and ends the answer or does not. (One that ends what was asked for again alone looks like
// the end.)
func (r *requester) fits(w *rdma.Work, i int, o ib.Opcode, n int) error {
	mtu := int64(r.q.conf.MTU)
	left := w.Len - int64(i)*mtu
	switch {
	case int64(n) != min(left, mtu):
		return fmt.Errorf("%w: a Read Response of %d bytes where %d are left", rdma.ErrProtocol, n, left)
	case left <= mtu && !o.Ends():
		return fmt.Errorf("%w: a Read Response that does not end where the Read does", rdma.ErrProtocol)
	}
	return nil
}

// place copies packet i of the answer to w to where it belongs.
func (r *requester) place(w *rdma.Work, i int, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if err := w.Data.Fill(); err != nil {
		return fmt.Errorf("%w: %w", rdma.ErrExhausted, err)
	}
	n := w.Data.Copy(w.At+int64(i)*int64(r.q.conf.MTU), data)
	c := &r.q.count
	c.copied.Add(int64(n))
	c.copiedPlaced.Add(int64(n))
	c.placed.Add(int64(n))
	if n < len(data) {
		return errBeyond
	}
	return nil
}

// came notes that the response psn is in place. r.q.mu is held.
func (r *requester) came(psn ib.PSN) {
	now := r.q.now()
	r.clocks.waiting = false
	mtu := int64(r.q.conf.MTU)
	m := r.missing()
	r.gaps.mark(psn)
	for w := r.reads.head; w != nil && r.gaps.take(m); w = r.reads.head {
		w.Moved = min(w.Len, w.Moved+mtu)
		if m = m.Add(1); m == r.end(w) {
			r.reads.pop()
			r.limits.growReads(r.psns(w))
			r.placed.push(w)
			r.ended(w)
			r.gaps.forget(first(w))
			if r.reads.head != nil {
				m = first(r.reads.head)
			}
		}
	}
	if !r.upTo(psn.Add(1), now) { // a response acknowledges the request, and what was before
		r.clocks.moved(now)
	}
	g := &r.gaps
	if r.reads.head == nil {
		g.reset()
		return
	}
	g.unsure = g.known
	if g.marked >= reordered {
		r.askUpTo(g.high.Add(-reordered))
	}
}

// reordered is how many packets may come before one that was sent before them, until that one is thought to be lost.
const reordered = 3
