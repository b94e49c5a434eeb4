package fip

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// FC4 is an FC-4 attributes descriptor (FC-BB-6 "FC-4 attributes descriptor"): the types that a port has, one bit each, and four bits of features
// for each, as at a name server (FC-GS-7).
type FC4 struct {
	Types    [8]uint32
	Features [32]uint32
}

// Set says that the port has a type, with features.
func (x *FC4) Set(t fc.Type, f fc.Features) {
	x.Types[t/32] |= 1 << (t % 32)
	x.Features[t/8] = x.Features[t/8]&^(15<<(t%8*4)) | uint32(f&15)<<(t%8*4)
}

// Get reports whether the port has a type, and its features.
func (x *FC4) Get(t fc.Type) (fc.Features, bool) {
	return fc.Features(x.Features[t/8] >> (t % 8 * 4) & 15), x.Types[t/32]>>(t%32)&1 != 0
}

func parseFC4(d []byte) (x FC4) {
	d = d[4:]
	for i := range x.Types {
		x.Types[i] = binary.BigEndian.Uint32(d[4*i:])
	}
	d = d[4*len(x.Types):]
	for i := range x.Features {
		x.Features[i] = binary.BigEndian.Uint32(d[4*i:])
	}
	return x
}

func (x *FC4) append(dst []byte) []byte {
	dst = append(head(dst, TypeFC4), 0, 0)
	for _, v := range x.Types {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	for _, v := range x.Features {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}
