package fcp

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// NAA of a name of 64 bits is its first digit (FC-FS-5 "Name_Identifier formats").
const (
	naaIEEE     = 1 // 12 zero bits, and an address of IEEE 802
	naaExtended = 2 // 12 bits of the owner's choice, and an address of IEEE 802
)

// address is the last 48 bits of a name.
const address = 1<<48 - 1

// maxTag is the highest tag that fits into the bits of a name that are the owner's to choose.
const maxTag = 1<<12 - 1

// NodeName is a node name that follows from a text, such as the name of a target: always the same, and locally administered,
// as far as names of Fibre Channel know that: the address in it is.
func NodeName(text string) fc.Name { return naaIEEE<<60 | derived("node\x00"+text) }

// PortName is the name of a node's port at portals with a tag: the node's address with the tag before it. What follows from a node
// name without an address, or from a tag that does not fit, has a locally administered one.
func PortName(node fc.Name, tag int) fc.Name {
	naa := node >> 60
	if (naa == naaIEEE || naa == naaExtended) && tag <= maxTag {
		return naaExtended<<60 | fc.Name(tag&maxTag)<<48 | node&address
	}
	var seed [16]byte
	binary.BigEndian.PutUint64(seed[:], uint64(node))
	binary.BigEndian.PutUint64(seed[8:], uint64(tag))
	return naaExtended<<60 | fc.Name(tag&maxTag)<<48 | derived("port\x00"+string(seed[:]))
}

// derived is a locally administered address of a single station.
func derived(text string) fc.Name {
	sum := sha256.Sum256([]byte("lunette fcp " + text))
	sum[0] = sum[0]&^1 | 2
	return fc.Name(binary.BigEndian.Uint64(sum[:])>>16) & address
}
