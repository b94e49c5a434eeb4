package rc

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// TestResponderModel has a simple requester, which goes back to what is missing, move messages, Writes and Reads to the queue pair over a wire that
// loses, doubles and delays packets in both directions. Everything is executed once and in order, and each answer is one that a responder may give.
func TestResponderModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		newTeller(t, rt).run()
	})
}

// A teller is the requester of the test.
type teller struct {
	*rapid.T
	d        *desk
	serves   int
	slots    []slot // by PSN
	una      int    // what is before was acknowledged
	next     int    // the packet that is sent next
	faulty   bool
	held     []pkt // on the way for long
	written  []byte
	messages [][]byte
	into     *yard
	from     *yard
	answered map[int]bool // PSNs of Reads whose responses have left the queue pair
}

// A slot is a PSN: a packet of a message or of a Write, or one of the response to a Read.
type slot struct {
	pkt
	read  bool
	first int    // the PSN of its Read's request
	want  []byte // the payload of the response
	ends  bool   // a message ends with it
}

func newTeller(t *testing.T, rt *rapid.T) *teller {
	c := deskConf()
	c.Serves = rapid.IntRange(1, 4).Draw(rt, "serves")
	x := &teller{T: rt, d: started(t, c), serves: c.Serves, answered: make(map[int]bool)}
	x.into, x.from = x.d.expose(1500, rdma.RemoteWrite), x.d.expose(1500, rdma.RemoteRead)
	x.written = bytes.Clone(x.into.mem)
	for i := range rapid.IntRange(1, 12).Draw(rt, "works") {
		n := rapid.OneOf(rapid.SampledFrom([]int{0, 1, 255, 256, 257, 512}), rapid.IntRange(0, 1500)).Draw(rt, "size")
		off := rapid.IntRange(0, 1500-n).Draw(rt, "offset")
		data := count(n, byte(i*31+1))
		psns := packets(uint32(n), 256)
		switch kind := rapid.IntRange(0, 2).Draw(rt, "kind"); kind {
		case 0, 1:
			ops := [][4]ib.Opcode{{ib.SendFirst, ib.SendMiddle, ib.SendLast, ib.SendOnly}, {ib.WriteFirst, ib.WriteMiddle, ib.WriteLast, ib.WriteOnly}}[kind]
			for k := range psns {
				op := ops[1]
				switch {
				case psns == 1:
					op = ops[3]
				case k == 0:
					op = ops[0]
				case k == psns-1:
					op = ops[2]
				}
				x.slots = append(x.slots, slot{pkt: pkt{op: op, psn: len(x.slots), ack: k == psns-1, reth: x.into.reth(off, n), data: data[k*256 : min(n, k*256+256)]}, ends: k == psns-1})
			}
			if kind == 0 {
				x.messages = append(x.messages, data)
			} else {
				copy(x.written[off:], data)
			}
		case 2:
			first := len(x.slots)
			for k := range psns {
				at, to := k*256, min(n, k*256+256)
				p := pkt{op: ib.ReadRequest, psn: first + k, reth: x.from.reth(off+at, n-at)}
				x.slots = append(x.slots, slot{pkt: p, read: true, first: first, want: x.from.mem[off+at : off+to], ends: k == psns-1})
			}
		}
	}
	return x
}

func (x *teller) run() {
	x.faulty = true
	for round := 0; x.una < len(x.slots); round++ {
		if round > 400 {
			x.Fatalf("it gets no further than %d of %d", x.una, len(x.slots))
		}
		x.faulty = round < 60
		before := x.una
		x.take(x.exchange(x.fate(x.burst())))
		if x.una == before && (!x.faulty || rapid.IntRange(0, 3).Draw(x.T, "time-out") == 0) {
			x.next = x.una
		}
	}
	x.exchange(x.held)
	if !bytes.Equal(x.into.mem, x.written) {
		x.Fatal("memory is not what it should be")
	}
	x.into.untouched(0, 1500)
	x.from.untouched(0, 0)
	if len(x.d.h.messages) != len(x.messages) {
		x.Fatalf("%d messages of %d", len(x.d.h.messages), len(x.messages))
	}
	for i, m := range x.messages {
		if !bytes.Equal(x.d.h.messages[i].Data, m) {
			x.Fatalf("message %d is another", i)
		}
	}
	if len(x.d.ended) != 0 {
		x.Fatal(x.d.ended)
	}
	x.d.q.Disconnected(nil)
}

// burst makes the next packets.
func (x *teller) burst() (all []pkt) {
	for range rapid.IntRange(1, 8).Draw(x.T, "burst") {
		if x.next >= len(x.slots) {
			break
		}
		s := x.slots[x.next]
		if s.read {
			open := map[int]bool{s.first: true}
			for _, o := range x.slots[x.una:x.next] {
				if o.read {
					open[o.first] = true
				}
			}
			if len(open) > x.serves {
				break
			}
		}
		all = append(all, s.pkt)
		for x.next++; s.read && x.next < len(x.slots) && x.slots[x.next].read && x.slots[x.next].first == s.first; x.next++ {
		}
	}
	return all
}

// fate is what becomes of packets on the way.
func (x *teller) fate(all []pkt) (out []pkt) {
	if !x.faulty {
		return append(all, x.released()...)
	}
	for _, p := range all {
		switch rapid.IntRange(0, 11).Draw(x.T, "fate") {
		case 0: // lost
		case 1:
			out = append(out, p, p)
		case 2:
			x.held = append(x.held, p)
		case 3:
			out = append(out, p)
			if n := len(out); n > 1 {
				out[n-1], out[n-2] = out[n-2], out[n-1]
			}
		default:
			out = append(out, p)
		}
	}
	if rapid.IntRange(0, 5).Draw(x.T, "release") == 0 {
		out = append(out, x.released()...)
	}
	return out
}

func (x *teller) released() []pkt {
	all := x.held
	x.held = nil
	return all
}

// An reply is a packet of the queue pair.
type reply struct {
	op   ib.Opcode
	psn  int
	aeth ib.AETH
	data []byte
}

// exchange has the queue pair receive packets, and checks what it answers.
func (x *teller) exchange(all []pkt) (out []reply) {
	x.d.feed(all...)
	for _, b := range x.d.take() {
		h, _ := ib.ParseBTH(b)
		r := reply{op: h.Opcode, psn: h.PSN.Sub(x.d.psn), data: b[h.Opcode.HeaderLen():]}
		if h.Opcode.Is(ib.HasAETH) {
			r.aeth, _ = ib.ParseAETH(b[ib.BTHLen:])
		}
		x.allowed(r)
		out = append(out, r)
	}
	return out
}

// allowed checks that a responder may send r now.
func (x *teller) allowed(r reply) {
	executed := x.d.q.resp.expected.Sub(x.d.psn)
	if r.op != ib.Acknowledge {
		if r.psn >= executed || !x.slots[r.psn].read || !bytes.Equal(r.data, x.slots[r.psn].want) {
			x.Fatalf("a response to PSN %d of %d bytes", r.psn, len(r.data))
		}
		if r.op.Ends() && !x.slots[r.psn].ends || r.op.Is(ib.HasAETH) && int(r.aeth.MSN) != x.ended(x.end(r.psn)) {
			x.Fatalf("the response to PSN %d: opcode %#x, MSN %d", r.psn, byte(r.op), r.aeth.MSN)
		}
		x.answered[r.psn] = true
		return
	}
	done := r.psn + 1 // what is before is acknowledged
	switch {
	case r.aeth.Syndrome == ib.NAKSequence:
		if done = r.psn; done != executed {
			x.Fatalf("a NAK for %d, where %d is expected", done, executed)
		}
	case r.aeth.Syndrome != ib.AckUnlimited:
		x.Fatalf("syndrome %#x", byte(r.aeth.Syndrome))
	}
	if done > executed || int(r.aeth.MSN) != x.ended(done) {
		x.Fatalf("what is before %d is acknowledged, MSN %d; %d is expected", done, r.aeth.MSN, executed)
	}
	for i, s := range x.slots[:done] {
		if s.read && !x.answered[i] {
			x.Fatalf("what is before %d is acknowledged, and Read %d was not answered", done, i)
		}
	}
}

// ended is how many messages have ended before psn, and end the PSN behind the Read that psn is of.
func (x *teller) ended(psn int) (n int) {
	for _, s := range x.slots[:psn] {
		if s.ends {
			n++
		}
	}
	return n
}

func (x *teller) end(psn int) int {
	for !x.slots[psn].ends {
		psn++
	}
	return psn + 1
}

// take has the requester take answers, some of which get lost or come twice.
func (x *teller) take(all []reply) {
	for _, r := range all {
		times := 1
		if x.faulty {
			times = []int{0, 1, 1, 1, 1, 2}[rapid.IntRange(0, 5).Draw(x.T, "answer")]
		}
		for range times {
			x.hear(r)
		}
	}
}

func (x *teller) hear(r reply) {
	switch {
	case r.op != ib.Acknowledge:
		x.upTo(r.psn)
		if r.psn == x.una && x.slots[x.una].read {
			x.una++
		}
	case r.aeth.Syndrome == ib.NAKSequence:
		x.upTo(r.psn)
		x.next = x.una
	default:
		x.upTo(r.psn + 1)
	}
	x.next = max(x.next, x.una)
}

// upTo notes that the queue pair says that what is before psn is done. If the answer to a Read is missing the requester goes back to it.
func (x *teller) upTo(psn int) {
	for x.una < psn {
		if x.slots[x.una].read {
			x.next = x.una
			return
		}
		x.una++
	}
}
