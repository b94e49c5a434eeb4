package iu

import (
	"encoding/binary"
	"fmt"
)

// Lengths of an SRP_RSP IU.
const (
	ResponseLen = 36 // up to response data and sense data
	codeLen     = 4  // of response data
)

// A Code is a response code (SRP 6.9): how a task management function ended, or why there is no
// SCSI status.
type Code uint8

// Response codes.
const (
	CodeComplete     Code = 0x00
	CodeInvalid      Code = 0x02 // request fields invalid
	CodeNotSupported Code = 0x04
	CodeFailed       Code = 0x05
)

// String is the code in words.
func (c Code) String() string {
	switch c {
	case CodeComplete:
		return "function complete"
	case CodeInvalid:
		return "request fields invalid"
	case CodeNotSupported:
		return "task management function not supported"
	case CodeFailed:
		return "task management function failed"
	}
	return fmt.Sprintf("response code %02xh", uint8(c))
}

// Bits of the flags of a response.
const (
	codeValid  = 0x01
	senseValid = 0x02
	outOver    = 0x04
	outUnder   = 0x08
	inOver     = 0x10
	inUnder    = 0x20
)

// A Response is an SRP_RSP IU (SRP 6.9). What Sense refers to is the IU that it was read from.
type Response struct {
	Solicited bool // SOLNT: the initiator was to be woken
	Delta     int32
	Tag       uint64
	Status    uint8
	HasCode   bool
	Code      Code
	// Residuals are what was left over of the buffers, or below zero what they had no room for.
	OutResidual, InResidual int64
	Sense                   []byte
}

// ParseResponse reads an SRP_RSP.
func ParseResponse(b []byte) (x Response, err error) {
	if err := check(b, OpResponse, ResponseLen); err != nil {
		return x, err
	}
	x.Solicited = b[1]&1 != 0
	x.Delta = int32(binary.BigEndian.Uint32(b[4:]))
	x.Tag = binary.BigEndian.Uint64(b[8:])
	flags := b[18]
	x.Status = b[19]
	residual := func(at int, under, over byte) int64 {
		n := int64(binary.BigEndian.Uint32(b[at:]))
		switch {
		case flags&under != 0:
			return n
		case flags&over != 0:
			return -n
		}
		return 0
	}
	x.OutResidual, x.InResidual = residual(20, outUnder, outOver), residual(24, inUnder, inOver)
	sense, code := uint64(0), uint64(0)
	if flags&senseValid != 0 {
		sense = uint64(binary.BigEndian.Uint32(b[28:]))
	}
	if flags&codeValid != 0 {
		code = uint64(binary.BigEndian.Uint32(b[32:]))
	}
	if n := ResponseLen + code + sense; n > uint64(len(b)) {
		return x, &Error{OpResponse, TooShort, fmt.Sprintf("%d bytes, want %d", len(b), n)}
	}
	if flags&codeValid != 0 {
		if code < codeLen {
			return x, &Error{OpResponse, Invalid, fmt.Sprintf("response data of %d bytes", code)}
		}
		x.HasCode, x.Code = true, Code(b[ResponseLen+3])
	}
	if sense > 0 {
		x.Sense = b[ResponseLen+code : ResponseLen+code+sense]
	}
	return x, nil
}

// Append appends the IU.
func (x *Response) Append(dst []byte) []byte {
	flags := bit(x.HasCode, codeValid) | bit(len(x.Sense) > 0, senseValid) |
		bit(x.OutResidual < 0, outOver) | bit(x.OutResidual > 0, outUnder) |
		bit(x.InResidual < 0, inOver) | bit(x.InResidual > 0, inUnder)
	dst = append(dst, byte(OpResponse), bit(x.Solicited, 1), 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Delta))
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = append(dst, 0, 0, flags, x.Status)
	dst = binary.BigEndian.AppendUint32(dst, count32(x.OutResidual))
	dst = binary.BigEndian.AppendUint32(dst, count32(x.InResidual))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(x.Sense)))
	if x.HasCode {
		dst = binary.BigEndian.AppendUint32(dst, codeLen)
		dst = append(dst, 0, 0, 0, byte(x.Code))
	} else {
		dst = zeros(dst, 4)
	}
	return append(dst, x.Sense...)
}

// SetDelta changes the request limit delta of an IU that Append made.
func SetDelta(b []byte, delta int32) { binary.BigEndian.PutUint32(b[4:], uint32(delta)) }

// count32 is a residual without its sign.
func count32(n int64) uint32 { return uint32(min(max(n, -n), 1<<32-1)) }
