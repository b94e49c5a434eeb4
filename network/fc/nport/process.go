package nport

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

func isTimeout(err error) bool { return errors.Is(err, ErrTimeout) }

// processLogin is our PRLI.
func (p *Port) processLogin() []byte {
	return els.Process{Command: els.PRLI, Pages: []els.Page{{Type: p.config.Protocol, Flags: els.ImagePair, Params: p.config.Params}}}.Append(nil)
}

// processAnswered takes the answer to our PRLI.
func (p *Port) processAnswered(o *peer, answer []byte, err error) {
	if o.asking == nil {
		return
	}
	o.asking = nil
	var page els.Page
	if err == nil {
		page, err = p.page(answer)
	}
	if err == nil && o.remote != nil {
		return // its own PRLI has come in between
	}
	if err == nil {
		if _, response := p.offer(o, page.Params, true); response != els.ResponseExecuted {
			err = fmt.Errorf("it is not what is looked for: %v", response)
		} else {
			o.tries = 0
			return
		}
	}
	var r els.Reject
	if errors.As(err, &r) && r.Explanation == els.ExplanationLogin {
		p.logOut(o, err)
		p.change(func() { o.ours = true })
	}
	p.failed(o, err)
}

// page finds what an answer to PRLI says of our protocol.
func (p *Port) page(answer []byte) (els.Page, error) {
	x, err := els.ParsePRLI(answer)
	if err != nil {
		return els.Page{}, err
	}
	for _, g := range x.Pages {
		if g.Type != p.config.Protocol {
			continue
		}
		if r := g.Flags.Response(); r != els.ResponseExecuted && r != els.ResponseConditional {
			return g, fmt.Errorf("PRLI: %v", r)
		}
		if g.Flags&els.ImagePair == 0 {
			return g, errors.New("PRLI: no image pair")
		}
		return g, nil
	}
	return els.Page{}, fmt.Errorf("PRLI: the answer says nothing of %v", p.config.Protocol)
}

// prli answers PRLI.
func (p *Port) prli(f *fc.Frame) {
	o := p.peers[f.S]
	if o == nil || !o.in {
		p.reject(f, els.ReasonUnable, els.ExplanationLogin)
		return
	}
	x, err := els.ParsePRLI(f.Payload)
	switch {
	case err != nil:
		p.malformed(f, err)
		return
	case o.copied(els.PRLI, f, p.now(), p.pause()):
		p.dropped.Add(1)
		return
	}
	o.heard, o.last = p.now(), request1{els.PRLI, f.OX, p.now()}
	acc := els.Process{Command: els.LSAcc, Pages: x.Pages}
	done := false
	for i := range acc.Pages {
		g := &acc.Pages[i]
		image := g.Flags & els.ImagePair
		params := g.Params
		g.Flags, g.Originator, g.Responder, g.Params = 0, 0, 0, 0
		switch {
		case g.Type != p.config.Protocol:
			g.Flags = g.Flags.WithResponse(els.ResponseInvalid)
		case done:
			g.Flags = g.Flags.WithResponse(els.ResponseMultiple)
		case image == 0:
			g.Flags = g.Flags.WithResponse(els.ResponsePrecluded)
		default:
			done = true
			var response els.Response
			g.Params, response = p.processOf(o, params)
			if response == els.ResponseExecuted {
				g.Flags = image
			} else {
				o.refused = p.now() + p.pause()
			}
			g.Flags = g.Flags.WithResponse(response)
		}
	}
	p.answer(f, acc)
}

// processOf logs a process in that asks for it.
func (p *Port) processOf(o *peer, params uint32) (ours uint32, response els.Response) {
	if r := o.remote; r != nil && p.config.initiator() && r.theirs == params {
		// Both send one, and ours has been accepted: it is the same login.
		return p.config.Params, els.ResponseExecuted
	}
	p.endProcess(o, errAgainPRLI)
	return p.offer(o, params, false)
}

// prlo answers PRLO.
func (p *Port) prlo(f *fc.Frame) {
	x, err := els.ParsePRLO(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	o := p.peers[f.S]
	if o == nil || !o.in {
		p.reject(f, els.ReasonUnable, els.ExplanationLogin)
		return
	}
	acc := els.Process{Command: els.LSAcc, Pages: x.Pages}
	for i := range acc.Pages {
		g := &acc.Pages[i]
		response := els.ResponseExecuted
		if g.Type == p.config.Protocol || g.Type == 0 {
			p.endProcess(o, errPRLO)
			p.later(o, p.pause())
		} else {
			response = els.ResponseNoImage
		}
		*g = els.Page{Type: g.Type, Flags: els.ProcessFlags(0).WithResponse(response)}
	}
	p.answer(f, acc)
}

// logo answers LOGO.
func (p *Port) logo(f *fc.Frame) {
	if _, err := els.ParseLogout(f.Payload); err != nil {
		p.malformed(f, err)
		return
	}
	if o := p.peers[f.S]; o != nil {
		p.logOut(o, errLOGO)
		if o.neighbour || o.wanted {
			p.later(o, p.pause())
		} else {
			p.forgetPeer(o, errLOGO)
		}
	}
	p.answer(f, accept{})
	if f.S == fc.NameServer {
		p.fabric.restart(p.now() + p.pause())
		p.wakeUp()
	}
}
