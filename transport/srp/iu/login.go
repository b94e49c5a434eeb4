package iu

import (
	"encoding/binary"
	"fmt"
)

// Formats are data buffer descriptor formats (SRP 5.4.2), as a login names them.
type Formats uint16

// Formats that a command can have.
const (
	FormatsDirect   Formats = 1 << 1
	FormatsIndirect Formats = 1 << 2
)

// An Action is what becomes of the channels that the I_T nexus has already (SRP 6.2, MULTI-CHANNEL
// ACTION).
type Action uint8

// Actions.
const (
	Single Action = 0 // they are terminated
	Multi  Action = 1 // they go on
)

// Bits of the flags of a login.
const (
	actionBits      = 0x03
	logoutSolicited = 0x10
	creditSolicited = 0x20
	eventSolicited  = 0x40
	immediateBit    = 0x80
)

// Lengths of a login request.
const (
	LoginRequestLen   = 64
	CMLoginRequestLen = 56
)

// A LoginRequest is an SRP_LOGIN_REQ IU (SRP 6.2), with SRP-2's immediate data. It comes in the
// private data of the request for a connection.
type LoginRequest struct {
	Tag    uint64
	MaxIU  uint32 // the longest IU that the initiator wants to send
	Needs  Formats
	Action Action
	// Which messages of the target are to wake the initiator.
	LogoutSolicited, CreditSolicited, EventSolicited bool
	// Immediate asks for immediate data, which begins at ImmediateOffset of a command IU.
	Immediate         bool
	ImmediateOffset   uint16
	Initiator, Target PortID
}

func (x LoginRequest) flags() byte {
	return byte(x.Action)&actionBits | bit(x.LogoutSolicited, logoutSolicited) | bit(x.CreditSolicited, creditSolicited) |
		bit(x.EventSolicited, eventSolicited) | bit(x.Immediate, immediateBit)
}

func (x *LoginRequest) setFlags(b byte) {
	x.Action = Action(b & actionBits)
	x.LogoutSolicited, x.CreditSolicited = b&logoutSolicited != 0, b&creditSolicited != 0
	x.EventSolicited, x.Immediate = b&eventSolicited != 0, b&immediateBit != 0
}

// ParseLoginRequest reads the form of the standard.
func ParseLoginRequest(b []byte) (x LoginRequest, err error) {
	if err := check(b, OpLoginRequest, LoginRequestLen); err != nil {
		return x, err
	}
	x.Tag = binary.BigEndian.Uint64(b[8:])
	x.MaxIU = binary.BigEndian.Uint32(b[16:])
	x.Needs = Formats(binary.BigEndian.Uint16(b[24:]))
	x.setFlags(b[26])
	x.ImmediateOffset = binary.BigEndian.Uint16(b[28:])
	copy(x.Initiator[:], b[32:])
	copy(x.Target[:], b[48:])
	return x, nil
}

// Append appends the form of the standard.
func (x LoginRequest) Append(dst []byte) []byte {
	dst = zeros(append(dst, byte(OpLoginRequest)), 7)
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = binary.BigEndian.AppendUint32(dst, x.MaxIU)
	dst = zeros(dst, 4)
	dst = binary.BigEndian.AppendUint16(dst, uint16(x.Needs))
	dst = append(dst, x.flags(), 0)
	dst = binary.BigEndian.AppendUint16(dst, x.ImmediateOffset)
	dst = zeros(dst, 2)
	dst = append(dst, x.Initiator[:]...)
	return append(dst, x.Target[:]...)
}

// ParseCMLoginRequest reads the form that goes with a request of the RDMA connection manager,
// which leaves 56 bytes for it.
func ParseCMLoginRequest(b []byte) (x LoginRequest, err error) {
	if len(b) < CMLoginRequestLen {
		return x, &Error{OpLoginRequest, TooShort, fmt.Sprintf("%d bytes, want %d", len(b), CMLoginRequestLen)}
	}
	if got := Opcode(b[11]); got != OpLoginRequest {
		return x, &Error{OpLoginRequest, Invalid, "it is a " + got.String()}
	}
	x.Tag = binary.BigEndian.Uint64(b)
	x.Needs = Formats(binary.BigEndian.Uint16(b[8:]))
	x.setFlags(b[10])
	x.MaxIU = binary.BigEndian.Uint32(b[12:])
	copy(x.Initiator[:], b[16:])
	copy(x.Target[:], b[32:])
	x.ImmediateOffset = binary.BigEndian.Uint16(b[48:])
	return x, nil
}

// AppendCM appends the form of the connection manager.
func (x LoginRequest) AppendCM(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = binary.BigEndian.AppendUint16(dst, uint16(x.Needs))
	dst = append(dst, x.flags(), byte(OpLoginRequest))
	dst = binary.BigEndian.AppendUint32(dst, x.MaxIU)
	dst = append(dst, x.Initiator[:]...)
	dst = append(dst, x.Target[:]...)
	dst = binary.BigEndian.AppendUint16(dst, x.ImmediateOffset)
	return zeros(dst, 6)
}
