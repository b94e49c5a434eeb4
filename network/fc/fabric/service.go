package fabric

import (
	"errors"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// serve lets the service at a well-known address answer a frame of e, which it borrows. Services keep nothing of exchanges: a request is one
// frame, and so is what answers a notification; all else is thrown away. The answer is in Sequence.Head, whatever its length. f.mu is held.
func (f *Fabric) serve(e *entry, fr *fc.Frame) (*fc.Sequence, bool) {
	switch fr.D {
	case fc.FabricPort, fc.FabricController, fc.NameServer, fc.ManagementServer:
	default:
		f.dropped.Add(1)
		return nil, false
	}
	whole := fr.First && fr.Last
	switch {
	case whole && fr.Type == fc.TypeELS && fr.RCtl == fc.RCtlELSRequest:
		return answer(e, fr, fc.RCtlELSReply, f.link(e, fr)), true
	case whole && fr.Type == fc.TypeELS && fr.RCtl == fc.RCtlELSReply && fr.D == fc.FabricController:
		f.noted(e, fr)
		return nil, false
	case whole && fr.Type == fc.TypeCT && fr.RCtl == fc.RCtlUnsolicitedControl && fr.D == fc.NameServer:
		return answer(e, fr, fc.RCtlSolicitedControl, f.directory(e, fr.Payload)), true
	case whole && fr.Type == fc.TypeBLS && fr.RCtl == fc.RCtlABTS:
		// Whatever it was, it is over.
		refusal := els.AbortReject{Reason: els.AbortLogical, Explanation: els.AbortExchange}
		return answer(e, fr, fc.RCtlBARjt, refusal.Append(nil)), true
	}
	f.dropped.Add(1)
	return nil, false
}

// answer is the sequence that answers a request.
func answer(e *entry, fr *fc.Frame, r fc.RCtl, payload []byte) *fc.Sequence {
	ctl := fc.FCtlReply
	if fr.FCtl&fc.FCtlResponder != 0 { // ABTS of an exchange that is ours
		ctl &^= fc.FCtlResponder
	}
	return &fc.Sequence{
		Header: fc.Header{RCtl: r, D: fr.S, S: fr.D, Type: fr.Type, FCtl: ctl, SeqID: fr.SeqID, OX: fr.OX, RX: fr.RX},
		Head:   payload, MaxPayload: e.payload,
	}
}

// link answers an extended link service. f.mu is held.
func (f *Fabric) link(e *entry, fr *fc.Frame) []byte {
	var err error
	switch els.CommandOf(fr.Payload) {
	case els.PLOGI, els.PDISC:
		_, err = els.ParseLogin(fr.Payload)
		if err == nil && fr.D != fc.ManagementServer {
			return f.login(fr.D)
		}
	case els.LOGO:
		if _, err = els.ParseLogout(fr.Payload); err == nil {
			return els.AppendAccept(nil)
		}
	case els.SCR:
		var x els.Register
		if x, err = els.ParseRegister(fr.Payload); err == nil && fr.D == fc.FabricController {
			return register(e, x)
		}
	case els.RTV:
		if err = els.ParseRTV(fr.Payload); err == nil {
			return els.MakeTimeouts(f.c.ResourceAllocation, f.c.ErrorDetect).Append(nil)
		}
	case els.RLS:
		if _, err = els.ParseReadLinkStatus(fr.Payload); err == nil && fr.D == fc.FabricPort {
			return els.LinkStatus{}.Append(nil)
		}
	case els.ECHO:
		var x els.Echo
		if x, err = els.ParseEcho(fr.Payload); err == nil {
			return els.Echo{Answer: true, Data: x.Data}.Append(nil)
		}
	case els.ADISC:
		if _, err = els.ParseDiscover(fr.Payload); err == nil {
			return els.Discover{Answer: true, Port: f.serviceName(fr.D), Node: f.c.Name, ID: fr.D}.Append(nil)
		}
	case els.RNID:
		if _, err = els.ParseIdentify(fr.Payload); err == nil {
			return els.Identity{Format: els.FormatCommon, Named: true, Port: f.serviceName(fr.D), Node: f.c.Name}.Append(nil)
		}
	case els.RRQ:
		if _, err = els.ParseReinstate(fr.Payload); err == nil {
			return els.AppendAccept(nil)
		}
	case els.REC:
		if _, err = els.ParseReadExchange(fr.Payload); err == nil {
			return els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationExchange}.Append(nil)
		}
	case els.FLOGI, els.FDISC:
		return els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationS}.Append(nil)
	}
	var wrong *els.Error
	if errors.As(err, &wrong) {
		return wrong.Reject().Append(nil)
	}
	return els.Reject{Reason: els.ReasonUnsupported, Explanation: els.ExplanationNotSupported}.Append(nil)
}

// register answers SCR.
func register(e *entry, x els.Register) []byte {
	switch x.Function {
	case els.RegisterFabric, els.RegisterPort, els.RegisterFull:
		// What ports report to the fabric is not passed on (RSCN of ports is refused); what it detects is.
		e.changes = true
	case els.RegisterClear:
		e.changes, e.notes.pending = false, nil
	default:
		return els.Reject{Reason: els.ReasonLogical}.Append(nil)
	}
	return els.AppendAccept(nil)
}

// directory answers a request to the name server. f.mu is held.
func (f *Fabric) directory(e *entry, b []byte) []byte {
	h, x, err := ct.ParseRequest(b)
	var wrong *ct.Error
	if errors.As(err, &wrong) {
		return h.Reject(wrong.Reason, ct.ExplanationNone).Append(nil)
	}
	q := query{f: f, from: e, h: h, x: &x}
	if x.Command >= ct.SetPortName && x.Command != ct.Deregister {
		return q.set()
	}
	return q.get()
}
