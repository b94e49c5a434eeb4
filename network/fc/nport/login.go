package nport

import (
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// linkUp takes an address.
func (p *Port) linkUp(a fc.Attachment) {
	if p.up && (a.ID != p.at.ID || a.Fabric != p.at.Fabric || a.FabricName != p.at.FabricName) {
		p.lose(fc.ErrDown)
	}
	fresh := !p.up
	if a.ErrorDetect <= 0 {
		a.ErrorDetect = defaultErrorDetect
	}
	if a.ResourceAllocation <= 0 {
		a.ResourceAllocation = max(defaultResourceAllocation, 2*a.ErrorDetect)
	}
	p.errorDetect.Store(int64(a.ErrorDetect))
	p.resource.Store(int64(a.ResourceAllocation))
	p.change(func() { p.at, p.up = a, true })
	if fresh {
		p.fabric = registration{}
	}
	p.wakeUp()
}

// linkDown ends everything: the port has no address.
func (p *Port) linkDown(why error) {
	p.lose(why)
	p.wakeUp()
}

// lose forgets all peers, as the link is down.
func (p *Port) lose(why error) {
	p.change(func() { p.up = false })
	for q := range p.requests {
		p.finish(q, nil, why)
	}
	for _, o := range p.peers {
		p.forgetPeer(o, why)
	}
	p.fabric = registration{}
	p.pieces = pieces{}
}

// found takes a neighbour that has logged in at the link.
func (p *Port) found(n fc.Neighbour) {
	if !p.up || p.closing {
		return
	}
	for _, o := range p.peers {
		if o.port == n.Port && o.id != n.ID {
			p.forgetPeer(o, errMoved)
		}
	}
	o := p.know(n.ID)
	if o == nil {
		p.crowded.Warn(p.config.Log, "there are too many Fibre Channel ports: one more is not logged in with", "port", n.Port, "limit", p.config.MaxRemotes)
		return
	}
	if o.neighbour || o.port != n.Port {
		p.logOut(o, errRelink)
	} // else it has logged in before it was found: both ways of the link do not come up at once
	p.change(func() {
		o.node, o.port, o.neighbour = n.Node, n.Port, true
		if !o.in {
			o.max = p.payload(n.MaxPayload)
		}
	})
	o.tries = 0
	p.later(o, 0)
}

// gone takes that a neighbour is not there any more.
func (p *Port) gone(id fc.ID, why error) {
	if o := p.peers[id]; o != nil {
		p.forgetPeer(o, why)
	}
}

// payload is how much payload a frame may have to one that takes n.
func (p *Port) payload(n int) int {
	if n <= 0 {
		n = fc.MaxPayload
	}
	if p.at.MaxPayload > 0 {
		n = min(n, p.at.MaxPayload)
	}
	return max(n, fc.MinPayload)
}

// active says whether it is up to us to log in with o: among neighbours it is the port with the higher name (FC-LS-4, "N_Port login
// without a fabric"), with a fabric the initiator; and whoever has been told that the other one does not know of it: that one may
// take itself to be logged in, since frames can overtake each other.
func (p *Port) active(o *peer) bool {
	return (o.neighbour && (p.config.Port > o.port || o.ours) || o.wanted) && p.config.admits(o.port)
}

// drive does what is due to log in with o.
func (p *Port) drive(o *peer, now time.Duration) (next time.Duration) {
	switch {
	case o.asking != nil, o.in && (o.remote != nil || !p.config.initiator()), !o.in && !p.active(o):
		return 0
	case o.again > now:
		return o.again
	case o.in:
		o.asking = p.ask(o.id, fc.TypeELS, p.processLogin(), func(answer []byte, err error) { p.processAnswered(o, answer, err) })
	default:
		l := els.PortLogin(els.PLOGI, p.config.Port, p.config.Node, p.receives(), time.Duration(p.errorDetect.Load()))
		o.asking = p.ask(o.id, fc.TypeELS, l.Append(nil), func(answer []byte, err error) { p.portAnswered(o, answer, err) })
	}
	if o.asking == nil {
		o.again = now + p.pause()
		return o.again
	}
	return 0
}

// receives is how much payload a frame to us may have.
func (p *Port) receives() int {
	if n := p.at.MaxPayload; n > 0 {
		return min(max(n, fc.MinPayload), fc.MaxPayload)
	}
	return fc.MaxPayload
}

// failed takes that a login was not: it is tried again, after a while that grows if we were told so, at once if nothing has come.
func (p *Port) failed(o *peer, err error) {
	if p.peers[o.id] != o {
		return
	}
	p.change(func() { o.failed = err })
	p.config.Log.Debug("a login with a Fibre Channel port has failed", "port", o.port, "address", o.id, "why", err)
	wait := p.pause() << min(o.tries, 4)
	if o.tries++; isTimeout(err) {
		wait = 0
	}
	p.later(o, wait)
}

// portAnswered takes the answer to our PLOGI.
func (p *Port) portAnswered(o *peer, answer []byte, err error) {
	if o.asking == nil {
		return // of no interest any more
	}
	o.asking = nil
	if err != nil {
		p.failed(o, err)
		return
	}
	l, err := els.ParseLogin(answer)
	if err == nil && l.ReceiveSize() < fc.MinPayload {
		err = els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationSize}
	}
	if err == nil && o.port != 0 && l.Port != o.port {
		err = els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationPortName}
	}
	if err != nil {
		p.sendLogout(o.id)
		p.failed(o, err)
		return
	}
	p.change(func() { o.in, o.ours, o.node, o.port, o.max = true, false, l.Node, l.Port, p.payload(l.ReceiveSize()) })
	o.tries = 0
	p.later(o, 0)
}

// plogi answers PLOGI.
func (p *Port) plogi(f *fc.Frame) {
	l, err := els.ParseLogin(f.Payload)
	switch {
	case err != nil:
		p.malformed(f, err)
		return
	case l.ReceiveSize() < fc.MinPayload:
		p.reject(f, els.ReasonLogical, els.ExplanationSize)
		return
	case l.Port == 0 || l.Port == p.config.Port:
		p.reject(f, els.ReasonLogical, els.ExplanationPortName)
		return
	case !p.config.admits(l.Port):
		p.reject(f, els.ReasonUnable, els.ExplanationNone)
		return
	}
	for _, other := range p.peers {
		if other.id != f.S && other.port == l.Port && other.neighbour {
			p.reject(f, els.ReasonLogical, els.ExplanationPortName)
			return
		}
	}
	o := p.know(f.S)
	switch {
	case o == nil:
		p.reject(f, els.ReasonUnable, els.ExplanationResources)
		return
	case o.neighbour && l.Port != o.port:
		p.reject(f, els.ReasonLogical, els.ExplanationPortName)
		return
	case o.asking != nil && o.asking.what == els.PLOGI && l.Port < p.config.Port:
		// Both have sent one: that of the higher name goes on.
		p.reject(f, els.ReasonInProgress, els.ExplanationInProgress)
		return
	case o.refused > p.now():
		// Linux asks anew at once when a process login was refused, and again, as fast as it can.
		p.reject(f, els.ReasonBusy, els.ExplanationNone)
		return
	case o.copied(els.PLOGI, f, p.now(), p.pause()):
		p.dropped.Add(1)
		return
	}
	for _, other := range p.peers {
		if other != o && other.port == l.Port {
			p.forgetPeer(other, errMoved)
		}
	}
	why := errAgain
	if o.asking != nil {
		why = errSuperseded
	}
	p.logOut(o, why)
	o.last = request1{els.PLOGI, f.OX, p.now()}
	p.change(func() { o.in, o.ours, o.node, o.port, o.max = true, false, l.Node, l.Port, p.payload(l.ReceiveSize()) })
	o.tries = 0
	acc := els.PortLogin(els.LSAcc, p.config.Port, p.config.Node, p.receives(), time.Duration(p.errorDetect.Load()))
	p.answer(f, &acc)
	p.later(o, 0)
}

// copied says whether f is a second copy of the login that o has asked for last.
func (o *peer) copied(what els.Command, f *fc.Frame, now, soon time.Duration) bool {
	return o.last.what == what && o.last.ox == f.OX && now-o.last.at < soon
}
