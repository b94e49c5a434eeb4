package iu

import (
	"encoding/binary"
	"fmt"
)

// LogoutLen is the length of SRP_I_LOGOUT and SRP_T_LOGOUT IUs.
const LogoutLen = 16

// An ILogout is an SRP_I_LOGOUT IU (SRP 6.5): the initiator ends the channel.
type ILogout struct{ Tag uint64 }

// ParseILogout reads an SRP_I_LOGOUT.
func ParseILogout(b []byte) (x ILogout, err error) {
	if err := check(b, OpILogout, LogoutLen); err != nil {
		return x, err
	}
	return ILogout{binary.BigEndian.Uint64(b[8:])}, nil
}

// Append appends the IU.
func (x ILogout) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(zeros(append(dst, byte(OpILogout)), 7), x.Tag)
}

// A LogoutReason says why a target ends a channel (SRP 6.6).
type LogoutReason uint32

// Reasons.
const (
	LogoutNoReason  LogoutReason = 0
	LogoutInactive  LogoutReason = 1
	LogoutInvalidIU LogoutReason = 2 // an IU of a type that may not come
	LogoutNoRequest LogoutReason = 3 // a response that no request waits for
	LogoutReplaced  LogoutReason = 4 // by a login with the action Single
)

// String is the reason in words.
func (r LogoutReason) String() string {
	switch r {
	case LogoutNoReason:
		return "no reason given"
	case LogoutInactive:
		return "inactive channel"
	case LogoutInvalidIU:
		return "invalid IU"
	case LogoutNoRequest:
		return "response without a request"
	case LogoutReplaced:
		return "replaced by another channel"
	}
	return fmt.Sprintf("reason %d", uint32(r))
}

// A TLogout is an SRP_T_LOGOUT IU (SRP 6.6): the target ends the channel.
type TLogout struct {
	Solicited bool
	Reason    LogoutReason
	Tag       uint64
}

// ParseTLogout reads an SRP_T_LOGOUT.
func ParseTLogout(b []byte) (x TLogout, err error) {
	if err := check(b, OpTLogout, LogoutLen); err != nil {
		return x, err
	}
	return TLogout{b[1]&1 != 0, LogoutReason(binary.BigEndian.Uint32(b[4:])), binary.BigEndian.Uint64(b[8:])}, nil
}

// Append appends the IU.
func (x TLogout) Append(dst []byte) []byte {
	dst = append(dst, byte(OpTLogout), bit(x.Solicited, 1), 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Reason))
	return binary.BigEndian.AppendUint64(dst, x.Tag)
}
