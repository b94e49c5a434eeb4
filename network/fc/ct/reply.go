package ct

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
)

// What is behind the header of answers that accept. The functions that append add to the header that [Header.Accept] made, and those that
// parse are given what is behind the header.

// last is the control bit of the last entry of a list.
const last = 0x80

// Lengths of entries of lists.
const (
	IDLen     = 4
	NamedLen  = 16
	symbolLen = 1 + MaxSymbol
)

func short(c Command, b []byte, n int) error {
	return &Error{c, ReasonSize, fmt.Sprintf("%d bytes in the answer, want %d", len(b), n)}
}

// AppendID appends an entry of the answer to GID_FT and GID_PT; those of GID_PN and GID_NN have one, which is the last.
func AppendID(dst []byte, id fc.ID, end bool) []byte {
	return binary.BigEndian.AppendUint32(dst, control(end)<<24|uint32(id)&fc.MaxID)
}

// ParseIDs calls each with every identifier of such an answer. It stops at the last entry, or when each returns false; an answer
// that ends without a last entry is an error.
func ParseIDs(b []byte, each func(fc.ID) bool) error {
	for {
		if len(b) < IDLen {
			return short(GetIDs, b, IDLen)
		}
		if !each(fc.ID24(b[1:])) || b[0]&last != 0 {
			return nil
		}
		b = b[IDLen:]
	}
}

// AppendNamed appends an entry of the answer to GPN_FT and GNN_FT: an identifier, and the name of port or node.
func AppendNamed(dst []byte, id fc.ID, name fc.Name, end bool) []byte {
	dst = append(AppendID(dst, id, end), 0, 0, 0, 0)
	return binary.BigEndian.AppendUint64(dst, uint64(name))
}

// ParseNamed is as ParseIDs, for such an answer.
func ParseNamed(b []byte, each func(fc.ID, fc.Name) bool) error {
	for {
		if len(b) < NamedLen {
			return short(GetPortNames, b, NamedLen)
		}
		if !each(fc.ID24(b[1:]), fc.Name(binary.BigEndian.Uint64(b[8:]))) || b[0]&last != 0 {
			return nil
		}
		b = b[NamedLen:]
	}
}

// AppendName appends the answer to GPN_ID and GNN_ID.
func AppendName(dst []byte, name fc.Name) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(name))
}

// ParseName reads it.
func ParseName(b []byte) (fc.Name, error) {
	if len(b) < 8 {
		return 0, short(GetPortName, b, 8)
	}
	return fc.Name(binary.BigEndian.Uint64(b)), nil
}

// AppendSymbol appends the answer to GSPN_ID and GSNN_NN: a length, and room for a name of any length.
func AppendSymbol(dst []byte, name []byte) []byte {
	n := min(len(name), MaxSymbol)
	return zeros(append(append(dst, byte(n)), name[:n]...), MaxSymbol-n)
}

// ParseSymbol reads it; what it returns refers to b.
func ParseSymbol(b []byte) ([]byte, error) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return nil, short(GetPortSymbol, b, symbolLen)
	}
	return b[1 : 1+int(b[0])], nil
}

// ParseTypes reads the answer to GFT_ID, which Types.Append appends.
func ParseTypes(b []byte) (x Types, err error) {
	if len(b) < 4*len(x) {
		return x, short(GetTypes, b, 4*len(x))
	}
	for i := range x {
		x[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return x, nil
}

// FeatureTable is the features of a port by FC-4 type, four bits each: the answer to GFF_ID.
type FeatureTable [32]uint32

// Set sets those of a type.
func (x *FeatureTable) Set(t fc.Type, f fc.Features) {
	x[t/8] = x[t/8]&^(15<<(t%8*4)) | uint32(f&15)<<(t%8*4)
}

// Get is those of a type.
func (x *FeatureTable) Get(t fc.Type) fc.Features { return fc.Features(x[t/8] >> (t % 8 * 4) & 15) }

// Append appends them.
func (x *FeatureTable) Append(dst []byte) []byte {
	for _, v := range x {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

// ParseFeatures reads them.
func ParseFeatures(b []byte) (x FeatureTable, err error) {
	if len(b) < 4*len(x) {
		return x, short(GetFeatures, b, 4*len(x))
	}
	for i := range x {
		x[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return x, nil
}

func control(end bool) uint32 {
	if end {
		return last
	}
	return 0
}

// zeros appends n bytes of zero.
func zeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}
