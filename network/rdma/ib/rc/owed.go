package rc

import (
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
)

// An answer is a Read of the peer: one that is to be answered, or one that is remembered, since the peer may ask for it again.
type answer struct {
	psn  ib.PSN  // of its first packet
	n    int     // packets that it has
	msn  ib.MSN  // after it
	reth ib.RETH // what the peer has asked for
	run          // what has not been answered yet
}

// A run is packets of an answer that are to be sent, one after the other.
type run struct {
	next  int    // the packet of the answer that is sent next
	till  uint32 // bytes of the answer up to which it goes
	begun bool   // a packet of the run was sent: the next is not a first one
	done  bool
}

// A repetition is a part of an answer that is sent again.
type repetition struct {
	read int // which Read it is of
	run
}

// maxRepetitions is how many parts of answers may wait to be sent again. What is too much the peer asks for once more.
const maxRepetitions = 64

// An owed is what the peer is to get, in the order of its requests (9.7.5.1.1): responses of Reads come first, those of old requests before those of new ones; an
// acknowledgement says that everything before it is done, so that the newest one that is owed is enough, and none is needed before a
// response that comes later. A NAK is the last. The queue pair's mu guards it.
type owed struct {
	max           int      // Reads that are served at a time, and remembered
	ring          []answer // Read i is in ring[i%max]
	oldest, total int      // Reads oldest to total-1 are remembered
	todo          int      // Reads before it are done
	again         []repetition

	ack struct {
		due bool
		psn ib.PSN
		msn ib.MSN
	}
	nak struct {
		due      bool
		syndrome ib.Syndrome
		psn      ib.PSN
		msn      ib.MSN
	}
	using []*windows.Window // that packets in the outlet lead to
	bad   error             // why the queue pair has to end, found by who sends
}

func (o *owed) at(i int) *answer { return &o.ring[i%o.max] }

// push remembers a Read, and forgets the oldest one if there are as many as the peer may have: that it asks for another shows that it has got that answer. false: the
// peer has more.
func (o *owed) push(x answer) bool {
	if o.max == 0 {
		return false
	}
	if o.ring == nil {
		o.ring = make([]answer, o.max)
	}
	if o.total-o.oldest == o.max {
		if o.todo == o.oldest && !o.at(o.oldest).done {
			return false
		}
		o.oldest++
		o.todo = max(o.todo, o.oldest)
	}
	*o.at(o.total) = x
	o.total++
	o.ack.due = false // the response says the same
	return true
}

// forget forgets Reads that were answered long before expected: no peer has so many packets outstanding, and PSNs come again.
func (o *owed) forget(expected ib.PSN) {
	for o.oldest < o.todo && expected.Sub(o.at(o.oldest).psn) > 1<<22 {
		o.oldest++
	}
}

// repeat sends the answer to a Read again from psn on, if it is remembered and was as e says (9.7.5.1.2): what is asked for now lies in what was asked for then.
func (o *owed) repeat(psn ib.PSN, e *ib.RETH, mtu int) {
	i := o.total - 1
	for i >= o.oldest && psn.Sub(o.at(i).psn) < 0 {
		i--
	}
	if i < o.oldest {
		return
	}
	x := o.at(i)
	k := psn.Sub(x.psn)
	skip := uint32(k * mtu)
	if k >= x.n || e.Key != x.reth.Key || e.Address != x.reth.Address+uint64(skip) || e.Length > x.reth.Length-skip || e.Length == 0 && x.reth.Length > 0 {
		return
	}
	r := run{next: k, till: skip + e.Length}
	switch {
	case !x.done && k >= x.next: // it comes anyway
		return
	case !x.done && r.till > uint32(x.next*mtu): // so does what follows
		x.next, x.begun = k, false
		return
	}
	for _, a := range o.again {
		if a.read == i && a.next <= r.next && a.till >= r.till {
			return // it will be
		}
	}
	if len(o.again) < maxRepetitions {
		o.again = append(o.again, repetition{i, r})
	}
}

// acknowledge notes that psn is to be acknowledged.
func (o *owed) acknowledge(psn ib.PSN, msn ib.MSN) {
	if !o.ack.due || psn.Sub(o.ack.psn) > 0 {
		o.ack.due, o.ack.psn, o.ack.msn = true, psn, msn
	}
}

// acknowledgeAgain notes that psn, which has come again, is to be acknowledged: with everything up to newest, but not beyond a Read behind psn.
// The peer goes back to psn, and asks for that Read again if it has not got the answer; an acknowledgement beyond it would tell the peer
// that the answer was lost, and have it go back once more.
func (o *owed) acknowledgeAgain(psn, newest ib.PSN, msn ib.MSN) {
	for i := o.oldest; i < o.total; i++ {
		if x := o.at(i); x.psn.Sub(psn) > 0 {
			newest, msn = x.psn.Add(-1), x.msn.Add(-1)
			break
		}
	}
	o.acknowledge(newest, msn)
}

// refuse notes that the peer is to be told that psn was not executed.
func (o *owed) refuse(s ib.Syndrome, psn ib.PSN, msn ib.MSN) {
	o.nak.due, o.nak.syndrome, o.nak.psn, o.nak.msn = true, s, psn, msn
}

// recovered notes that the packet was executed that the peer was to be told of.
func (o *owed) recovered() { o.nak.due = false }

// next makes the next packet that the peer is owed: responses of Reads, acknowledgements and NAKs, in the order of the requests. false: there is none. It is asked before the
// requester is. If the queue pair is over only last words are wanted: what is owed but for responses that come before a NAK. A message is owed its
// acknowledgement before its handler is called, which may take long: then it is sent meanwhile. r.q.mu is held.
func (r *responder) next(p *packet) bool {
	if r.q.over && r.nak.due { // what it was for may be anything
		r.todo, r.again = r.total, r.again[:0]
	}
	for len(r.again) > 0 {
		a := &r.again[0]
		// One that cannot be made is given up: its Read is forgotten, or the window was revoked. Either way the peer has most likely got the answer, and the request was late.
		ok := a.read >= r.oldest && r.respond(r.at(a.read), &a.run, p) == windows.Good
		if !ok || a.done {
			r.again = r.again[:copy(r.again, r.again[1:])]
		}
		if ok {
			return true
		}
	}
	for ; r.todo < r.total; r.todo++ {
		a := r.at(r.todo)
		if a.done {
			continue
		}
		v := r.respond(a, &a.run, p)
		if v == windows.Good {
			return true
		}
		// A part of the answer may have left, and the rest cannot follow: the connection has to end.
		a.done = true
		r.refuse(ib.NAKAccess, a.psn.Add(a.next), a.msn.Add(-1))
		r.bad = denied("an RDMA Read that was not answered yet", v).err
		break
	}
	var e ib.AETH
	var psn ib.PSN
	switch {
	case r.nak.due: // it acknowledges what is before it, too
		e, psn = ib.AETH{Syndrome: r.nak.syndrome, MSN: r.nak.msn}, r.nak.psn
	case r.ack.due:
		e, psn = ib.AETH{Syndrome: ib.AckUnlimited, MSN: r.ack.msn}, r.ack.psn
	default:
		return false
	}
	r.nak.due, r.ack.due = false, false
	r.q.begin(p, ib.BTH{Opcode: ib.Acknowledge, PSN: psn})
	p.head = e.Append(p.head)
	return true
}

// respond makes the next packet of an answer. It is made if the window is what it was. r.q.mu is held.
func (r *responder) respond(a *answer, x *run, p *packet) windows.Verdict {
	mtu := uint32(r.q.conf.MTU)
	skip := uint32(x.next) * mtu
	n := min(mtu, x.till-skip)
	last := skip+n == x.till
	h := ib.BTH{PSN: a.psn.Add(x.next)}
	switch {
	case !x.begun && last:
		h.Opcode = ib.ReadOnly
	case !x.begun:
		h.Opcode = ib.ReadFirst
	case last:
		h.Opcode = ib.ReadLast
	default:
		h.Opcode = ib.ReadMiddle
	}
	r.q.begin(p, h)
	if h.Opcode.Is(ib.HasAETH) {
		p.head = (&ib.AETH{Syndrome: ib.AckUnlimited, MSN: a.msn}).Append(p.head)
	}
	if n > 0 {
		var w *windows.Window
		var v windows.Verdict
		if p.pieces, w, v = r.q.mem.lend(p.pieces, a.reth.Key, a.reth.Address+uint64(skip), int64(n)); v != windows.Good {
			return v
		}
		r.using = append(r.using, w)
	}
	if r.ack.due && r.ack.psn.Sub(h.PSN) < 0 {
		r.ack.due = false // the response says the same
	}
	x.next++
	x.begun, x.done = true, last
	return windows.Good
}

// sent tells that what next has made is out of the outlet. r.q.mu is held.
func (r *responder) sent() {
	r.q.mem.leave(r.using)
	r.using = r.using[:0]
}

// close is called when the queue pair is wound up: nobody receives or sends any more, or will. r.q.mu is held.
func (r *responder) close() {
	r.in.drop()
	r.ring, r.again, r.total, r.oldest, r.todo = nil, nil, 0, 0, 0
	r.ack.due, r.nak.due = false, false
}
