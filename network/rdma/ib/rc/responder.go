package rc

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
)

// A responder answers the requests of the peer (9.7.5). Each packet has the PSN that is expected, or is ahead of it, or is a
// duplicate. Requests are executed as they come, in order: memory is written, messages are delivered (incoming.go). What the peer is owed
// for them, responses and acknowledgements, is noted, and made into packets by who sends (owed.go).
type responder struct {
	q *QP

	// What follows is used by the goroutine in Received alone.
	expected ib.PSN        // of the next packet
	msn      ib.MSN        // messages that are complete
	h        rdma.Handler  // nil as long as there is none
	refused  bool          // a NAK says that the peer has to send expected again, and that has not come
	ahead    ib.PSN        // of the packet that was ahead, or was refused
	told     time.Duration // when the peer was told
	in       incoming

	owed // the queue pair's mu guards it
}

// notReady is how long a peer waits whose message comes before there is a handler (9.7.5.2.8).
const notReady = time.Millisecond

func (r *responder) init(q *QP) {
	r.q = q
	r.expected = q.conf.Expects
	r.owed.max = q.conf.Serves
	if r.in.buffers = q.conf.Buffers; r.in.buffers == nil {
		r.in.buffers = new(Buffers)
	}
}

// A violation is what a peer has done that ends the connection: what it is told, and what we are.
type violation struct {
	syndrome ib.Syndrome
	err      error
}

func invalid(format string, args ...any) *violation {
	return &violation{ib.NAKInvalid, fmt.Errorf("%w: %s", rdma.ErrProtocol, fmt.Sprintf(format, args...))}
}

func tooLong(most int) *violation {
	return &violation{ib.NAKInvalid, fmt.Errorf("%w: %d bytes are taken", rdma.ErrLength, most)}
}

func denied(what string, v windows.Verdict) *violation {
	return &violation{ib.NAKAccess, fmt.Errorf("%w: %s: %s", rdma.ErrAccess, what, reasons[v])}
}

var reasons = [...]string{
	windows.NoKey: "the key is none of ours", windows.Denied: "that right was not given", windows.Wraps: "the addresses wrap",
	windows.Beyond: "not all of it is inside the window",
}

// receive takes a packet of the peer's requester, which is long enough for its headers (if its opcode is known). It is called by the goroutine in Received, with no lock held.
func (r *responder) receive(h ib.BTH, b []byte) {
	switch d := h.PSN.Sub(r.expected); {
	case d < 0:
		r.duplicate(&h, b)
	case d > 0:
		r.gap(&h)
	default:
		r.execute(&h, b)
	}
}

// patient is how long the peer may go on with what is ahead before it is told once more: it may not have been told.
const patient = 20 * time.Millisecond

// gap takes a packet that is ahead of what is expected: something is missing, which the peer is told once (9.7.5.2.2). It is told again when
// the peer has evidently gone back, since the same packet comes again, or one before it, and what is missing is missing again; and when it evidently was not told:
// nothing else but the peer's time-out would help, which is seconds with many.
func (r *responder) gap(h *ib.BTH) {
	now := r.q.now()
	if r.refused && h.PSN.Sub(r.ahead) > 0 && now-r.told < patient {
		return
	}
	r.refuses(ib.NAKSequence, h.PSN, now)
}

// refuses tells the peer that it has to send again from what is expected on, because of the packet psn.
func (r *responder) refuses(s ib.Syndrome, psn ib.PSN, now time.Duration) {
	r.refused, r.ahead, r.told = true, psn, now
	r.q.mu.Lock()
	r.refuse(s, r.expected, r.msn)
	r.q.mu.Unlock()
}

// execute takes the packet that is expected.
func (r *responder) execute(h *ib.BTH, b []byte) {
	r.h = r.handler()
	if r.h == nil && h.Opcode.Is(ib.Send) && h.Opcode.Starts() {
		// The peer sends it again, and everything behind it, which is ahead until then (9.7.5.2.8).
		r.refuses(ib.RNR(notReady), h.PSN, r.q.now())
		return
	}
	bad := r.check(h, len(b)-h.Opcode.HeaderLen())
	if bad == nil {
		if r.refused {
			r.refused = false
			r.q.mu.Lock()
			r.recovered()
			r.q.mu.Unlock()
		}
		switch {
		case h.Opcode.Is(ib.Send):
			bad = r.send(h, b)
		case h.Opcode.Is(ib.Write):
			bad = r.write(h, b)
		default:
			bad = r.read(h, b)
		}
	}
	if bad != nil {
		r.fail(bad)
	}
}

// handler is the handler of messages, or nil before there is one.
func (r *responder) handler() rdma.Handler {
	if r.h != nil {
		return r.h
	}
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	return r.q.h
}

// fail tells the peer what it has done, and ends the queue pair.
func (r *responder) fail(bad *violation) {
	r.q.mu.Lock()
	r.refuse(bad.syndrome, r.expected, r.msn)
	r.q.mu.Unlock()
	r.q.finish(bad.err, true)
}

// check checks what the opcode alone says of a packet that is expected and has n bytes of payload (9.7.4.1): whether it may come
// now, and whether it may be as long.
func (r *responder) check(h *ib.BTH, n int) *violation {
	o, mtu := h.Opcode, r.q.conf.MTU
	kind := o.Traits() & (ib.Send | ib.Write | ib.Read)
	switch {
	case kind == 0 || o.Is(ib.Atomic) || !o.Is(ib.Request):
		return invalid("opcode %#02x", byte(o))
	case o.Is(ib.HasImmediate):
		// There is nobody whom it could be delivered to, and nobody is to believe that it was.
		return invalid("immediate data")
	case o.Starts() && r.in.kind != 0:
		return invalid("opcode %#02x inside of a message", byte(o))
	case !o.Starts() && r.in.kind != kind:
		return invalid("opcode %#02x where no such message has begun", byte(o))
	case o.Is(ib.Read) && n != 0:
		return invalid("an RDMA Read with %d bytes of payload", n)
	case o.Is(ib.First|ib.Middle) && n != mtu, o.Is(ib.Last) && n == 0, n > mtu:
		return invalid("opcode %#02x with %d bytes where packets have %d", byte(o), n, mtu)
	}
	return nil
}

// duplicate takes a packet that has been executed before (9.7.5.1.2). Nothing is executed again. A message or a Write is acknowledged, a Read is
// answered again if it is remembered; if it is not the peer has its answer, since it may have no more outstanding.
func (r *responder) duplicate(h *ib.BTH, b []byte) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	switch t := h.Opcode.Traits(); {
	case t&(ib.Send|ib.Write) != 0:
		r.acknowledgeAgain(h.PSN, r.expected.Add(-1), r.msn)
	case t&ib.Read != 0:
		if e, ok := ib.ParseRETH(b[ib.BTHLen:]); ok {
			r.repeat(h.PSN, &e, r.q.conf.MTU)
		}
	}
}
