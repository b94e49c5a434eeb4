package fcp

import (
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// errUnknown is why a login has ended that the target has lost without a word.
var errUnknown = errors.New("the target does not know of it")

// maxTries is how often in a row recovery is tried without progress.
const maxTries = 3

// How long a task management function may take, and a command about which the target cannot be asked; as in Linux.
const (
	managePatience = 10 * time.Second
	silence        = 30 * time.Second
)

// An ask is a question about a command: REC, or SRR. It lives until it is answered, whatever becomes of the command.
type ask struct {
	c     *Conn
	k     *Command
	use   uint64
	srr   bool
	since int64

	x    nport.Exchange
	seq  fc.Sequence
	head [16]byte

	// Guarded by Port.mu.
	lent, answered bool
}

// An answer is what became of an ask.
type answer struct {
	kind   answers
	reject els.Reject
	rec    els.Concise
}

type answers uint8

const (
	unanswered answers = iota
	accepted
	rejected
)

// overdue does what is due for a command that has made no progress.
func (k *Command) overdue(now int64) {
	k.mu.Lock()
	var do func()
	p := k.c.p
	limit := int64(p.cfg.Timeout / beat)
	switch {
	case k.state != running || !k.open:
	case limit > 0 && now-k.began >= limit:
		p.counts.aborts.Add(1)
		do = k.fail(ErrTimeout)
	case now-k.last.Load() < p.patience() || k.ask != nil:
	case k.Manage != 0 || k.c.noREC.Load():
		if wait := now - k.last.Load(); (k.Manage != 0 && wait >= int64(managePatience/beat)) || wait >= int64(silence/beat) {
			p.counts.aborts.Add(1)
			do = k.fail(ErrTimeout)
		}
	case k.tries >= maxTries:
		do = k.giveUp("it was asked for %d times without progress", k.tries)
	case k.responded:
		do = k.retransmit(fc.RCtlData, uint32(k.place.contig))
	default:
		k.recover()
	}
	k.mu.Unlock()
	if do != nil {
		do()
	}
}

// giveUp aborts k, which cannot be saved. k.mu is held. The result is as that of fail.
func (k *Command) giveUp(format string, args ...any) func() {
	k.c.p.counts.aborts.Add(1)
	return k.fail(fmt.Errorf("%w: %s", ErrLost, fmt.Sprintf(format, args...)))
}

// recover asks how far the target is (REC). k.mu is held.
func (k *Command) recover() {
	a := k.newAsk()
	own, _ := k.c.p.port.Attachment()
	ox, rx := k.x.IDs()
	k.c.p.counts.recs.Add(1)
	a.post(els.ReadExchange{S: own.ID, OX: ox, RX: rx}.Append(a.head[:0]), fc.Header{RCtl: fc.RCtlELSRequest, Type: fc.TypeELS, FCtl: fc.FCtlRequest})
}

// retransmit asks for a part of the exchange again (SRR). k.mu is held. The result is as that of fail.
func (k *Command) retransmit(r fc.RCtl, offset uint32) func() {
	if !k.c.agreed(iu.ParamRetry) {
		if k.responded {
			return k.giveUp("%d of %d bytes of data-in have come with the response", k.place.total(), k.expected())
		}
		return k.giveUp("%v is missing, and retransmission was not agreed", r)
	}
	a := k.newAsk()
	a.srr = true
	ox, rx := k.x.IDs()
	k.c.p.counts.srrs.Add(1)
	a.post(els.Retransmit{OX: ox, RX: rx, Offset: offset, RCtl: r}.Append(a.head[:0]), fc.Header{RCtl: fc.RCtlFC4Request, Type: fc.TypeFCP, FCtl: fc.FCtlRequest})
	return nil
}

// newAsk makes the one ask of k. k.mu is held.
func (k *Command) newAsk() *ask {
	a := &ask{c: k.c, k: k, use: k.use.Load(), since: k.c.p.tick.Load()}
	k.ask = a
	k.tries++
	return a
}

// post sends it. k.mu is held.
func (a *ask) post(b []byte, h fc.Header) {
	p := a.c.p
	a.x.Owner = a
	if !a.c.r.Originate(&a.x) {
		a.k.ask = nil // the clock comes again
		return
	}
	a.seq = fc.Sequence{Header: h, Head: b}
	p.mu.Lock()
	p.asks[a] = struct{}{}
	a.lent = true
	p.mu.Unlock()
	if !a.x.Post(&a.seq) {
		p.mu.Lock()
		delete(p.asks, a)
		a.lent, a.answered = false, true
		p.mu.Unlock()
		a.x.Close()
		a.k.ask = nil
	}
}

// sent has its sequence back.
func (a *ask) sent() {
	p := a.c.p
	p.mu.Lock()
	a.lent = false
	over := a.answered
	p.mu.Unlock()
	if over {
		a.x.Close()
	}
}

// frame takes the answer.
func (a *ask) frame(f *fc.Frame) {
	if f.RCtl != fc.RCtlELSReply && f.RCtl != fc.RCtlFC4Reply {
		return
	}
	if r, err := els.ParseReject(f.Payload); err == nil {
		a.answer(answer{kind: rejected, reject: r})
	} else if a.srr && els.CheckAccept(f.Payload) == nil {
		a.answer(answer{kind: accepted})
	} else if x, err := els.ParseConcise(f.Payload); err == nil && !a.srr {
		a.answer(answer{kind: accepted, rec: x})
	}
}

// answer ends the ask, and does what follows for its command.
func (a *ask) answer(x answer) {
	p := a.c.p
	p.mu.Lock()
	if a.answered {
		p.mu.Unlock()
		return
	}
	a.answered = true
	delete(p.asks, a)
	free := !a.lent
	p.mu.Unlock()
	if free {
		a.x.Close()
	}
	k := a.k
	k.mu.Lock()
	var do func()
	told := false
	if k.use.Load() == a.use && k.ask == a {
		k.ask = nil
		if k.state == running && k.open {
			do = k.answered(a.srr, x)
			told = k.settle()
		}
	}
	k.mu.Unlock()
	if do != nil {
		do()
	}
	if told {
		k.tell()
	}
}

// answered does what follows from an answer. k.mu is held. The result is as that of fail.
func (k *Command) answered(srr bool, x answer) func() {
	k.last.Store(k.c.p.tick.Load())
	switch {
	case x.kind == unanswered:
		// The question or the answer was lost: it is asked again at once, unless it was asked too often.
		if k.tries >= maxTries {
			return k.giveUp("the target does not answer")
		}
		if !srr {
			k.recover()
		}
		return nil
	case x.kind == rejected && x.reject.Explanation == els.ExplanationLogin:
		r := k.c.r
		return func() { r.Logout(false, errUnknown) }
	case srr && x.kind == rejected:
		return k.giveUp("the target does not send it again: %v", x.reject)
	case srr:
		return nil // it comes
	case x.kind == rejected && x.reject.Explanation == els.ExplanationExchange:
		if k.place.total() > 0 || k.asked > 0 || k.responded || k.repeats >= maxTries {
			return k.giveUp("the target does not know it")
		}
		return k.repeat()
	case x.kind == rejected && x.reject.Reason == els.ReasonUnsupported:
		k.c.noREC.Store(true)
		return nil
	case x.kind == rejected:
		return nil // busy, perhaps: the clock comes again
	case x.rec.Status&els.StatusComplete == 0 && x.rec.Status&els.StatusInitiative != 0:
		k.tries = 0 // the target is at it
		return nil
	}
	switch at := uint32(k.place.contig); {
	case len(k.In) > 0 && at < x.rec.Value:
		return k.retransmit(fc.RCtlData, at)
	case len(k.Out) > 0 && x.rec.Status&els.StatusComplete == 0 && x.rec.Value < uint32(len(k.Out)):
		if k.busy > 0 {
			return nil // it is on its way
		}
		return k.retransmit(fc.RCtlDataDescriptor, x.rec.Value)
	}
	return k.retransmit(fc.RCtlStatus, 0)
}

// repeat sends k again in another exchange, since the target does not know it. The old one is aborted, so that a copy of it that the network has kept
// finds nobody. k.mu is held. The result is as that of fail.
func (k *Command) repeat() func() {
	k.state = again
	k.repeats++
	k.c.p.counts.again.Add(1)
	k.cancel()
	k.lent++ // so that the exchange is not closed meanwhile
	return func() {
		k.x.Abort(func(error) {})
		k.sent(nil, nil)
	}
}
