// Package iu is the information units of the SCSI RDMA Protocol (SRP, T10 1415-D revision 16a, INCITS 365, and what SRP-2 adds): bytes in, values out, and back.
//
// All numbers are big-endian. A tag is eight bytes that only the initiator gives a meaning to:
// here it is a number, and goes back as it came. What is reserved is not looked at, and sent as
// zero.
package iu

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// An Opcode is the first byte of an information unit (SRP 6.1): those below 80h come from the
// initiator; the bit 40h says that it is a response.
type Opcode uint8

// Opcodes.
const (
	OpLoginRequest   Opcode = 0x00
	OpTaskManagement Opcode = 0x01
	OpCommand        Opcode = 0x02
	OpILogout        Opcode = 0x03
	OpCreditResponse Opcode = 0x41
	OpEventResponse  Opcode = 0x42
	OpTLogout        Opcode = 0x80
	OpCreditRequest  Opcode = 0x81
	OpEventRequest   Opcode = 0x82
	OpLoginResponse  Opcode = 0xc0
	OpResponse       Opcode = 0xc1
	OpLoginReject    Opcode = 0xc2
)

// String is the name in the standard.
func (o Opcode) String() string {
	switch o {
	case OpLoginRequest:
		return "SRP_LOGIN_REQ"
	case OpTaskManagement:
		return "SRP_TSK_MGMT"
	case OpCommand:
		return "SRP_CMD"
	case OpILogout:
		return "SRP_I_LOGOUT"
	case OpCreditResponse:
		return "SRP_CRED_RSP"
	case OpEventResponse:
		return "SRP_AER_RSP"
	case OpTLogout:
		return "SRP_T_LOGOUT"
	case OpCreditRequest:
		return "SRP_CRED_REQ"
	case OpEventRequest:
		return "SRP_AER_REQ"
	case OpLoginResponse:
		return "SRP_LOGIN_RSP"
	case OpResponse:
		return "SRP_RSP"
	case OpLoginReject:
		return "SRP_LOGIN_REJ"
	}
	return fmt.Sprintf("IU type %02xh", uint8(o))
}

// A Fault is what is wrong with an information unit.
type Fault uint8

// Faults.
const (
	TooShort Fault = iota + 1 // it ends before what it has to have
	Invalid                   // a field has a value that it may not have
	OutTable                  // the descriptor table of data-out contradicts itself
	InTable                   // that of data-in does
)

// An Error says what is wrong with a received information unit.
type Error struct {
	Op     Opcode
	Fault  Fault
	Detail string
}

func (e *Error) Error() string { return e.Op.String() + ": " + e.Detail }

// check refuses what is shorter than n bytes, or of another type.
func check(b []byte, op Opcode, n int) error {
	if len(b) < n {
		return &Error{op, TooShort, fmt.Sprintf("%d bytes, want %d", len(b), n)}
	}
	if got := Opcode(b[0]); got != op {
		return &Error{op, Invalid, "it is a " + got.String()}
	}
	return nil
}

// A PortID is a port identifier (SRP 4.2): eight bytes that whoever made the port chose, and a
// GUID.
type PortID [16]byte

// MakePortID puts an identifier together: extension and GUID.
func MakePortID(ext, guid uint64) (p PortID) {
	binary.BigEndian.PutUint64(p[:], ext)
	binary.BigEndian.PutUint64(p[8:], guid)
	return p
}

// ParsePortID reads what String writes; upper-case digits too.
func ParsePortID(s string) (p PortID, err error) {
	digits, ok := strings.CutPrefix(strings.ToLower(s), "0x")
	if !ok || len(digits) != 2*len(p) {
		return p, fmt.Errorf("port identifier %q is not 0x and %d hexadecimal digits", s, 2*len(p))
	}
	if _, err := hex.Decode(p[:], []byte(digits)); err != nil {
		return p, fmt.Errorf("port identifier %q is not 0x and %d hexadecimal digits", s, 2*len(p))
	}
	return p, nil
}

// String is 0x and 32 hexadecimal digits.
func (p PortID) String() string { return "0x" + hex.EncodeToString(p[:]) }

// zeros appends n bytes of zero.
func zeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}

// bit is v if on.
func bit(on bool, v byte) byte {
	if on {
		return v
	}
	return 0
}
