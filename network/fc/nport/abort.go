package nport

import (
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// slack is how much longer than R_A_TOV identifiers are kept from use whose exchange was aborted: who has aborted counts R_A_TOV from
// the answer on, and only then says by RRQ that it wants to use them again.
func (p *Port) slack() time.Duration { return time.Duration(p.errorDetect.Load()) }

// basic takes a frame of a basic link service.
func (p *Port) basic(f *fc.Frame) {
	switch {
	case f.Type != fc.TypeBLS:
		p.dropped.Add(1)
	case f.RCtl == fc.RCtlABTS && f.FCtl&fc.FCtlResponder == 0:
		p.abortOfTheirs(f)
	case f.RCtl == fc.RCtlABTS:
		p.abortOfOurs(f)
	case (f.RCtl == fc.RCtlBAAcc || f.RCtl == fc.RCtlBARjt) && f.FCtl&fc.FCtlResponder != 0:
		p.abortAnswered(f)
	default:
		p.dropped.Add(1)
	}
}

// abortOfTheirs takes the ABTS of an originator.
func (p *Port) abortOfTheirs(f *fc.Frame) {
	o := p.peers[f.S]
	if o == nil || !o.in {
		p.refuse(f)
		return
	}
	t := &p.tables
	t.mu.Lock()
	i := t.theirs.find(keyOf(f.S, f.OX))
	if i >= 0 && (t.theirs.slots[i].phase == free || f.RX != fc.NoID && int(f.RX) != i) {
		i = -1
	}
	if i < 0 {
		known := false
		if f.RX == fc.NoID && o.remote != nil {
			known = t.qualify(f, p.now()+p.resourceAllocation()+p.slack())
		}
		t.mu.Unlock()
		// Nothing of it has come, or it has long ended. What comes of it now is too late; nothing comes if we have told the RX_ID.
		if known {
			p.abortAccepted(f, fc.NoID)
			p.wakeUp()
		} else {
			p.abortRejected(f)
		}
		return
	}
	s := &t.theirs.slots[i]
	switch s.phase {
	case resting:
		t.mu.Unlock()
		p.abortAccepted(f, uint16(i)) // the answer was lost
		return
	case open, kept:
	default:
		t.mu.Unlock() // it is answered when nothing of it is sent any more
		return
	}
	x := s.x
	t.theirs.unlist(i)
	if s.phase == open {
		x.r.busy--
	}
	s.phase = aborted
	t.aborting++
	gen := s.gen
	x.mu.Lock()
	x.live = false
	x.mu.Unlock()
	t.mu.Unlock()

	h, r := f.Header, x.r
	var once atomic.Bool
	p.config.Upper.Abort(x, func() {
		if once.CompareAndSwap(false, true) {
			p.theirsAborted(i, gen, r, h)
		}
	})
}

// theirsAborted answers the ABTS h when the upper layer has done what there was to do; it may hold locks.
func (p *Port) theirsAborted(i int, gen uint32, r *Remote, h fc.Header) {
	t := &p.tables
	t.mu.Lock()
	t.aborting--
	s := &t.theirs.slots[i]
	over := r.over || s.gen != gen || s.phase != aborted && s.phase != ended
	if s.gen == gen && s.phase == aborted {
		if t.theirs.crowded() { // who aborts without end does so at the expense of what it has aborted before
			t.reinstate(&t.theirs, int(t.theirs.resting.first-1))
		}
		t.theirs.rest(i, p.now()+p.resourceAllocation()+p.slack())
	}
	t.mu.Unlock()
	if !over {
		p.abortAccepted(&fc.Frame{Header: h}, uint16(i))
	}
	p.wakeUp()
}

// qualify keeps what comes of an exchange that was aborted before it has come from being taken for a new one. false: there
// is no room. t.mu is held.
func (t *tables) qualify(f *fc.Frame, until time.Duration) bool {
	if t.theirs.crowded() {
		return false
	}
	i, ok := t.theirs.take()
	if !ok {
		return false
	}
	key := keyOf(f.S, f.OX)
	if old := t.theirs.find(key); old >= 0 {
		t.theirs.unhash(old) // of one that has long ended
	}
	t.theirs.hash(i, key)
	t.theirs.rest(i, until)
	return true
}

// abortAccepted answers an ABTS: nothing of the exchange is sent any more.
func (p *Port) abortAccepted(f *fc.Frame, rx uint16) {
	p.abortAnswer(f, fc.RCtlBAAcc, els.AbortAccept{OX: f.OX, RX: rx, High: 0xffff})
}

// abortRejected answers an ABTS for an exchange that is not there.
func (p *Port) abortRejected(f *fc.Frame) {
	p.abortAnswer(f, fc.RCtlBARjt, els.AbortReject{Reason: els.AbortLogical, Explanation: els.AbortExchange})
}

func (p *Port) abortAnswer(f *fc.Frame, rctl fc.RCtl, payload appender) {
	p.emit(fc.Header{
		RCtl: rctl, D: f.S, S: f.D, FCtl: f.FCtl&fc.FCtlResponder ^ fc.FCtlResponder | fc.FCtlLastSequence | fc.FCtlEndSequence,
		SeqID: f.SeqID, OX: f.OX, RX: f.RX,
	}, payload)
}

// abortOfOurs takes the ABTS of a responder: it does not want to go on.
func (p *Port) abortOfOurs(f *fc.Frame) {
	t := &p.tables
	t.mu.Lock()
	x := t.ourExchange(f)
	if x == nil {
		t.mu.Unlock()
		p.abortRejected(f)
		return
	}
	if q := x.q; q != nil {
		t.mu.Unlock()
		p.abortAccepted(f, f.RX)
		p.finish(q, nil, els.AbortReject{Reason: els.AbortUnable})
		return
	}
	h, r, i := f.Header, x.r, int(x.index)
	s := &t.ours.slots[i]
	s.phase = aborted // it is open: all others own nothing
	r.busy--
	gen := s.gen
	x.mu.Lock()
	x.live = false
	x.mu.Unlock()
	t.mu.Unlock()
	var once atomic.Bool
	p.config.Upper.Abort(x, func() {
		if !once.CompareAndSwap(false, true) {
			return
		}
		t.mu.Lock()
		over := r.over
		if s.gen == gen && s.phase == aborted {
			t.ours.rest(i, p.now()+p.resourceAllocation()+p.slack())
		}
		t.mu.Unlock()
		if !over {
			p.abortAccepted(&fc.Frame{Header: h}, h.RX)
		}
		p.wakeUp()
	})
}
