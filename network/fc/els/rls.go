package els

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// Lengths of RLS and its LS_ACC.
const (
	RLSLen      = 8
	LinkErrsLen = 28
)

// A ReadLinkStatus is an RLS (FC-LS-4 "read link error status block").
type ReadLinkStatus struct{ Port fc.ID }

// ParseReadLinkStatus reads an RLS.
func ParseReadLinkStatus(b []byte) (x ReadLinkStatus, err error) {
	if err := check(b, RLSLen, RLS); err != nil {
		return x, err
	}
	return ReadLinkStatus{fc.ID24(b[5:])}, nil
}

// Append appends the payload.
func (x ReadLinkStatus) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(word(dst, RLS), uint32(x.Port)&fc.MaxID)
}

// A LinkStatus is the LS_ACC of RLS: counters of a link's errors.
type LinkStatus struct{ LinkFailures, LossOfSync, LossOfSignal, Primitive, InvalidWords, InvalidCRC uint32 }

// ParseLinkStatus reads it.
func ParseLinkStatus(b []byte) (x LinkStatus, err error) {
	if err := check(b, LinkErrsLen, LSAcc); err != nil {
		return x, err
	}
	n := func(i int) uint32 { return binary.BigEndian.Uint32(b[4+4*i:]) }
	return LinkStatus{n(0), n(1), n(2), n(3), n(4), n(5)}, nil
}

// Append appends the payload.
func (x LinkStatus) Append(dst []byte) []byte {
	dst = word(dst, LSAcc)
	for _, v := range [...]uint32{x.LinkFailures, x.LossOfSync, x.LossOfSignal, x.Primitive, x.InvalidWords, x.InvalidCRC} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}
