package nport

import (
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// lookUp finds the exchange of the upper layer that a request of f's sender names, which one of both must have originated: it is under way, or complete
// and kept.
func (p *Port) lookUp(f *fc.Frame, originator fc.ID, ox, rx uint16) (x *Exchange, complete bool) {
	o := p.peers[f.S]
	if o == nil || o.remote == nil {
		return nil, false
	}
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	var s *slot
	switch originator {
	case f.S:
		i := t.theirs.find(keyOf(f.S, ox))
		if i < 0 || rx != fc.NoID && int(rx) != i {
			return nil, false
		}
		s = &t.theirs.slots[i]
	case p.at.ID:
		if int(ox) >= len(t.ours.slots) {
			return nil, false
		}
		s = &t.ours.slots[ox]
	default:
		return nil, false
	}
	if s.phase != open && s.phase != kept || s.x == nil || s.x.r != o.remote {
		return nil, false
	}
	if _, known := s.x.IDs(); rx != fc.NoID && known != fc.NoID && rx != known {
		return nil, false
	}
	return s.x, s.phase == kept
}

// about finds the exchange that a request of f's sender is about. One that is complete, and whose RX_ID the sender does not know, is another that has never come,
// and whose originator has the OX_ID to use again; unless it owes a confirmation.
func (p *Port) about(f *fc.Frame, originator fc.ID, ox, rx uint16) *Exchange {
	x, complete := p.lookUp(f, originator, ox, rx)
	if x != nil && complete && rx == fc.NoID && !p.config.Upper.Status(x).Unconfirmed {
		return nil
	}
	return x
}

// rec answers REC (FC-LS-4): how far an exchange is.
func (p *Port) rec(f *fc.Frame) {
	q, err := els.ParseReadExchange(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	if o := p.peers[f.S]; o == nil || o.remote == nil {
		p.reject(f, els.ReasonUnable, els.ExplanationLogin)
		return
	}
	x := p.about(f, q.S, q.OX, q.RX)
	if x == nil {
		p.reject(f, els.ReasonLogical, els.ExplanationExchange)
		return
	}
	ox, rx := x.IDs()
	acc := els.Concise{OX: ox, RX: rx, Originator: x.from, Responder: x.to}
	if !x.ours {
		acc.Originator, acc.Responder, acc.Status = x.to, x.from, els.StatusResponder
	}
	s := p.config.Upper.Status(x)
	acc.Value = s.Transferred
	if s.Initiative {
		acc.Status |= els.StatusInitiative
	}
	if s.Complete {
		acc.Status |= els.StatusComplete
	}
	p.answer(f, acc)
}

// srr answers SRR (FCP-5), the one link service of the FC-4 that there is: a part of an exchange is sent again.
func (p *Port) srr(f *fc.Frame, what els.Command) {
	o := p.peers[f.S]
	if o == nil || o.remote == nil {
		p.refuse(f)
		return
	}
	if what != els.SRR {
		p.reject(f, els.ReasonUnsupported, els.ExplanationNotSupported)
		return
	}
	q, err := els.ParseRetransmit(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	x := p.about(f, f.S, q.OX, q.RX)
	if x == nil {
		p.reject(f, els.ReasonLogical, els.ExplanationExchange)
		return
	}
	// What is sent again waits for the answer.
	x.mu.Lock()
	x.hold = x.live
	x.mu.Unlock()
	again := p.config.Upper.Retransmit(x, q.RCtl, q.Offset)
	if again {
		x.mu.Lock()
		x.dirty = true
		x.mu.Unlock()
		p.answer(f, accept{})
	} else {
		p.reject(f, els.ReasonUnable, els.ExplanationData)
	}
	x.release()
}

// rrq answers RRQ (FC-LS-4): the identifiers of an exchange that was aborted may be used again.
func (p *Port) rrq(f *fc.Frame) {
	q, err := els.ParseReinstate(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	if q.S != f.S {
		p.reject(f, els.ReasonLogical, els.ExplanationS)
		return
	}
	t := &p.tables
	t.mu.Lock()
	i := t.theirs.find(keyOf(q.S, q.OX))
	known := i >= 0 && t.theirs.slots[i].phase == resting && (q.RX == fc.NoID || int(q.RX) == i)
	if known {
		t.reinstate(&t.theirs, i)
	}
	t.mu.Unlock()
	if !known {
		p.reject(f, els.ReasonLogical, els.ExplanationExchange)
		return
	}
	p.answer(f, accept{})
}
