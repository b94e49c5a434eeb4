package iu

import (
	"encoding/binary"
	"fmt"
)

// Lengths of an FCP_RSP IU.
const (
	ResponseLen = 24 // up to response information and sense data
	InfoLen     = 8  // of response information, as it is sent; 4 is read too
	// MaxResponseLen is that of an IU with response information and the longest sense data.
	MaxResponseLen = ResponseLen + InfoLen + 252
)

// A Code is a response code (FCP-4 9.4.11): how a task management function ended, or why there is no SCSI status.
type Code uint8

// Response codes.
const (
	CodeComplete     Code = 0x00
	CodeDataLength   Code = 0x01 // FCP_DATA is another length than FCP_BURST_LEN
	CodeInvalid      Code = 0x02 // FCP_CMND fields invalid
	CodeParameter    Code = 0x03 // FCP_DATA parameter mismatch with FCP_DATA_RO
	CodeRejected     Code = 0x04 // task management function rejected
	CodeFailed       Code = 0x05 // task management function failed
	CodeSucceeded    Code = 0x08 // task management function succeeded: of queries
	CodeIncorrectLUN Code = 0x09
)

// String is the code in words.
func (c Code) String() string {
	switch c {
	case CodeComplete:
		return "task management function complete"
	case CodeDataLength:
		return "data length is not the burst length"
	case CodeInvalid:
		return "command fields invalid"
	case CodeParameter:
		return "data parameter mismatch"
	case CodeRejected:
		return "task management function rejected"
	case CodeFailed:
		return "task management function failed"
	case CodeSucceeded:
		return "task management function succeeded"
	case CodeIncorrectLUN:
		return "task management function incorrect LUN"
	}
	return fmt.Sprintf("response code %02xh", uint8(c))
}

// Bits of the flags of a response.
const (
	infoValid     = 0x01
	senseValid    = 0x02
	residOver     = 0x04
	residUnder    = 0x08
	confirm       = 0x10
	readOver      = 0x20
	readUnder     = 0x40
	bidirectional = 0x80
)

// A Response is an FCP_RSP IU (FCP-4 9.4). What Sense refers to is the IU that it was read from.
type Response struct {
	Qualifier uint16 // status qualifier, or retry delay timer
	Status    uint8
	Confirm   bool // FCP_CONF_REQ
	// Residual is what was left over of the buffer, or below zero what it had no room for; of a bidirectional command that of data-out,
	// and ReadResidual that of data-in.
	Residual      int64
	Bidirectional bool
	ReadResidual  int64
	HasCode       bool
	Code          Code
	Sense         []byte
}

// ParseResponse reads an FCP_RSP.
func ParseResponse(b []byte) (x Response, err error) {
	if len(b) < ResponseLen {
		return x, ErrShort
	}
	flags := b[10]
	x.Qualifier, x.Status, x.Confirm = binary.BigEndian.Uint16(b[8:]), b[11], flags&confirm != 0
	x.Residual = residual(b[12:], flags&residUnder != 0, flags&residOver != 0)
	sense, info := uint64(0), uint64(0)
	if flags&senseValid != 0 {
		sense = uint64(binary.BigEndian.Uint32(b[16:]))
	}
	if flags&infoValid != 0 {
		info = uint64(binary.BigEndian.Uint32(b[20:]))
	}
	end := ResponseLen + info + sense
	if end > uint64(len(b)) {
		return x, ErrShort
	}
	if info != 0 && info != 4 && info != InfoLen {
		return x, ErrInfo
	}
	if info != 0 {
		x.HasCode, x.Code = true, Code(b[ResponseLen+3])
	}
	if sense > 0 {
		x.Sense = b[ResponseLen+info : end : end]
	}
	if x.Bidirectional = flags&bidirectional != 0; x.Bidirectional {
		if end+4 > uint64(len(b)) {
			return x, ErrShort
		}
		x.ReadResidual = residual(b[end:], flags&readUnder != 0, flags&readOver != 0)
	}
	return x, nil
}

// Append appends the IU.
func (x *Response) Append(dst []byte) []byte {
	flags := bit(x.HasCode, infoValid) | bit(len(x.Sense) > 0, senseValid) | bit(x.Confirm, confirm) |
		bit(x.Residual < 0, residOver) | bit(x.Residual > 0, residUnder)
	if x.Bidirectional {
		flags |= bidirectional | bit(x.ReadResidual < 0, readOver) | bit(x.ReadResidual > 0, readUnder)
	}
	dst = zeros(dst, 8)
	dst = binary.BigEndian.AppendUint16(dst, x.Qualifier)
	dst = append(dst, flags, x.Status)
	dst = binary.BigEndian.AppendUint32(dst, count32(x.Residual))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(x.Sense)))
	if x.HasCode {
		dst = binary.BigEndian.AppendUint32(dst, InfoLen)
		dst = append(dst, 0, 0, 0, byte(x.Code), 0, 0, 0, 0)
	} else {
		dst = zeros(dst, 4)
	}
	dst = append(dst, x.Sense...)
	if x.Bidirectional {
		dst = binary.BigEndian.AppendUint32(dst, count32(x.ReadResidual))
	}
	return dst
}

// residual reads a residual count.
func residual(b []byte, under, over bool) int64 {
	n := int64(binary.BigEndian.Uint32(b))
	switch {
	case under:
		return n
	case over:
		return -n
	}
	return 0
}

// count32 is a residual without its sign.
func count32(n int64) uint32 { return uint32(min(max(n, -n), 1<<32-1)) }
