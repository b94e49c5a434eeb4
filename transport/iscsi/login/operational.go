package login

import (
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A negotiation is the operational part of a login, on the side that answers.
type negotiation struct {
	cfg       *Config
	params    *Params
	discovery bool
	leading   bool // the connection makes the session
	declared  bool // our declarations went out
}

// answer works through the keys of one text and returns the answers in their
// order. Keys that depend on others come last, whatever their place.
func (n *negotiation) answer(pairs []Pair) ([]Pair, *Failure) {
	answers := make([]string, len(pairs))
	for _, late := range []bool{false, true} {
		for i, p := range pairs {
			spec := n.cfg.spec(p.Key)
			if (spec != nil && spec.IrrelevantWhen != nil) != late {
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
			return "", nil // its word on a declaration of ours
		}
		return "", fail(pdu.LoginInitiatorError, "%s is not the initiator's to send", p.Key)
	case spec.Name == "AuthMethod" && offers(p.Value, None):
		// The login has come past authentication, or needs none: it asks for what it has.
		return None, nil
	case spec.Use == SecurityOnly:
		return "", fail(pdu.LoginInitiatorError, "%s outside of the security stage", p.Key)
	case spec.Use == Identification:
		return "", fail(pdu.LoginInitiatorError, "%s after the first request", p.Key)
	case spec.Use == FullFeatureOnly:
		return Rejected, nil
	case n.discovery && spec.NotInDiscovery,
		spec.IrrelevantWhen != nil && spec.IrrelevantWhen(n.params):
		if !spec.negotiated() {
			return "", nil
		}
		return Irrelevant, nil
	case !spec.negotiated():
		f := n.declaration(spec, p.Value)
		if f == nil && spec.InReturn && spec.Sender&ByTarget != 0 && !reserved(p.Value) {
			return n.cfg.own(p.Key, n.params), nil
		}
		return "", f
	case spec.Use == LeadingOnly && !n.leading:
		return Rejected, nil // the session has its value
	}
	v, ok := spec.answer(p.Value, n.cfg.own(p.Key, n.params))
	if ok {
		n.params.set(spec, v)
	}
	return v, nil
}

// offers reports that the list has the value.
func offers(list, value string) bool {
	for v := range strings.SplitSeq(list, ",") {
		if v == value {
			return true
		}
	}
	return false
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

// declarations is what this side states unasked, once, in the operational
// stage: an initiator may give up on a key it does not expect elsewhere.
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
	if spec.IrrelevantWhen == nil || !spec.IrrelevantWhen(n.params) {
		out = append(out, Pair{spec.Name, strconv.FormatUint(uint64(n.cfg.MaxRecvDataSegmentLength), 10)})
		n.params.MaxRecvDataSegmentLength = n.cfg.MaxRecvDataSegmentLength
	}
	for i := range n.cfg.Keys {
		k := &n.cfg.Keys[i]
		irrelevant := n.discovery && k.NotInDiscovery || k.IrrelevantWhen != nil && k.IrrelevantWhen(n.params)
		if k.Kind == Declarative && k.Sender&ByTarget != 0 && k.Value != "" && !k.InReturn && !irrelevant && k.Name != spec.Name {
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
