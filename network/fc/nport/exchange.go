package nport

import (
	"hash/maphash"
	"sync"

	"github.com/lunette-io/lunette/network/fc"
)

// tables are a port's exchanges. tables.mu guards what is in both tables, the lists of exchanges of all remote ports and whether these are
// logged in; it is held for a few steps at a time, and Exchange.mu is taken with it.
type tables struct {
	mu     sync.Mutex
	theirs table // by RX_ID
	ours   table // by OX_ID
	inUse  int   // of theirs: those that have an exchange that is not closed
	max    int   // of inUse
	// keep bounds how many are kept.
	keep int
	// aborts are those of ours that ABTS ends, by OX_ID, and told what is to be said to who has asked for them.
	aborts map[uint16]*abort
	told   []verdict
	// aborting is how many of theirs are being aborted.
	aborting int
}

// An Exchange is one end of an exchange. It lies in memory of the upper layer, which may use it again after Close.
type Exchange struct {
	// Owner is the upper layer's.
	Owner any

	p        *Port
	r        *Remote  // nil: one of the port's own
	q        *request // one of the port's own
	to, from fc.ID
	index    uint16 // its identifier: RX_ID of one of theirs, OX_ID of one of ours
	ours     bool
	// next and prev are of the remote port's list, which tables.mu guards.
	next, prev *Exchange

	// mu guards all below. It is held while a sequence is posted, so that nothing is posted any more once the exchange has ended.
	mu     sync.Mutex
	live   bool
	dirty  bool // something was sent twice: a late copy may be on its way when it ends
	ending bool // its last sequence has been posted, or a frame of it has come
	seqID  uint8
	ox, rx uint16
	posted int32
	newest *fc.Sequence // what was posted last, until it is given back
	// hold says that sequences wait in first to last until the answer of an SRR is posted.
	hold        bool
	first, last *fc.Sequence
}

// Remote is the other port.
func (x *Exchange) Remote() *Remote { return x.r }

// IDs are OX_ID and RX_ID; fc.NoID is one that is not known yet.
func (x *Exchange) IDs() (ox, rx uint16) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ox, x.rx
}

// Owns says whether f is a frame of x: for who closes and uses exchanges again on other goroutines than those that Upper is called on,
// where a frame may come in between. It is asked with the lock held under which x is closed.
func (x *Exchange) Owns(f *fc.Frame) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.owns(f)
}

// owns is Owns. x.mu is held.
func (x *Exchange) owns(f *fc.Frame) bool {
	switch {
	case !x.live || f.S != x.to || f.D != x.from || f.OX != x.ox || (f.FCtl&fc.FCtlResponder != 0) != x.ours:
		return false
	case x.ours && x.rx == fc.NoID:
		return true
	default:
		return f.RX == x.rx
	}
}

// Post queues a sequence of x: the port fills in addresses, identifiers, TYPE if it is 0, SEQ_ID, the exchange context of F_CTL and
// MaxPayload. It takes s until Upper.Sent. false: x has ended, or the link is down; s is not taken. It may be called with locks held.
func (x *Exchange) Post(s *fc.Sequence) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.live {
		return false
	}
	h := &s.Header
	h.D, h.S, h.OX, h.RX = x.to, x.from, x.ox, x.rx
	if h.Type == 0 {
		h.Type = x.p.config.Protocol
	}
	if x.ours {
		h.FCtl &^= fc.FCtlResponder
	} else {
		h.FCtl |= fc.FCtlResponder
	}
	h.SeqID = x.seqID
	s.MaxPayload = x.r.max
	x.posted++
	if h.FCtl&fc.FCtlLastSequence != 0 {
		x.ending = true
	}
	if x.hold {
		s.Next = nil
		if x.first == nil {
			x.first = s
		} else {
			x.last.Next = s
		}
		x.last = s
	} else if !x.p.post(s) {
		x.posted--
		return false
	}
	x.newest = s
	x.seqID++
	return true
}

// release posts what was held. One that the link does not take is given back.
func (x *Exchange) release() {
	x.mu.Lock()
	s := x.first
	x.hold, x.first, x.last = false, nil, nil
	var lost *fc.Sequence
	for s != nil {
		next := s.Next
		s.Next = nil
		if !x.live || !x.p.post(s) {
			s.Next, lost = lost, s
		}
		s = next
	}
	x.mu.Unlock()
	for lost != nil {
		s := lost
		lost, s.Next = s.Next, nil
		x.p.sent(s, fc.ErrDown)
	}
}

// Cancel lets nothing more leave of s, which was posted and not given back.
func (x *Exchange) Cancel(s *fc.Sequence) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for h := x.first; h != nil; h = h.Next {
		if h == s {
			return // it is held for a moment, on the goroutine that has asked for it; what is cancelled so early leaves
		}
	}
	if l := x.p.link.Load(); l != nil {
		(*l).Cancel(s)
	}
}

// Finish says that the response has been posted: the exchange is complete at this end, and is kept for REC and SRR until Forgotten.
func (x *Exchange) Finish() {
	if x.ours {
		return // it is the responder that keeps an exchange
	}
	p := x.p
	t := &p.tables
	t.mu.Lock()
	s := &t.theirs.slots[x.index]
	alarm := false
	if s.x == x && s.phase == open {
		alarm = t.theirs.kept.n == 0
		t.theirs.keep(int(x.index), p.now()+p.resourceAllocation())
		x.r.busy--
	}
	t.mu.Unlock()
	if alarm {
		p.wakeUp()
	}
}

// Close ends the use of x. Nothing of it is posted and not given back. Its identifiers come to use again as late as can be.
func (x *Exchange) Close() {
	p := x.p
	if p == nil {
		return
	}
	t := &p.tables
	t.mu.Lock()
	end := &t.theirs
	if x.ours {
		end = &t.ours
	}
	i := int(x.index)
	s := &end.slots[i]
	if s.x != x {
		t.mu.Unlock()
		return
	}
	x.mu.Lock()
	rest := x.dirty
	x.live = false
	x.mu.Unlock()
	if !x.ours {
		t.inUse--
	}
	if s.phase == open && x.r != nil {
		x.r.busy--
	}
	x.unlink()
	alarm := false
	switch s.phase {
	case aborted, resting:
		// The identifiers are kept for what is under way.
		s.x = nil
	default:
		s.x = nil
		if !rest || end.crowded() {
			end.give(i)
			break
		}
		end.unhash(i)
		alarm = end.resting.n == 0
		end.rest(i, p.now()+p.resourceAllocation())
	}
	t.mu.Unlock()
	if alarm {
		p.wakeUp()
	}
}

// unlink takes x out of its remote port's list. x.p.tables.mu is held.
func (x *Exchange) unlink() {
	if x.r == nil {
		return
	}
	if x.prev != nil {
		x.prev.next = x.next
	} else if x.r.first == x {
		x.r.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	x.next, x.prev = nil, nil
}

// begin makes x the exchange of an identifier, in the list of r.
func (x *Exchange) begin(p *Port, r *Remote, ours bool, index int, to, from fc.ID, ox, rx uint16) {
	x.p, x.r, x.q, x.ours, x.index, x.to, x.from = p, r, nil, ours, uint16(index), to, from
	x.mu.Lock()
	x.live, x.dirty, x.ending, x.ox, x.rx, x.posted, x.seqID = true, false, false, ox, rx, 0, 1
	if ours {
		x.seqID = 0
	}
	x.hold, x.first, x.last, x.newest = false, nil, nil, nil
	x.mu.Unlock()
	if r != nil {
		x.prev, x.next = nil, r.first
		if r.first != nil {
			r.first.prev = x
		}
		r.first = x
		r.busy++
	}
}

// few is how many exchanges a port may always have, if there is room, and how many of ours are left for the port itself.
const few = 16

// share is how many exchanges a port may have at a time, where n identifiers are free: as many as are left for others, but a few always.
func share(n int) int { return max(few, n) }

// Accept makes x the responder's end of the exchange that f begins. It borrows x until its Close. false: f is not the beginning of an
// exchange (a second copy of one that has come already, or of one that was aborted), or there are too many: nothing is to be done for f.
func (r *Remote) Accept(f *fc.Frame, x *Exchange) bool {
	p := r.p
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	key := keyOf(f.S, f.OX)
	if r.over || f.S != r.id || f.D != r.local || !isCommand(&f.Header) || t.theirs.find(key) >= 0 ||
		t.inUse >= t.max || r.busy >= share(t.max-t.inUse) {
		p.dropped.Add(1)
		return false
	}
	i, ok := t.theirs.take()
	if !ok {
		p.dropped.Add(1)
		return false
	}
	t.theirs.hash(i, key)
	t.theirs.slots[i].x = x
	t.theirs.slots[i].sum = maphash.Bytes(p.sums, f.Payload)
	t.inUse++
	x.begin(p, r, false, i, r.id, r.local, f.OX, uint16(i))
	return true
}

// Originate makes x a new exchange of ours with r, until Close. false: there are too many, or r is logged out.
func (r *Remote) Originate(x *Exchange) bool {
	p := r.p
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.over {
		return false
	}
	if t.ours.n <= few {
		return false
	}
	i, _ := t.ours.take()
	t.ours.slots[i].x = x
	x.begin(p, r, true, i, r.id, r.local, uint16(i), fc.NoID)
	return true
}
