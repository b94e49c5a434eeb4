package nport

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// mostReply is how long an answer to one of our requests may be.
const mostReply = 64 << 10

// A request is one of the port's own: a link service or one of the common transport. It belongs to who has the turn; its sequence is the network's until it is given back, and
// never used again.
type request struct {
	x        Exchange
	s        fc.Sequence
	what     els.Command // of link services
	reply    fc.RCtl
	kind     fc.Type
	deadline time.Duration
	// What has come of the answer, the sequence that it is of, and the next frame of that.
	answer []byte
	part   bool
	seqID  uint8
	count  uint16
	// done is called once, by who has the turn: with the whole answer, which it borrows, or an error.
	done func(answer []byte, err error)
}

// ask sends a request: a link service if kind is TypeELS, else one of the common transport. nil: it cannot be sent now.
func (p *Port) ask(to fc.ID, kind fc.Type, payload []byte, done func(answer []byte, err error)) *request {
	q := &request{kind: kind, reply: fc.RCtlELSReply, done: done}
	q.s.Header = fc.Header{RCtl: fc.RCtlELSRequest, Type: kind, FCtl: fc.FCtlRequest}
	if kind == fc.TypeCT {
		q.reply, q.s.Header.RCtl = fc.RCtlSolicitedControl, fc.RCtlUnsolicitedControl
	} else {
		q.what = els.CommandOf(payload)
	}
	t := &p.tables
	t.mu.Lock()
	i, ok := t.ours.take()
	if ok {
		t.ours.slots[i].x = &q.x
		q.x.begin(p, nil, true, i, to, p.at.ID, uint16(i), fc.NoID)
		q.x.q = q
	}
	t.mu.Unlock()
	if !ok {
		return nil
	}
	h := &q.s.Header
	h.D, h.S, h.OX, h.RX = to, p.at.ID, uint16(i), fc.NoID
	q.s.Head, q.s.MaxPayload, q.s.Owner = payload, max(len(payload), fc.MinPayload), q
	if !p.post(&q.s) {
		q.x.Close()
		return nil
	}
	// A request that is lost is asked again long before the time in which its frames may still arrive: its identifier rests for that.
	q.deadline = p.now() + min(2*time.Duration(p.errorDetect.Load()), 2*p.resourceAllocation())
	p.requests[q] = struct{}{}
	p.wakeUp()
	return q
}

// finish ends a request.
func (p *Port) finish(q *request, answer []byte, err error) {
	if _, ok := p.requests[q]; !ok {
		return
	}
	delete(p.requests, q)
	q.x.mu.Lock()
	q.x.dirty = answer == nil
	q.x.mu.Unlock()
	q.x.Close()
	q.done(answer, err)
	p.tell()
	p.wakeUp()
}

// drop ends a request whose outcome is of no interest any more.
func (p *Port) drop(q *request, why error) {
	if q != nil {
		p.finish(q, nil, why)
	}
}

// patience ends the requests that nobody has answered.
func (p *Port) patience(now time.Duration) (next time.Duration) {
	for q := range p.requests {
		if q.deadline > now {
			next = sooner(next, q.deadline)
			continue
		}
		p.sendAbort(q.x.to, q.x.index, q.x.rx)
		p.finish(q, nil, fmt.Errorf("%w to %v of %v", ErrTimeout, q.name(), q.x.to))
	}
	return next
}

func (q *request) name() string {
	if q.kind == fc.TypeCT {
		return "a request"
	}
	return q.what.String()
}

// replied takes a frame of the exchange of a request.
func (p *Port) replied(q *request, f *fc.Frame) {
	switch {
	case f.RCtl != q.reply || f.Type != q.kind:
		p.dropped.Add(1)
		return
	case f.First:
		q.answer, q.part, q.seqID, q.count = q.answer[:0], true, f.SeqID, f.SeqCnt
	case !q.part || f.SeqID != q.seqID || f.SeqCnt != q.count:
		// A frame before it is missing: it is asked again.
		q.part = false
		p.dropped.Add(1)
		return
	}
	if len(q.answer)+len(f.Payload) > mostReply {
		p.finish(q, nil, fmt.Errorf("an answer of more than %d bytes to %v", mostReply, q.name()))
		return
	}
	q.answer, q.count = append(q.answer, f.Payload...), q.count+1
	if !f.Last {
		return
	}
	if q.kind == fc.TypeELS {
		if err := refused(q.answer); err != nil {
			p.finish(q, q.answer, err)
			return
		}
	}
	p.finish(q, q.answer, nil)
}

// refused is the error that an answer to a link service is, if it is one.
func refused(answer []byte) error {
	switch els.CommandOf(answer) {
	case els.LSAcc:
		return nil
	case els.LSRjt:
		r, err := els.ParseReject(answer)
		if err != nil {
			return err
		}
		return r
	default:
		return fmt.Errorf("an answer that is none: %v", els.CommandOf(answer))
	}
}
