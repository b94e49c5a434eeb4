package nport

import (
	"sync"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// manyAnswers is how many answers may be on their way. A request that comes when so many are is not answered: it is asked again.
const manyAnswers = 64

// answers are what requests of others are answered from, and what has no exchange that is kept: memory that is there.
type answers struct {
	mu   sync.Mutex
	all  [manyAnswers]answer
	free []*answer // guarded by mu
}

// An answer is one sequence of one frame.
type answer struct {
	s    fc.Sequence
	busy bool // guarded by answers.mu, as is what is on its way
	buf  []byte
}

func (a *answers) init() {
	for i := range a.all {
		o := &a.all[i]
		o.s.Owner, o.buf = o, make([]byte, 0, els.LoginLen)
		a.free = append(a.free, o)
	}
}

// take gives one that is free, or nil.
func (a *answers) take() *answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.free) == 0 {
		return nil
	}
	o := a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	o.busy, o.s.Header = true, fc.Header{}
	return o
}

// give takes back one that has left.
func (a *answers) give(o *answer) {
	a.mu.Lock()
	o.busy = false
	a.free = append(a.free, o)
	a.mu.Unlock()
}

// waits says whether an answer to the request that f is has not left yet: once it has, the identifier is the originator's to use again.
func (a *answers) waits(f *fc.Frame) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.free) == len(a.all) {
		return false
	}
	for i := range a.all {
		o := &a.all[i]
		if h := &o.s.Header; o.busy && h.D == f.S && h.OX == f.OX && h.FCtl&fc.FCtlResponder != 0 && h.RCtl == f.RCtl|1 && !o.s.Left() {
			return true
		}
	}
	return false
}

// An appender is a payload that can be written.
type appender interface{ Append(dst []byte) []byte }

// accept is an LS_ACC without anything else.
type accept struct{}

func (accept) Append(dst []byte) []byte { return els.AppendAccept(dst) }

// emit posts a sequence of one frame that no exchange of the upper layer has.
func (p *Port) emit(h fc.Header, payload appender) bool {
	o := p.answers.take()
	if o == nil {
		p.dropped.Add(1)
		return false
	}
	o.s.Head = nil
	if payload != nil {
		o.buf = payload.Append(o.buf[:0])
		o.s.Head = o.buf
	}
	p.answers.mu.Lock()
	o.s.Header, o.s.MaxPayload = h, max(len(o.s.Head), fc.MinPayload)
	p.answers.mu.Unlock()
	if !p.post(&o.s) {
		p.answers.give(o)
		return false
	}
	return true
}

// answer answers the request that f ends: the odd R_CTL behind that of the request, in its exchange. What does not fit in a frame
// is not answered but with LS_RJT.
func (p *Port) answer(f *fc.Frame, payload appender) bool {
	if n := len(f.Payload); n > fc.MinPayload && n > p.fits(f.S) {
		payload = els.Reject{Reason: els.ReasonUnable, Explanation: els.ExplanationResources}
	}
	return p.emit(fc.Header{
		RCtl: f.RCtl | 1, D: f.S, S: f.D, Type: f.Type, FCtl: fc.FCtlReply, SeqID: f.SeqID, OX: f.OX, RX: f.RX,
	}, payload)
}

// fits is how much payload a frame to a port may have.
func (p *Port) fits(to fc.ID) int {
	if o := p.peers[to]; o != nil && (o.in || o.neighbour) {
		return p.payload(o.max)
	}
	return fc.MinPayload
}

// reject answers with LS_RJT.
func (p *Port) reject(f *fc.Frame, r els.Reason, e els.Explanation) {
	p.answer(f, els.Reject{Reason: r, Explanation: e})
}

// malformed answers a request that cannot be read.
func (p *Port) malformed(f *fc.Frame, err error) {
	if e, ok := err.(*els.Error); ok {
		p.answer(f, e.Reject())
		return
	}
	p.reject(f, els.ReasonLogical, els.ExplanationLength)
}
