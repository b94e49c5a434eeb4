package nport

import (
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// asked takes a frame of a link service request.
func (p *Port) asked(f *fc.Frame) {
	deadline := p.now() + time.Duration(p.errorDetect.Load())
	whole := p.pieces.join(f, deadline)
	if whole == nil {
		p.wakeUp()
		return
	}
	f = whole
	what := els.CommandOf(f.Payload)
	switch {
	case p.answers.waits(f): // a second copy
		p.dropped.Add(1)
	case p.closing && what != els.LOGO:
		p.dropped.Add(1)
	case f.RCtl == fc.RCtlFC4Request:
		p.srr(f, what)
	default:
		p.extended(f, what)
	}
}

// extended answers an extended link service request.
func (p *Port) extended(f *fc.Frame, what els.Command) {
	switch what {
	case els.PLOGI:
		p.plogi(f)
	case els.PRLI:
		p.prli(f)
	case els.PRLO:
		p.prlo(f)
	case els.LOGO:
		p.logo(f)
	case els.PDISC:
		p.pdisc(f)
	case els.ADISC:
		p.adisc(f)
	case els.RTV:
		p.answer(f, els.MakeTimeouts(p.resourceAllocation(), time.Duration(p.errorDetect.Load())))
	case els.RLS:
		if _, err := els.ParseReadLinkStatus(f.Payload); err != nil {
			p.malformed(f, err)
			return
		}
		p.answer(f, els.LinkStatus{})
	case els.ECHO:
		e, err := els.ParseEcho(f.Payload)
		if err != nil {
			p.malformed(f, err)
			return
		}
		e.Answer = true
		p.answer(f, e)
	case els.RNID:
		p.rnid(f)
	case els.REC:
		p.rec(f)
	case els.RRQ:
		p.rrq(f)
	case els.RSCN:
		p.rscn(f)
	default:
		p.reject(f, els.ReasonUnsupported, els.ExplanationNotSupported)
	}
}

// pdisc answers PDISC: the parameters of the login that there is.
func (p *Port) pdisc(f *fc.Frame) {
	l, err := els.ParseLogin(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	if o := p.peers[f.S]; o == nil || !o.in || o.port != l.Port || o.node != l.Node {
		p.reject(f, els.ReasonUnable, els.ExplanationLogin)
		return
	}
	acc := els.PortLogin(els.LSAcc, p.config.Port, p.config.Node, p.receives(), time.Duration(p.errorDetect.Load()))
	p.answer(f, &acc)
}

// adisc answers ADISC: whether who is logged in is still who it was.
func (p *Port) adisc(f *fc.Frame) {
	d, err := els.ParseDiscover(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	if o := p.peers[f.S]; o == nil || !o.in || o.port != d.Port || o.node != d.Node {
		p.reject(f, els.ReasonLogical, els.ExplanationLogin)
		return
	}
	p.answer(f, els.Discover{Answer: true, Port: p.config.Port, Node: p.config.Node, ID: p.at.ID})
}

// rnid answers RNID: the names, and nothing of how it is cabled.
func (p *Port) rnid(f *fc.Frame) {
	x, err := els.ParseIdentify(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	if x.Format != 0 {
		p.reject(f, els.ReasonUnable, els.ExplanationNotSupported)
		return
	}
	p.answer(f, els.Identity{Named: true, Port: p.config.Port, Node: p.config.Node})
}
