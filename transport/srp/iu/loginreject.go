package iu

import (
	"encoding/binary"
	"fmt"
)

// LoginRejectLen is the length of an SRP_LOGIN_REJ IU.
const LoginRejectLen = 32

// A RejectReason says why a login is refused (SRP 6.4).
type RejectReason uint32

// Reasons.
const (
	RejectUnable       RejectReason = 0x00010000 // to establish a channel, no reason given
	RejectResources    RejectReason = 0x00010001
	RejectIULength     RejectReason = 0x00010002
	RejectTarget       RejectReason = 0x00010003 // the I_T nexus cannot be made
	RejectFormats      RejectReason = 0x00010004
	RejectMultichannel RejectReason = 0x00010005
	RejectChannels     RejectReason = 0x00010006 // there are as many as may be
)

// String is the reason in words.
func (r RejectReason) String() string {
	switch r {
	case RejectUnable:
		return "unable to establish the channel"
	case RejectResources:
		return "insufficient channel resources"
	case RejectIULength:
		return "requested IU length not supported"
	case RejectTarget:
		return "unable to associate the channel with the I_T nexus"
	case RejectFormats:
		return "unsupported data buffer descriptor format"
	case RejectMultichannel:
		return "multiple channels not supported"
	case RejectChannels:
		return "channel limit reached"
	}
	return fmt.Sprintf("reason %#08x", uint32(r))
}

// A LoginReject is an SRP_LOGIN_REJ IU (SRP 6.4). It goes with the answer that the connection is
// not made.
type LoginReject struct {
	Reason  RejectReason
	Tag     uint64
	Formats Formats // that the target takes
}

// ParseLoginReject reads an SRP_LOGIN_REJ.
func ParseLoginReject(b []byte) (x LoginReject, err error) {
	if err := check(b, OpLoginReject, LoginRejectLen); err != nil {
		return x, err
	}
	x.Reason = RejectReason(binary.BigEndian.Uint32(b[4:]))
	x.Tag = binary.BigEndian.Uint64(b[8:])
	x.Formats = Formats(binary.BigEndian.Uint16(b[24:]))
	return x, nil
}

// Append appends the IU.
func (x LoginReject) Append(dst []byte) []byte {
	dst = zeros(append(dst, byte(OpLoginReject)), 3)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Reason))
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = zeros(dst, 8)
	dst = binary.BigEndian.AppendUint16(dst, uint16(x.Formats))
	return zeros(dst, 6)
}
