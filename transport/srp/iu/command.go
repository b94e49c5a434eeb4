package iu

import (
	"encoding/binary"
	"fmt"
)

// CommandLen is the length of an SRP_CMD IU up to the additional CDB.
const CommandLen = 48

// Notify says for which responses the initiator wants to be woken (SRP 5.3).
type Notify uint8

// What a request can ask for.
const (
	NotifySuccess Notify = 0x02 // SCSOLNT
	NotifyFailure Notify = 0x04 // UCSOLNT
)

// Wants reports that n is for a response of that kind.
func (n Notify) Wants(success bool) bool {
	if success {
		return n&NotifySuccess != 0
	}
	return n&NotifyFailure != 0
}

// Task attributes (SRP 6.8).
const (
	AttrSimple      = 0
	AttrHeadOfQueue = 1
	AttrOrdered     = 2
	AttrACA         = 4
)

// A Command is an SRP_CMD IU (SRP 6.8). What its slices refer to is the IU that it was read from.
type Command struct {
	Notify     Notify
	Tag        uint64
	LUN        uint64
	Attr       uint8
	CDB        [16]byte
	Additional []byte // more bytes of the CDB, in fours
	Out, In    Buffer
}

// ParseCommand reads an SRP_CMD. Immediate data begins at offset; 0: there may be none. The fields
// before the CDB are filled even if there is an error, unless the IU has fewer than CommandLen
// bytes.
func ParseCommand(b []byte, offset int) (x Command, err error) {
	if err := check(b, OpCommand, CommandLen); err != nil {
		return x, err
	}
	x.Notify = Notify(b[1]) & (NotifySuccess | NotifyFailure)
	x.Tag = binary.BigEndian.Uint64(b[8:])
	x.LUN = binary.BigEndian.Uint64(b[20:])
	x.Attr = b[29] & 7
	copy(x.CDB[:], b[32:])
	x.Out.Format, x.In.Format = Format(b[5]>>4), Format(b[5]&15)
	at := CommandLen + int(b[31]&^3)
	if len(b) < at {
		return x, &Error{OpCommand, TooShort, fmt.Sprintf("%d bytes, want %d for the additional CDB", len(b), at)}
	}
	x.Additional = b[CommandLen:at]
	if x.In.Format == Immediate {
		return x, &Error{OpCommand, Invalid, "immediate data-in"}
	}
	if x.Out.Format == Immediate && offset == 0 {
		return x, &Error{OpCommand, Invalid, "immediate data without an agreement"}
	}
	var n int
	if x.Out, n, err = parseBuffer(b[at:], x.Out.Format, b[6], OutTable); err != nil {
		return x, err
	}
	at += n
	if x.In, n, err = parseBuffer(b[at:], x.In.Format, b[7], InTable); err != nil {
		return x, err
	}
	at += n
	if x.Out.Format != Immediate {
		return x, nil
	}
	switch end := uint64(offset) + uint64(x.Out.Len); {
	case at > offset:
		return x, &Error{OpCommand, Invalid, fmt.Sprintf("descriptors up to byte %d, and immediate data from byte %d on", at, offset)}
	case end > uint64(len(b)):
		return x, &Error{OpCommand, TooShort, fmt.Sprintf("%d bytes, want %d for immediate data", len(b), end)}
	default:
		x.Out.Data = b[offset:end:end]
	}
	return x, nil
}

// Append appends the IU; offset is where immediate data begins.
func (x *Command) Append(dst []byte, offset int) []byte {
	start := len(dst)
	dst = append(dst, byte(OpCommand), byte(x.Notify), 0, 0, 0, byte(x.Out.Format)<<4|byte(x.In.Format)&15, x.Out.count(), x.In.count())
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = zeros(dst, 4)
	dst = binary.BigEndian.AppendUint64(dst, x.LUN)
	dst = append(dst, 0, x.Attr&7, 0, byte(len(x.Additional)))
	dst = append(dst, x.CDB[:]...)
	dst = append(dst, x.Additional...)
	dst = x.Out.appendTo(dst)
	dst = x.In.appendTo(dst)
	if x.Out.Format == Immediate {
		dst = zeros(dst, max(0, start+offset-len(dst)))
		dst = append(dst, x.Out.Data...)
	}
	return dst
}
