package login

import (
	"strconv"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// identify takes the names out of the first text of the connection, asks the
// environment about them and returns the other keys (RFC 7143 sections 6.3.1
// and 13.4 to 13.9).
func (n *Negotiator) identify(pairs []Pair) ([]Pair, *Failure) {
	var initiator, target *string
	r := &n.result.Request
	rest := make([]Pair, 0, len(pairs))
	for i, p := range pairs {
		switch p.Key {
		case "InitiatorName":
			initiator = &pairs[i].Value
		case "TargetName":
			target = &pairs[i].Value
		case "InitiatorAlias":
			if err := checkAlias(p.Value); err != nil {
				return nil, fail(pdu.LoginInitiatorError, "InitiatorAlias: %v", err)
			}
			r.InitiatorAlias = p.Value
		case "SessionType":
			switch p.Value {
			case "Normal":
			case "Discovery":
				r.Discovery = true
			default:
				return nil, fail(pdu.LoginSessionType, "SessionType=%s", quote(p.Value))
			}
		default:
			rest = append(rest, p)
		}
	}
	if initiator == nil {
		return nil, fail(pdu.LoginMissingParameter, "no InitiatorName in the first request")
	}
	name, err := InitiatorName(*initiator)
	if err != nil {
		return nil, fail(pdu.LoginInitiatorError, "InitiatorName: %v", err)
	}
	r.InitiatorName = name
	if target == nil && !r.Discovery {
		return nil, fail(pdu.LoginMissingParameter, "no TargetName in the first request")
	}
	if target != nil {
		if r.TargetName, err = NormalizeName(*target); err != nil {
			return nil, fail(pdu.LoginNotFound, "TargetName: %v", err)
		}
	}
	t, status := n.env.Target(r)
	n.target = t
	if status != pdu.LoginSuccess {
		if status.Redirects() && t.Redirect == "" {
			return nil, fail(pdu.LoginTargetError, "a redirection without an address")
		}
		return nil, fail(status, "%s", t.Why)
	}
	n.result.PortalGroup = t.PortalGroup
	n.oper.discovery = r.Discovery
	n.identified = true
	return rest, nil
}

// repeats reports whether a pair only says again who the initiator is and what it wants, as libiscsi
// does at the start of the operational stage (docs/design/generosity.md).
func (n *Negotiator) repeats(p Pair) bool {
	r := &n.result.Request
	switch p.Key {
	case "InitiatorName":
		name, err := InitiatorName(p.Value)
		return err == nil && name == r.InitiatorName
	case "TargetName":
		name, err := NormalizeName(p.Value)
		return err == nil && name == r.TargetName
	case "SessionType":
		return r.Discovery && p.Value == "Discovery" || !r.Discovery && p.Value == "Normal"
	case "InitiatorAlias":
		return p.Value == r.InitiatorAlias
	}
	return false
}

// portalGroup is the declaration that goes with the first answer of a normal
// session.
func (n *Negotiator) portalGroup() Pair {
	return Pair{"TargetPortalGroupTag", strconv.FormatUint(uint64(n.target.PortalGroup), 10)}
}

// authenticated reports whether the initiator has proved all that it must. It decides alone who passes
// the security stage: see docs/design/login.md.
func (n *Negotiator) authenticated() bool {
	return n.target.Auth == nil || n.result.AuthMethod != ""
}

// security answers the keys of the security stage (RFC 7143 sections 6.3.2 and 12). It says in ready
// whether the initiator has proved all that it must.
func (n *Negotiator) security(pairs []Pair, req pdu.LoginRequest) ([]Pair, *Failure) {
	var out, proof []Pair
	chosen := n.method
	for _, p := range pairs {
		spec := n.cfg.spec(p.Key)
		switch {
		case p.Key == "AuthMethod":
			m, f := n.chooseMethod(p.Value)
			if f != nil {
				return nil, f
			}
			n.method = m
			out = append(out, Pair{p.Key, m})
		case n.target.Auth != nil && n.target.Auth.Owns(p.Key):
			proof = append(proof, p)
		case spec == nil:
			if a := unknown(p); a != "" {
				out = append(out, Pair{p.Key, a})
			}
		case spec.Sender&ByInitiator == 0 && reserved(p.Value):
		case spec.Use == SecurityOnly:
			return nil, fail(pdu.LoginInitiatorError, "%s, which is no part of the authentication", p.Key)
		case spec.Use == Identification:
			return nil, fail(pdu.LoginInitiatorError, "%s after the first request", p.Key)
		case p.Key == "InitiatorAlias":
		default:
			return nil, fail(pdu.LoginInitiatorError, "%s in the security stage", p.Key)
		}
	}
	if len(proof) > 0 {
		if chosen == "" {
			return nil, fail(pdu.LoginInitiatorError, "%s before the method is agreed", proof[0].Key)
		}
		if n.authenticated() {
			return nil, fail(pdu.LoginInitiatorError, "%s after the authentication", proof[0].Key)
		}
		answers, done, err := n.target.Auth.Next(proof)
		if user := n.target.Auth.Claims(); user != "" && (done || err != nil) {
			n.env.Tried(user, err)
		}
		if err != nil {
			return nil, fail(pdu.LoginAuthenticationFail, "%v", err)
		}
		out = append(out, answers...)
		if done {
			n.result.AuthMethod = n.method
			n.result.User = n.target.Auth.User()
		}
	}
	n.ready = n.authenticated()
	if !n.ready && req.Transit && n.method == "" {
		return nil, fail(pdu.LoginAuthenticationFail, "the initiator offers no authentication")
	}
	return out, nil
}

// chooseMethod chooses from the initiator's AuthMethod list the one method that is required, which is
// None if the initiator needs to prove nothing.
func (n *Negotiator) chooseMethod(offered string) (string, *Failure) {
	required := None
	if n.target.Auth != nil {
		required = n.target.Auth.Method()
	}
	m, ok := firstSupported(offered, required)
	if !ok {
		return "", fail(pdu.LoginAuthenticationFail, "AuthMethod=%s where %s is needed", quote(offered), required)
	}
	return m, nil
}
