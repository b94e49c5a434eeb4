package rc

import (
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// ackEvery is after how many packets at the most an acknowledgement is asked for.
const ackEvery = 32

// send makes the next packet. false: there is none, or it may not be sent now. Packets that were lost come first, since order is by PSN. r.q.mu is held.
func (r *requester) send(p *packet) bool {
	if r.clocks.rnr > r.clock || r.bad != nil {
		return false
	}
	if r.clocks.probe {
		r.clocks.probe = false
		if r.busy() {
			r.probe(p)
			return true
		}
	}
	if w, a, b := r.ask(); w != nil && (r.cur == nil || a.Sub(r.at()) < 0) {
		r.request(p, w, a, b)
		return true
	}
	if r.cur == nil {
		w := r.assign()
		if w == nil {
			return false
		}
		if w.Op == rdma.Read {
			r.request(p, w, first(w), r.end(w))
			return true
		}
		r.cur, r.idx = w, 0
	}
	if r.outstanding() >= r.limits.size {
		return false
	}
	w, i := r.cur, r.idx
	last := i+1 == r.psns(w)
	r.quiet++
	ask := last || r.quiet >= min(ackEvery, r.limits.size/2) || r.outstanding()+1 >= r.limits.size
	r.segment(p, w, i, ask)
	if r.idx++; last {
		r.cur, r.idx = w.Next, 0
	}
	return true
}

// at is the PSN of the next packet of flight. There is one. r.q.mu is held.
func (r *requester) at() ib.PSN { return first(r.cur).Add(r.idx) }

// began notes that a packet of w, that ends before the PSN end, is sent; it returns whether it is so for the first time. ask: an acknowledgement is asked for. r.q.mu is held.
func (r *requester) began(p *packet, psn, end ib.PSN, ask bool) bool {
	if ask {
		r.quiet = 0
	}
	if end.Sub(r.sent) <= 0 {
		r.losses.Resent++
		r.clocks.resent(psn, ask, r.clock)
		return false
	}
	r.sent = end
	r.q.count.bytesOut.Add(int64(p.size()))
	if ask {
		r.clocks.time(psn, r.clock)
	}
	return true
}

// segment makes packet i of w, which is a Send or a Write. r.q.mu is held.
func (r *requester) segment(p *packet, w *rdma.Work, i int, ask bool) {
	mtu := int64(r.q.conf.MTU)
	total := length(w)
	off := int64(i) * mtu
	size := min(mtu, total-off)
	h := ib.BTH{PSN: first(w).Add(i), AckReq: ask}
	begins, last := i == 0, off+size == total
	h.Opcode = opcode(w.Op, begins, last)
	h.Solicited = w.Solicited && last && w.Op != rdma.Write
	r.q.begin(p, h)
	switch {
	case w.Op == rdma.Write && begins:
		e := ib.RETH{Address: w.Remote.Addr, Key: uint32(w.Remote.Key), Length: uint32(w.Len)}
		p.head = e.Append(p.head)
	case w.Op == rdma.SendInvalidate && last:
		p.head = ib.AppendIETH(p.head, uint32(w.Invalidate))
	}
	left := size
	if w.Op != rdma.Write {
		if k := int64(len(w.Head)); off < k {
			n := min(k-off, left)
			p.pieces = append(p.pieces, w.Head[off:off+n])
			left -= n
			off = 0
		} else {
			off -= k
		}
	}
	for left > 0 {
		b := w.Data.At(w.At + off)
		if len(b) == 0 { // it is longer than its lease: a mistake of the poster's
			r.bad = errBeyond
			p.pieces = append(p.pieces[:0], make([]byte, size))
			break
		}
		b = b[:min(int64(len(b)), left)]
		p.pieces = append(p.pieces, b)
		off += int64(len(b))
		left -= int64(len(b))
	}
	if !r.began(p, h.PSN, h.PSN.Add(1), ask) {
		return
	}
	r.bytes -= size
	if last {
		r.queued--
	}
	if begins && w != &r.alive {
		if w.Op == rdma.Write {
			r.q.count.writes.Add(1)
		} else {
			r.q.count.messagesOut.Add(1)
		}
	}
}

// opcode is that of a packet of a Send or Write.
func opcode(op rdma.Op, begins, last bool) ib.Opcode {
	o := ib.SendMiddle
	switch {
	case begins && last:
		o = ib.SendOnly
	case begins:
		o = ib.SendFirst
	case last:
		o = ib.SendLast
	}
	switch {
	case op == rdma.Write && o == ib.SendOnly:
		return ib.WriteOnly
	case op == rdma.Write:
		return o - ib.SendFirst + ib.WriteFirst
	case op == rdma.SendInvalidate && o == ib.SendOnly:
		return ib.SendOnlyInvalidate
	case op == rdma.SendInvalidate && o == ib.SendLast:
		return ib.SendLastInvalidate
	}
	return o
}

// request makes the packet that asks for what the PSNs from a to before b answer of w. r.q.mu is held.
func (r *requester) request(p *packet, w *rdma.Work, a, b ib.PSN) {
	mtu := int64(r.q.conf.MTU)
	from := int64(a.Sub(first(w))) * mtu
	to := min(int64(b.Sub(first(w)))*mtu, w.Len)
	r.q.begin(p, ib.BTH{Opcode: ib.ReadRequest, PSN: a, AckReq: true})
	e := ib.RETH{Address: w.Remote.Addr + uint64(from), Key: uint32(w.Remote.Key), Length: uint32(to - from)}
	p.head = e.Append(p.head)
	if r.began(p, a, b, true) {
		r.queued--
		r.q.count.reads.Add(1)
	} else {
		r.losses.Asked++
		r.asked(w, b)
	}
}

// probe makes the packet that is the oldest without an answer: the answer to it says what is missing, and the oldest may be what is. r.q.mu is held.
func (r *requester) probe(p *packet) {
	r.losses.Probes++
	r.clocks.probed(r.sent)
	if w := r.flight.head; w != nil && (r.reads.head == nil || r.oldest() != r.missing()) {
		r.segment(p, w, max(0, r.una.Sub(first(w))), true)
		return
	}
	w := r.reads.head
	a, b := r.hole(w, r.end(w))
	r.request(p, w, a, b)
}
