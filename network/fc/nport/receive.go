package nport

import (
	"hash/maphash"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// received says whose a frame is. It is called by who has the turn. One with optional headers (DF_CTL) is nobody's: they would be taken for its payload, and no login
// has agreed to any.
func (p *Port) received(f *fc.Frame) {
	if !p.up || f.D != p.at.ID || f.FCtl&fc.FCtlRecipient != 0 || f.DFCtl != 0 {
		p.dropped.Add(1)
		return
	}
	if f.RCtl&0xf0 == 0x80 {
		p.basic(f)
		return
	}
	if f.FCtl&fc.FCtlResponder != 0 {
		p.toOriginator(f)
		return
	}
	switch {
	case f.Type == p.config.Protocol && f.RCtl&0xf0 == 0 && !p.closing:
		p.toResponder(f)
	case f.Type == fc.TypeELS && f.RCtl == fc.RCtlELSRequest, f.Type == p.config.Protocol && f.RCtl == fc.RCtlFC4Request:
		p.asked(f)
	default:
		p.dropped.Add(1)
	}
}

// toOriginator delivers a frame of one of our exchanges.
func (p *Port) toOriginator(f *fc.Frame) {
	x, q := p.ourExchange(f)
	if x == nil {
		p.dropped.Add(1)
		return
	}
	if q != nil {
		p.replied(q, f)
		return
	}
	p.config.Upper.Frame(x, f)
}

// ourExchange is the one of ours that f is of, and the port's own request that it is of, if it is. It learns the RX_ID. The upper layer may close one of its
// exchanges, and use it again, as soon as tables.mu is given up.
func (p *Port) ourExchange(f *fc.Frame) (*Exchange, *request) {
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.ourExchange(f)
	if x == nil {
		return nil, nil
	}
	return x, x.q
}

// ourExchange is that of Port. t.mu is held.
func (t *tables) ourExchange(f *fc.Frame) *Exchange {
	if int(f.OX) >= len(t.ours.slots) {
		return nil
	}
	x := t.ours.slots[f.OX].x
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.owns(f) {
		return nil
	}
	x.rx = f.RX
	return x
}

// toResponder delivers a frame of an exchange that others have originated.
func (p *Port) toResponder(f *fc.Frame) {
	o := p.peers[f.S]
	if o == nil || o.remote == nil {
		p.refuse(f)
		return
	}
	if f.FCtl&fc.FCtlFirstSequence != 0 {
		if !isCommand(&f.Header) || !f.First || !f.Last || !p.begins(o.remote, f) {
			p.dropped.Add(1)
			return
		}
		p.config.Upper.Command(o.remote, f)
		return
	}
	x := p.theirExchange(f)
	if x == nil {
		p.dropped.Add(1)
		return
	}
	p.config.Upper.Frame(x, f)
}

// theirExchange is the one of theirs that f is of, which knows the RX_ID.
func (p *Port) theirExchange(f *fc.Frame) *Exchange {
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	if int(f.RX) >= len(t.theirs.slots) {
		return nil
	}
	x := t.theirs.slots[f.RX].x
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.owns(f) {
		return nil
	}
	if f.FCtl&fc.FCtlLastSequence != 0 {
		x.ending = true
	}
	return x
}

// begins says whether f is to be taken for the first frame of a new exchange, and not for a second copy of one. What was kept of
// an exchange with the same identifiers, and what was kept for longest where there is no room, is forgotten.
func (p *Port) begins(r *Remote, f *fc.Frame) bool {
	t := &p.tables
	t.mu.Lock()
	var old *Exchange
	if i := t.theirs.find(keyOf(f.S, f.OX)); i >= 0 {
		s := &t.theirs.slots[i]
		if !p.over(s, f) {
			t.mu.Unlock()
			return false
		}
		if s.phase == kept {
			old = t.forget(i)
		} else { // one that is open has posted its end: it is known by its RX_ID alone until it is finished or closed
			t.theirs.unhash(i)
		}
	}
	want := t.keep
	if t.inUse >= t.max || t.theirs.n == 0 {
		want = max(0, t.theirs.kept.n-1)
	}
	t.mu.Unlock()
	if old != nil {
		p.config.Upper.Forgotten(old)
	}
	for {
		old, _ := p.tables.forgettable(0, want)
		if old == nil {
			return true
		}
		p.config.Upper.Forgotten(old)
	}
}

// over says whether the exchange of s is over, so that f begins another one with the same identifier, and is no second copy of its
// first frame. Its originator may know of the end before we are told that it has left: then what is another command can be no copy, and
// the same command is none once the end has left ([fc.Sequence.Left]).
// p.tables.mu is held.
func (p *Port) over(s *slot, f *fc.Frame) bool {
	same := s.sum == maphash.Bytes(p.sums, f.Payload)
	posted, ending, left := int32(0), false, false
	if s.x != nil {
		s.x.mu.Lock()
		posted, ending = s.x.posted, s.x.ending
		left = s.x.newest != nil && s.x.newest.Left()
		s.x.mu.Unlock()
	}
	switch {
	case s.phase == free, s.phase == kept && posted == 0:
		return true
	case s.phase == kept, s.phase == open:
		return ending && (!same || left)
	}
	return false
}

// refuse tells who is not logged in so, for a frame that has no business here (FC-LS-4: LOGO). However many there are, it
// is told so often and no more.
func (p *Port) refuse(f *fc.Frame) {
	p.dropped.Add(1)
	if p.closing || f.S.WellKnown() || f.S == 0 {
		return
	}
	if !p.refusals.take(p.now()) {
		return
	}
	for q := range p.requests {
		if q.x.to == f.S {
			return // a login, or the same: it is being told
		}
	}
	// It is told that it is not, so that neither is the port.
	if o := p.peers[f.S]; o != nil && o.in {
		p.logOut(o, ErrLoggedOut)
		p.later(o, p.pause())
	}
	p.sendLogout(f.S)
}

// sendLogout sends LOGO; what is answered does not matter.
func (p *Port) sendLogout(to fc.ID) {
	p.ask(to, fc.TypeELS, els.Logout{ID: p.at.ID, Port: p.config.Port}.Append(nil), func([]byte, error) {})
}
