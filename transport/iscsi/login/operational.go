package login

import (
	"strconv"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A negotiation is the operational part of a login, on the side that answers.
type negotiation struct {
	cfg       *Config
	params    *Params
	discovery bool
	leading   bool // the connection makes the session
	declared  bool // the declarations of this side have gone out
}

// answer works through the keys of one text and returns the answers in the order of the keys. Keys
// whose answers depend on other keys are worked out last, whatever their place.
func (n *negotiation) answer(pairs []Pair) ([]Pair, *Failure) {
	answers := make([]string, len(pairs))
	for _, late := range []bool{false, true} {
		for i, p := range pairs {
			spec := n.cfg.spec(p.Key)
			if (spec != nil && spec.last()) != late {
				continue
			}
			a, f := n.one(spec, p)
			if f != nil {
				return nil, f
			}
			answers[i] = a
		}
	}
	n.params.settle()
	var out []Pair
	for i, p := range pairs {
		if answers[i] != "" {
			out = append(out, Pair{p.Key, answers[i]})
		}
	}
	return out, nil
}

// one is the answer to one pair, "" if it gets none.
func (n *negotiation) one(spec *KeySpec, p Pair) (string, *Failure) {
	switch {
	case spec == nil:
		return unknown(p), nil
	case spec.Kind == Obsolete:
		return Rejected, nil
	case spec.Sender&ByInitiator == 0:
		if reserved(p.Value) {
			return "", nil // an answer to a declaration of this side
		}
		return "", fail(pdu.LoginInitiatorError, "%s is not the initiator's to send", p.Key)
	case spec.Use == SecurityOnly:
		return n.authMethod(p)
	case spec.Use == Identification:
		return "", fail(pdu.LoginInitiatorError, "%s after the first request", p.Key)
	case spec.Use == FullFeatureOnly:
		return Rejected, nil
	case spec.irrelevant(n.params, n.discovery):
		if !spec.negotiated() {
			return "", nil
		}
		return Irrelevant, nil
	case !spec.negotiated():
		f := n.declaration(spec, p.Value)
		if f == nil && spec.InReturn && spec.Sender&ByTarget != 0 && !reserved(p.Value) {
			return n.desired(spec), nil
		}
		return "", f
	case spec.Use == LeadingOnly && !n.leading:
		return Rejected, nil // a connection that joins a session cannot change what is the session's
	}
	v, ok := spec.answer(p.Value, n.desired(spec))
	if ok {
		n.params.set(spec, v)
	}
	return v, nil
}

// desired is the value that this side wants of a key.
func (n *negotiation) desired(spec *KeySpec) string {
	if n.discovery && spec.InDiscovery != "" {
		return spec.InDiscovery
	}
	return n.cfg.desired(spec.Name, n.params)
}

// authMethod answers a key of the security stage that comes among operational keys, where RFC 7143
// section 12.1 has none. AuthMethod with None among its values is taken (docs/design/generosity.md):
// no operational key is answered before the initiator has proved all that it must, so that None
// asks for nothing that it does not have. Everything else is refused, so that nobody believes to
// have been authenticated who was not.
func (n *negotiation) authMethod(p Pair) (string, *Failure) {
	if p.Key == "AuthMethod" {
		if m, ok := firstSupported(p.Value, None); ok {
			return m, nil
		}
	}
	return "", fail(pdu.LoginInitiatorError, "%s outside of the security stage", p.Key)
}

// declaration takes a value that the initiator states.
func (n *negotiation) declaration(spec *KeySpec, value string) *Failure {
	if reserved(value) {
		return nil
	}
	if spec.Name == "InitiatorAlias" {
		return nil // taken by identify; a later one changes nothing
	}
	if spec.Max > 0 {
		if _, err := spec.number(value); err != nil {
			return fail(pdu.LoginInitiatorError, "%v", err)
		}
	}
	if spec.Default == Yes || spec.Default == No {
		if _, err := ParseBool(value); err != nil {
			return fail(pdu.LoginInitiatorError, "%s: %v", spec.Name, err)
		}
	}
	n.params.set(spec, value)
	return nil
}

// declarations are the keys that this side declares without being asked. They go out once, with the
// first answer of the operational stage: elsewhere an initiator may end the login when it meets a key
// that it does not expect.
func (n *negotiation) declarations(alias string) []Pair {
	if n.declared {
		return nil
	}
	n.declared = true
	var out []Pair
	if alias != "" {
		out = append(out, Pair{"TargetAlias", alias})
	}
	spec := n.cfg.spec("MaxRecvDataSegmentLength")
	// On RDMA other keys take its place (RFC 7145 section 6.2).
	if !spec.irrelevant(n.params, n.discovery) {
		length := n.cfg.MaxRecvDataSegmentLength
		if n.discovery { // texts are all that comes there
			length = min(length, MaxLoginData)
		}
		out = append(out, Pair{spec.Name, strconv.FormatUint(uint64(length), 10)})
		n.params.MaxRecvDataSegmentLength = length
	}
	for i := range n.cfg.Keys {
		k := &n.cfg.Keys[i]
		if k.Kind == Declarative && k.Sender&ByTarget != 0 && k.Value != "" && !k.InReturn && k.Name != spec.Name && !k.irrelevant(n.params, n.discovery) {
			out = append(out, Pair{k.Name, k.Value})
		}
	}
	return out
}

// unknown is the answer to a key outside of every table.
func unknown(p Pair) string {
	if p.Value == NotUnderstood {
		return "" // an answer, not an offer: two such sides would never end
	}
	return NotUnderstood
}

// reserved reports whether a value is one of the words that answer instead of a
// value.
func reserved(v string) bool { return v == NotUnderstood || v == Irrelevant || v == Rejected }
