package ct

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
)

// A PortType is what a port is (FC-GS-7 "port type").
type PortType uint8

// Port types.
const (
	PortTypeUnknown PortType = 0x00
	PortTypeN       PortType = 0x01
	PortTypeNX      PortType = 0x7f // any of those of nodes
)

// Types is the FC-4 types that a port has, one bit each.
type Types [8]uint32

// Set says that there is a type.
func (x *Types) Set(t fc.Type) { x[t/32] |= 1 << (t % 32) }

// Has reports that there is a type.
func (x *Types) Has(t fc.Type) bool { return x[t/32]>>(t%32)&1 != 0 }

// MaxSymbol is how many bytes a symbolic name may have.
const MaxSymbol = 255

// A Request is a request to the name server. Which fields it has besides Command depends on that; see [ParseRequest]. Symbol refers to
// the unit that it was read from.
type Request struct {
	Command      Command
	ID           fc.ID
	Name         fc.Name // of a port or a node
	PortType     PortType
	Domain, Area uint8 // the scope; 0: all
	Type         fc.Type
	Types        Types
	Features     fc.Features
	Symbol       []byte // at most MaxSymbol bytes
}

// A form is which fields a request has.
type form uint8

const (
	formNone       form = iota
	formID              // an identifier
	formName            // a name
	formType            // a scope and an FC-4 type
	formPort            // a port type and a scope
	formSetName         // an identifier and a name
	formSetTypes        // an identifier and types
	formSetFeature      // an identifier, features and the type that they are of
	formSymbolID        // an identifier and a symbolic name
	formSymbolName      // a name and a symbolic name
)

func (c Command) form() form {
	switch c {
	case GetNext, GetPortName, GetNodeName, GetTypes, GetPortSymbol, GetFeatures, Deregister:
		return formID
	case GetIDByPort, GetIDByNode, GetNodeSymbol:
		return formName
	case GetIDs, GetPortNames, GetNodeNames:
		return formType
	case GetIDsByPort:
		return formPort
	case SetPortName, SetNodeName:
		return formSetName
	case SetTypes:
		return formSetTypes
	case SetFeatures:
		return formSetFeature
	case SetPortSymbol:
		return formSymbolID
	case SetNodeSymbol:
		return formSymbolName
	}
	return formNone
}

// least is how many bytes there must be behind the header.
func (f form) least() int {
	return [...]int{formID: 4, formName: 8, formType: 4, formPort: 4, formSetName: 12, formSetTypes: 36, formSetFeature: 8, formSymbolID: 5, formSymbolName: 9}[f]
}

// ParseRequest reads a request: a whole unit. An error is of type *[Error], and has the reason for the answer.
func ParseRequest(b []byte) (h Header, x Request, err error) {
	if h, err = ParseHeader(b); err != nil {
		return h, x, err
	}
	x.Command = h.Command
	if h.Revision != revision {
		return h, x, &Error{h.Command, ReasonVersion, fmt.Sprintf("revision %d", h.Revision)}
	}
	if h.Service != ServiceDirectory || h.Subtype != SubtypeNameServer {
		return h, x, &Error{h.Command, ReasonUnsupported, fmt.Sprintf("service %02xh/%02xh", h.Service, h.Subtype)}
	}
	f := h.Command.form()
	if f == formNone {
		return h, x, &Error{h.Command, ReasonUnsupported, "it is not known"}
	}
	b = b[HeaderLen:]
	short := func(n int) error {
		return &Error{h.Command, ReasonSize, fmt.Sprintf("%d bytes behind the header, want %d", len(b), n)}
	}
	if n := f.least(); len(b) < n {
		return h, x, short(n)
	}
	at := 4
	switch f {
	case formID, formSetName, formSetTypes, formSetFeature, formSymbolID:
		x.ID = fc.ID24(b[1:])
	case formName, formSymbolName:
		x.Name, at = fc.Name(binary.BigEndian.Uint64(b)), 8
	case formType:
		x.Domain, x.Area, x.Type = b[1], b[2], fc.Type(b[3])
	case formPort:
		x.PortType, x.Domain, x.Area = PortType(b[0]), b[1], b[2]
	}
	switch f {
	case formSetName:
		x.Name = fc.Name(binary.BigEndian.Uint64(b[4:]))
	case formSetTypes:
		for i := range x.Types {
			x.Types[i] = binary.BigEndian.Uint32(b[4+4*i:])
		}
	case formSetFeature:
		x.Features, x.Type = fc.Features(b[6]&15), fc.Type(b[7])
	case formSymbolID, formSymbolName:
		n := int(b[at])
		if at++; len(b) < at+n {
			return h, x, short(at + n)
		}
		x.Symbol = b[at : at+n : at+n]
	}
	return h, x, nil
}

// Append appends the request with its header: a whole unit.
func (x *Request) Append(dst []byte) []byte {
	dst = Ask(x.Command).Append(dst)
	f := x.Command.form()
	switch f {
	case formID, formSetName, formSetTypes, formSetFeature, formSymbolID:
		dst = binary.BigEndian.AppendUint32(dst, uint32(x.ID)&fc.MaxID)
	case formName, formSymbolName:
		dst = binary.BigEndian.AppendUint64(dst, uint64(x.Name))
	case formType:
		dst = append(dst, 0, x.Domain, x.Area, byte(x.Type))
	case formPort:
		dst = append(dst, byte(x.PortType), x.Domain, x.Area, 0)
	}
	switch f {
	case formSetName:
		dst = binary.BigEndian.AppendUint64(dst, uint64(x.Name))
	case formSetTypes:
		dst = x.Types.Append(dst)
	case formSetFeature:
		dst = append(dst, 0, 0, byte(x.Features), byte(x.Type))
	case formSymbolID, formSymbolName:
		n := min(len(x.Symbol), MaxSymbol)
		dst = append(append(dst, byte(n)), x.Symbol[:n]...)
	}
	return dst
}

// Append appends them.
func (x *Types) Append(dst []byte) []byte {
	for _, v := range x {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}
