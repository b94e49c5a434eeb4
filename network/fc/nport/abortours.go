package nport

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// An abort is what becomes of an exchange of ours that is to end (ABTS, then RRQ). tables.mu guards it.
type abort struct {
	r    *Remote
	rx   uint16
	done func(error) // until it has been told
	// due is when something is to be done: ABTS sent, sent again, given up; or RRQ, once it is accepted.
	due      time.Duration
	end      time.Duration
	accepted bool
	asking   bool // RRQ is on its way
}

// A verdict is what is to be told to who has asked for an abort.
type verdict struct {
	done func(error)
	err  error
}

// Abort ends an exchange of ours (ABTS): done is called, once, with the answer, or with an error after twice R_A_TOV.
// Then, or when the qualifier ends (RRQ), the identifiers may be used again, which the port looks after: x may be closed at once.
// It may be called with locks held; done is called by the clock, or by who logs out, as methods of the upper layer are.
func (x *Exchange) Abort(done func(error)) {
	p := x.p
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	defer p.wakeUp()
	s := &t.ours.slots[x.index]
	if !x.ours || s.x != x || s.phase != open {
		t.told = append(t.told, verdict{done, ErrLoggedOut})
		return
	}
	s.phase = aborted
	x.r.busy--
	x.mu.Lock()
	x.live = false
	rx := x.rx
	x.mu.Unlock()
	now := p.now()
	t.aborts[x.index] = &abort{r: x.r, rx: rx, done: done, due: now, end: now + 2*p.resourceAllocation()}
}

// abortsDue does what is due for the exchanges that we abort.
func (p *Port) abortsDue(now time.Duration) (next time.Duration) {
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	for ox, a := range t.aborts {
		switch {
		case a.due > now || a.asking:
		case a.accepted:
			a.asking = true
			t.mu.Unlock()
			p.reinstateOurs(ox, a)
			t.mu.Lock()
		case now >= a.end:
			delete(t.aborts, ox)
			t.told = append(t.told, verdict{a.done, fmt.Errorf("%w to ABTS of %v", ErrTimeout, a.r.id)})
			t.ours.rest(int(ox), now+p.resourceAllocation())
			continue
		default:
			// It may be lost once, and twice.

			a.due = min(now+max(p.resourceAllocation()/2, grain), a.end)
			p.sendAbort(a.r.id, ox, a.rx)
		}
		if !a.asking {
			next = sooner(next, max(a.due, 1))
		}
	}
	return next
}

// sendAbort sends ABTS for an exchange of ours.
func (p *Port) sendAbort(to fc.ID, ox, rx uint16) {
	p.emit(fc.Header{
		RCtl: fc.RCtlABTS, D: to, S: p.at.ID, FCtl: fc.FCtlEndSequence | fc.FCtlSequenceInitiative, SeqID: 0xff, OX: ox, RX: rx,
	}, nil)
}

// abortAnswered takes the answer to our ABTS.
func (p *Port) abortAnswered(f *fc.Frame) {
	t := &p.tables
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.aborts[f.OX]
	if a == nil || a.r.id != f.S || a.accepted || a.rx != fc.NoID && f.RX != fc.NoID && a.rx != f.RX {
		p.dropped.Add(1)
		return
	}
	now := p.now()
	defer p.wakeUp()
	if f.RCtl == fc.RCtlBARjt {
		r, err := els.ParseAbortReject(f.Payload)
		if err == nil {
			err = r
		}
		delete(t.aborts, f.OX)
		t.told = append(t.told, verdict{a.done, err})
		t.ours.rest(int(f.OX), now+p.resourceAllocation())
		return
	}
	acc, err := els.ParseAbortAccept(f.Payload)
	if err != nil {
		p.dropped.Add(1)
		return
	}
	if a.rx == fc.NoID {
		a.rx = acc.RX
	}
	t.told = append(t.told, verdict{a.done, nil})
	a.done, a.accepted, a.due = nil, true, now+p.resourceAllocation()
}

// reinstateOurs asks that the identifiers of an exchange that was aborted may be used again (RRQ). They may be then, whatever is answered.
func (p *Port) reinstateOurs(ox uint16, a *abort) {
	over := func([]byte, error) {
		t := &p.tables
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.aborts[ox] == a {
			delete(t.aborts, ox)
			t.ours.slots[ox].phase = resting // of no list: reinstate ends it
			t.reinstate(&t.ours, int(ox))
		}
	}
	if p.ask(a.r.id, fc.TypeELS, els.Reinstate{S: p.at.ID, OX: ox, RX: a.rx}.Append(nil), over) == nil {
		over(nil, nil)
	}
}

// verdicts tells those who have asked for aborts. It is called by who has the turn.
func (p *Port) verdicts() {
	t := &p.tables
	for {
		t.mu.Lock()
		told := t.told
		t.told = nil
		t.mu.Unlock()
		if len(told) == 0 {
			return
		}
		for _, v := range told {
			v.done(v.err)
		}
	}
}
