package fabric

import (
	"bytes"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
)

// A query is a request to the name server (FC-GS-7 "name service"). What a port may not see is not there for it. f.mu is held while one is answered.
type query struct {
	f    *Fabric
	from *entry
	h    ct.Header
	x    *ct.Request
}

// refuse refuses a request.
func (q *query) refuse(e ct.Explanation) []byte {
	return q.h.Reject(ct.ReasonUnable, e).Append(nil)
}

// accept begins an answer.
func (q *query) accept() []byte { return q.h.Accept().Append(nil) }

// get answers questions. q.f.mu is held.
func (q *query) get() []byte {
	x := q.x
	switch x.Command {
	case ct.GetNext:
		return q.next()
	case ct.GetIDByPort:
		return q.ids(ct.ExplanationPortName, func(o *entry) bool { return o.port == x.Name }, true)
	case ct.GetIDByNode:
		return q.ids(ct.ExplanationNodeName, func(o *entry) bool { return o.node == x.Name }, false)
	case ct.GetIDs:
		return q.ids(ct.ExplanationTypes, q.typed, false)
	case ct.GetIDsByPort:
		if x.PortType != ct.PortTypeN && x.PortType != ct.PortTypeNX {
			return q.refuse(ct.ExplanationPortType)
		}
		return q.ids(ct.ExplanationPortType, q.scope, false)
	case ct.GetPortNames:
		return q.named(func(o *entry) fc.Name { return o.port })
	case ct.GetNodeNames:
		return q.named(func(o *entry) fc.Name { return o.node })
	case ct.GetNodeSymbol:
		for _, o := range q.f.visible(q.from) {
			if o.node == x.Name && o.nodeSymbol != nil {
				return ct.AppendSymbol(q.accept(), o.nodeSymbol)
			}
		}
		return q.refuse(ct.ExplanationNodeSymbol)
	}
	o := q.f.entryAt(x.ID)
	if o == nil || !q.f.sees(q.from, o) {
		return q.refuse(ct.ExplanationID)
	}
	switch x.Command {
	case ct.GetPortName:
		return ct.AppendName(q.accept(), o.port)
	case ct.GetNodeName:
		return ct.AppendName(q.accept(), o.node)
	case ct.GetTypes:
		return o.types.Append(q.accept())
	case ct.GetFeatures:
		return o.features.Append(q.accept())
	case ct.GetPortSymbol:
		return ct.AppendSymbol(q.accept(), o.portSymbol)
	case ct.Deregister:
		return q.deregister(o)
	}
	return q.h.Reject(ct.ReasonUnsupported, ct.ExplanationNone).Append(nil)
}

// next is the port behind an address, and behind the last the first again. q.f.mu is held.
func (q *query) next() []byte {
	all := q.f.visible(q.from) // at least who asks
	o := all[0]
	for _, e := range all {
		if e.id > q.x.ID {
			o = e
			break
		}
	}
	x := ct.Object{
		Type: ct.PortTypeN, ID: o.id, Port: o.port, PortSymbol: o.portSymbol, Node: o.node, NodeSymbol: o.nodeSymbol,
		Classes: ct.Class3, Types: o.types, FabricPort: q.f.serviceName(o.id),
	}
	return x.Append(q.accept())
}

// scope reports that a port is in the part of the fabric that is asked for.
func (q *query) scope(o *entry) bool {
	return (q.x.Domain == 0 || q.x.Domain == o.id.Domain()) && (q.x.Area == 0 || q.x.Area == o.id.Area())
}

// typed reports that a port has the FC-4 type that is asked for, and is in the scope.
func (q *query) typed(o *entry) bool { return q.scope(o) && o.types.Has(q.x.Type) }

// ids are the addresses of those ports that fit, or of the first; none: e says what is missing. q.f.mu is held.
func (q *query) ids(e ct.Explanation, fits func(*entry) bool, one bool) []byte {
	list := q.list(fits)
	if one && len(list) > 1 {
		list = list[:1]
	}
	return q.entries(e, list, ct.IDLen, func(b []byte, o *entry, last bool) []byte { return ct.AppendID(b, o.id, last) })
}

// named are the addresses and names of ports of a type. q.f.mu is held.
func (q *query) named(name func(*entry) fc.Name) []byte {
	return q.entries(ct.ExplanationTypes, q.list(q.typed), ct.NamedLen, func(b []byte, o *entry, last bool) []byte {
		return ct.AppendNamed(b, o.id, name(o), last)
	})
}

// list are the ports that fit. q.f.mu is held.
func (q *query) list(fits func(*entry) bool) (list []*entry) {
	for _, o := range q.f.visible(q.from) {
		if fits(o) {
			list = append(list, o)
		}
	}
	return list
}

// entries is an answer of entries of a length, as many as who asks has room for (FC-GS-7 "maximum/residual size").
func (q *query) entries(none ct.Explanation, list []*entry, length int, add func(b []byte, o *entry, last bool) []byte) []byte {
	if len(list) == 0 {
		return q.refuse(none)
	}
	h := q.h.Accept()
	if room := int(q.h.Size) * 4 / length; q.h.Size > 0 && room < len(list) {
		if room == 0 {
			return q.h.Reject(ct.ReasonLogical, ct.ExplanationNone).Append(nil)
		}
		h.Size = uint16(min((len(list)-room)*length/4, 0xffff))
		list = list[:room]
	}
	b := h.Append(nil)
	for i, o := range list {
		b = add(b, o, i == len(list)-1)
	}
	return b
}

// set handles registrations: a port registers itself, and nobody else. q.f.mu is held.
func (q *query) set() []byte {
	x, e := q.x, q.from
	switch {
	case x.Command == ct.SetNodeSymbol:
		if x.Name != e.node {
			return q.refuse(ct.ExplanationNodeName)
		}
	case x.ID != e.id:
		return q.refuse(ct.ExplanationUnacceptable)
	}
	switch x.Command {
	case ct.SetPortName:
		if x.Name != e.port { // it has logged in with it
			return q.refuse(ct.ExplanationPortName)
		}
	case ct.SetNodeName:
		if x.Name == 0 {
			return q.refuse(ct.ExplanationNodeName)
		}
		e.node = x.Name
	case ct.SetTypes:
		if e.types != x.Types {
			e.types = x.Types
			q.f.changed(e)
		}
	case ct.SetFeatures:
		if e.features.Get(x.Type) != x.Features {
			e.features.Set(x.Type, x.Features)
			q.f.changed(e)
		}
	case ct.SetPortSymbol:
		e.portSymbol = bytes.Clone(x.Symbol)
	case ct.SetNodeSymbol:
		e.nodeSymbol = bytes.Clone(x.Symbol)
	default:
		return q.h.Reject(ct.ReasonUnsupported, ct.ExplanationNone).Append(nil)
	}
	return q.accept()
}

// deregister forgets what a port has registered. q.f.mu is held.
func (q *query) deregister(o *entry) []byte {
	if o != q.from {
		return q.refuse(ct.ExplanationUnacceptable)
	}
	o.types, o.features, o.portSymbol, o.nodeSymbol = ct.Types{}, ct.FeatureTable{}, nil, nil
	q.f.changed(o)
	return q.accept()
}
