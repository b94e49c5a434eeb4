package ct

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// ObjectLen is the length of the answer to GA_NXT behind the header.
const ObjectLen = 4 + 8 + symbolLen + 8 + symbolLen + 8 + 16 + 4 + 32 + 16 + 8 + 4

// An Object is all that a name server knows of a port (FC-GS-7 "name server object"): the answer to GA_NXT. Symbols refer to the unit
// that it was read from. Addresses of IP and process associators are not there: they are zero.
type Object struct {
	Type       PortType
	ID         fc.ID
	Port       fc.Name
	PortSymbol []byte
	Node       fc.Name
	NodeSymbol []byte
	Classes    uint32 // bit n: class n
	Types      Types
	FabricPort fc.Name
	Hard       fc.ID // hard address, obsolete
}

// Class3 is the bit of Classes for class 3.
const Class3 = 1 << 3

// ParseObject reads it.
func ParseObject(b []byte) (x Object, err error) {
	if len(b) < ObjectLen {
		return x, short(GetNext, b, ObjectLen)
	}
	symbol := func() []byte {
		n := int(b[0])
		s := b[1 : 1+n : 1+n]
		b = b[symbolLen:]
		return s
	}
	x.Type, x.ID, x.Port = PortType(b[0]), fc.ID24(b[1:]), fc.Name(binary.BigEndian.Uint64(b[4:]))
	b = b[12:]
	x.PortSymbol = symbol()
	x.Node, b = fc.Name(binary.BigEndian.Uint64(b)), b[8:]
	x.NodeSymbol = symbol()
	b = b[8+16:]
	x.Classes, b = binary.BigEndian.Uint32(b), b[4:]
	if x.Types, err = ParseTypes(b); err != nil {
		return x, err
	}
	b = b[32+16:]
	x.FabricPort, x.Hard = fc.Name(binary.BigEndian.Uint64(b)), fc.ID24(b[9:])
	return x, nil
}

// Append appends it.
func (x *Object) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Type)<<24|uint32(x.ID)&fc.MaxID)
	dst = AppendSymbol(AppendName(dst, x.Port), x.PortSymbol)
	dst = AppendSymbol(AppendName(dst, x.Node), x.NodeSymbol)
	dst = binary.BigEndian.AppendUint32(zeros(dst, 8+16), x.Classes)
	dst = AppendName(zeros(x.Types.Append(dst), 16), x.FabricPort)
	return binary.BigEndian.AppendUint32(dst, uint32(x.Hard)&fc.MaxID)
}
