package rc

import (
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
)

// An incoming is the message or the Write of the peer that has come in part. The goroutine in Received alone uses it.
type incoming struct {
	kind    ib.Traits // ib.Send or ib.Write; 0: there is none
	buffers *Buffers
	msg     *[]byte // what has come of a message of several packets
	key     uint32  // where a Write goes on
	addr    uint64
	left    int64 // bytes of a Write that have not come
}

// forgets says how often old Reads are forgotten: after two to the power of so many packets.
const forgets = 20

// done notes that the packet h has been executed, which has taken the next n PSNs.
func (r *responder) done(h *ib.BTH, n int) {
	kind := ib.Traits(0)
	if h.Opcode.Ends() {
		r.msn = r.msn.Add(1)
	} else {
		kind = h.Opcode.Traits() & (ib.Send | ib.Write)
	}
	if kind != r.in.kind {
		r.in.kind = kind
		r.q.count.unfinished.Store(kind != 0)
	}
	before := r.expected
	r.expected = r.expected.Add(n)
	if r.expected>>forgets != before>>forgets {
		r.q.mu.Lock()
		r.forget(r.expected)
		r.q.mu.Unlock()
	}
	if h.AckReq && !h.Opcode.Is(ib.Read) { // the response acknowledges a Read
		r.q.mu.Lock()
		r.acknowledge(h.PSN, r.msn)
		r.q.mu.Unlock()
	}
}

// send takes a packet of a message, and delivers the message if that was the last one. It needs no room: the message is lent
// until Received has returned, so that there is always one receive buffer.
func (r *responder) send(h *ib.BTH, b []byte) *violation {
	q, p := r.q, b[h.Opcode.HeaderLen():]
	have := 0
	if r.in.msg != nil {
		have = len(*r.in.msg)
	}
	if have+len(p) > q.conf.MaxMessage {
		return tooLong(q.conf.MaxMessage)
	}
	m := rdma.Message{Data: p}
	if !h.Opcode.Is(ib.Only) {
		if r.in.msg == nil {
			r.in.msg = r.in.buffers.get()
		}
		*r.in.msg = append(*r.in.msg, p...)
		q.count.copied.Add(int64(len(p)))
		m.Data = *r.in.msg
	}
	if h.Opcode.Is(ib.HasIETH) {
		key, _ := ib.ParseIETH(b[h.Opcode.Offset(ib.HasIETH):])
		if !q.mem.revoke(q, key) {
			return denied("the key that a message invalidates", windows.NoKey)
		}
		m.Invalidates, m.Invalidated = true, rdma.Key(key)
	}
	r.done(h, 1) // before the handler is called, which may take its time: the acknowledgement can be sent meanwhile
	if h.Opcode.Ends() {
		q.count.messagesIn.Add(1)
		r.h.Received(m)
		r.in.drop()
	}
	return nil
}

// drop gives the buffer of a message back.
func (i *incoming) drop() {
	if i.msg != nil {
		i.buffers.put(i.msg)
		i.msg = nil
	}
}

// write takes a packet of a Write. That all of it goes to one window is checked with the first packet, and again with each: the window may
// have been revoked.
func (r *responder) write(h *ib.BTH, b []byte) *violation {
	q, p, i := r.q, b[h.Opcode.HeaderLen():], &r.in
	n := int64(len(p))
	if h.Opcode.Starts() {
		e, _ := ib.ParseRETH(b[ib.BTHLen:])
		i.key, i.addr, i.left = e.Key, e.Address, int64(e.Length)
		if i.left > maxMessage {
			return invalid("an RDMA Write of %d bytes", i.left)
		}
	}
	if h.Opcode.Ends() != (n == i.left) || n > i.left {
		return invalid("opcode %#02x with %d bytes of an RDMA Write that has %d left", byte(h.Opcode), n, i.left)
	}
	if h.Opcode.Starts() {
		if v := q.mem.reach(i.key, i.addr, i.left, rdma.RemoteWrite); v != windows.Good {
			return denied("RDMA Write", v)
		}
	}
	if v := q.mem.place(i.key, i.addr, p); v != windows.Good {
		return denied("RDMA Write", v)
	}
	i.addr += uint64(n)
	i.left -= n
	q.count.placed.Add(n)
	q.count.copied.Add(n)
	q.count.copiedPlaced.Add(n)
	r.done(h, 1)
	return nil
}

// read takes a Read of the peer.
func (r *responder) read(h *ib.BTH, b []byte) *violation {
	q := r.q
	e, _ := ib.ParseRETH(b[ib.BTHLen:])
	n := packets(e.Length, q.conf.MTU)
	if n > 1<<22 { // half of the PSNs that are ahead
		return invalid("an RDMA Read of %d bytes", e.Length)
	}
	if v := q.mem.reach(e.Key, e.Address, int64(e.Length), rdma.RemoteRead); v != windows.Good {
		return denied("RDMA Read", v)
	}
	q.mu.Lock()
	ok := r.push(answer{psn: h.PSN, n: n, msn: r.msn.Add(1), reth: e, run: run{till: e.Length}})
	q.mu.Unlock()
	if !ok {
		return invalid("more than %d RDMA Reads at a time", q.conf.Serves)
	}
	r.done(h, n)
	return nil
}

// packets is how many packets n bytes are cut into (9.7.2: nothing is one packet too).
func packets(n uint32, mtu int) int { return max(1, (int(n)+mtu-1)/mtu) }
