package nport

import (
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A registration is where a port is with the services of a fabric. It belongs to who has the turn.
type registration struct {
	step    int
	tries   int
	max     int // payload of a frame to the name server
	asking  *request
	again   time.Duration // when to go on
	query   bool          // targets are to be asked for
	queries *request
}

// Steps: log in at the name server, register there, ask for state changes.
const (
	stepLogin = iota
	stepNode
	stepNodeSymbol
	stepSymbol
	stepTypes
	stepFeatures
	stepChanges
	stepDone
)

// ask lets targets be asked for.
func (r *registration) ask() { r.query = true }

// restart begins anew.
func (r *registration) restart(at time.Duration) {
	*r = registration{again: at}
}

// register does what is due with the services of a fabric.
func (p *Port) register(now time.Duration) (next time.Duration) {
	r := &p.fabric
	if !p.at.Fabric {
		return 0
	}
	if r.step == stepDone {
		if r.query && r.queries == nil && p.config.initiator() {
			if r.again > now {
				return r.again
			}
			p.askTargets()
		}
		return 0
	}
	if r.asking != nil {
		return 0
	}
	if r.again > now {
		return r.again
	}
	step := r.step
	done := func(answer []byte, err error) { p.registered(step, answer, err) }
	switch step {
	case stepLogin:
		l := els.PortLogin(els.PLOGI, p.config.Port, p.config.Node, p.receives(), time.Duration(p.errorDetect.Load()))
		r.asking = p.ask(fc.NameServer, fc.TypeELS, l.Append(nil), done)
	case stepChanges:
		r.asking = p.ask(fc.FabricController, fc.TypeELS, els.Register{Function: 3}.Append(nil), done)
	default:
		r.asking = p.ask(fc.NameServer, fc.TypeCT, p.registration(step), done)
	}
	if r.asking == nil {
		r.again = now + p.pause()
		return r.again
	}
	return 0
}

// registration is the request to the name server of a step.
func (p *Port) registration(step int) []byte {
	c := &p.config
	q := ct.Request{ID: p.at.ID}
	switch step {
	case stepNode:
		q.Command, q.Name = ct.SetNodeName, c.Node
	case stepNodeSymbol:
		q.Command, q.Name, q.Symbol = ct.SetNodeSymbol, c.Node, p.symbol()
	case stepSymbol:
		q.Command, q.Symbol = ct.SetPortSymbol, p.symbol()
	case stepTypes:
		q.Command = ct.SetTypes
		q.Types.Set(c.Protocol)
	case stepFeatures:
		q.Command, q.Features, q.Type = ct.SetFeatures, c.Features, c.Protocol
	}
	return q.Append(nil)
}

// symbol is as much of the symbolic name as there is room for in a frame.
func (p *Port) symbol() []byte {
	room := min(p.fabric.max, p.receives()) - ct.HeaderLen - 9
	return []byte(p.config.Symbolic)[:min(len(p.config.Symbolic), max(room, 0))]
}

// registered takes the answer of a step.
func (p *Port) registered(step int, answer []byte, err error) {
	r := &p.fabric
	if r.asking == nil || r.step != step {
		return
	}
	r.asking = nil
	max := r.max
	switch step {
	case stepLogin:
		if err == nil {
			var l els.Login
			l, err = els.ParseLogin(answer)
			max = p.payload(l.ReceiveSize())
		}
	case stepChanges:
	default:
		if err == nil {
			_, err = directory(answer)
		}
	}
	switch {
	case err == nil:
	case isTimeout(err) && r.tries < 3:
		r.tries++
		r.again = p.now()
		p.wakeUp()
		return
	case !isTimeout(err) && (step == stepNodeSymbol || step == stepSymbol || step == stepFeatures || step == stepChanges):
		// Those are good to have; a fabric without them is one.
		p.config.Log.Debug("a Fibre Channel fabric does not take a registration", "step", step, "why", err)
	default:
		p.config.Log.Warn("registration at the Fibre Channel fabric has failed, and is tried again", "port", p.config.Port, "why", err)
		r.restart(p.now() + 2*p.pause())
		p.wakeUp()
		return
	}
	*r = registration{step: step + 1, max: max, query: true}
	p.wakeUp()
}

// directory checks an answer of the name server, and gives what is behind its header.
func directory(answer []byte) ([]byte, error) {
	h, err := ct.ParseHeader(answer)
	if err != nil {
		return nil, err
	}
	if err := h.Check(); err != nil {
		return nil, err
	}
	if h.Service != ct.ServiceDirectory || h.Subtype != ct.SubtypeNameServer {
		return nil, fmt.Errorf("an answer of the service %02xh/%02xh, not the name server's", h.Service, h.Subtype)
	}
	return answer[ct.HeaderLen:], nil
}

// askTargets asks the name server who has our protocol (GPN_FT).
func (p *Port) askTargets() {
	r := &p.fabric
	r.query = false
	q := ct.Request{Command: ct.GetPortNames, Type: p.config.Protocol}
	r.queries = p.ask(fc.NameServer, fc.TypeCT, q.Append(nil), p.targets)
	if r.queries == nil {
		r.query, r.again = true, p.now()+p.pause()
		p.wakeUp()
	}
}

// targets takes the list of those who have our protocol.
func (p *Port) targets(answer []byte, err error) {
	r := &p.fabric
	if r.queries == nil {
		return
	}
	r.queries = nil
	names := make(map[fc.ID]fc.Name)
	if err == nil {
		var list []byte
		list, err = directory(answer)
		var none ct.Reject
		if errors.As(err, &none) && (none.Explanation == ct.ExplanationTypes || none.Explanation == ct.ExplanationEmpty || none.Explanation == ct.ExplanationScope) {
			list, err = nil, nil
		} else if err == nil {
			err = ct.ParseNamed(list, func(id fc.ID, name fc.Name) bool {
				if id != p.at.ID && name != p.config.Port && !id.WellKnown() && id != 0 {
					names[id] = name
				}
				return len(names) < p.config.MaxRemotes
			})
		}
	}
	if err != nil {
		r.query, r.again = true, p.now()+p.pause()
		p.wakeUp()
		return
	}
	for _, o := range p.peers {
		if name, ok := names[o.id]; o.wanted && (!ok || name != o.port) {
			p.forgetPeer(o, errUnlisted)
		}
	}
	for id, name := range names {
		o := p.know(id)
		if o == nil || o.wanted {
			continue
		}
		p.change(func() {
			o.wanted = true
			if !o.in {
				o.port = name
			}
		})
		p.later(o, 0)
	}
}

// rscn takes a state change: what is known of ports that it is about is asked anew.
func (p *Port) rscn(f *fc.Frame) {
	x, err := els.ParseStateChange(f.Payload)
	if err != nil {
		p.malformed(f, err)
		return
	}
	if !p.at.Fabric || f.S != fc.FabricController {
		p.reject(f, els.ReasonUnsupported, els.ExplanationNotSupported)
		return
	}
	p.answer(f, accept{})
	p.fabric.query = true
	p.wakeUp()
	for _, o := range p.peers {
		for _, a := range x.Pages {
			if o.in && !o.wanted && affects(a, o.id) {
				o.unsure = true
				break
			}
		}
	}
}

// affects says whether a page of RSCN is about an address.
func affects(a els.Affected, id fc.ID) bool {
	switch a.Format {
	case els.AffectedPort:
		return a.ID == id
	case els.AffectedArea:
		return a.ID>>8 == id>>8
	case els.AffectedDomain:
		return a.ID>>16 == id>>16
	}
	return true
}

// verify asks the name server, when that is due, whether a port is still at its address (GPN_ID); if it is not, its logins end.
func (p *Port) verify(o *peer, now time.Duration) (next time.Duration) {
	switch {
	case !o.unsure || o.verifying || p.peers[o.id] != o:
		return 0
	case o.verify > now:
		return o.verify
	}
	q := ct.Request{Command: ct.GetPortName, ID: o.id}
	asked := p.ask(fc.NameServer, fc.TypeCT, q.Append(nil), func(answer []byte, err error) {
		o.verifying = false
		if p.peers[o.id] != o {
			return
		}
		if answer == nil { // it is still to be found out
			o.unsure, o.verify = true, p.now()+p.pause()
			return
		}
		name, err := directory(answer)
		var gone ct.Reject
		switch {
		case errors.As(err, &gone):
		case err != nil || len(name) < 8:
			return
		default:
			if n, err := ct.ParseName(name); err != nil || n == o.port {
				return
			}
		}
		p.forgetPeer(o, errUnlisted)
	})
	if asked == nil {
		o.verify = now + p.pause()
		return o.verify
	}
	o.unsure, o.verifying = false, true
	return 0
}
