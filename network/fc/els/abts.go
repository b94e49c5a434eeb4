package els

import (
	"encoding/binary"
	"fmt"
)

// Basic link services (FC-FS-5): R_CTL says which, and there is no command code. An ABTS has no payload.

// AbortSequence is a bit of ABTS's parameter: a sequence is to be aborted, not the exchange.
const AbortSequence = 1

// Lengths of the answers to ABTS.
const (
	AbortAcceptLen = 12
	AbortRejectLen = 4
)

// An AbortAccept is the payload of BA_ACC to ABTS.
type AbortAccept struct {
	SeqIDValid bool // SeqID is the last sequence that was received whole
	SeqID      uint8
	OX, RX     uint16
	Low, High  uint16 // SEQ_CNT: from 0 to FFFF for the exchange
}

// ParseAbortAccept reads it.
func ParseAbortAccept(b []byte) (x AbortAccept, err error) {
	if len(b) < AbortAcceptLen {
		return x, fmt.Errorf("BA_ACC: %d bytes, want %d", len(b), AbortAcceptLen)
	}
	return AbortAccept{
		b[0]&0x80 != 0, b[1], binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]),
		binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:]),
	}, nil
}

// Append appends the payload.
func (x AbortAccept) Append(dst []byte) []byte {
	valid := byte(0)
	if x.SeqIDValid {
		valid = 0x80
	}
	dst = append(dst, valid, x.SeqID, 0, 0)
	for _, v := range [...]uint16{x.OX, x.RX, x.Low, x.High} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return dst
}

// An AbortReason is why there is no abort (FC-FS-5 "BA_RJT reason codes").
type AbortReason uint8

// Reasons.
const (
	AbortInvalid  AbortReason = 0x01 // invalid command code
	AbortLogical  AbortReason = 0x03
	AbortBusy     AbortReason = 0x05
	AbortProtocol AbortReason = 0x07
	AbortUnable   AbortReason = 0x09
)

// String is the reason in words: they are the same as LS_RJT's.
func (r AbortReason) String() string { return Reason(r).String() }

// An AbortExplanation says more about an AbortReason.
type AbortExplanation uint8

// Explanations.
const (
	AbortNoExplanation AbortExplanation = 0x00
	AbortExchange      AbortExplanation = 0x03 // invalid OX_ID-RX_ID combination
	AbortNoSequence    AbortExplanation = 0x05 // sequence aborted, no sequence information provided
)

// String is the explanation in words.
func (e AbortExplanation) String() string {
	switch e {
	case AbortNoExplanation:
		return "no additional explanation"
	case AbortExchange:
		return "invalid OX_ID and RX_ID"
	case AbortNoSequence:
		return "sequence aborted, no sequence information"
	}
	return fmt.Sprintf("explanation %02xh", uint8(e))
}

// An AbortReject is the payload of BA_RJT. As an error it is what another port has refused.
type AbortReject struct {
	Reason      AbortReason
	Explanation AbortExplanation
	Vendor      uint8
}

// Error says what was refused, and why.
func (x AbortReject) Error() string {
	return fmt.Sprintf("abort rejected: %v, %v", x.Reason, x.Explanation)
}

// ParseAbortReject reads it.
func ParseAbortReject(b []byte) (x AbortReject, err error) {
	if len(b) < AbortRejectLen {
		return x, fmt.Errorf("BA_RJT: %d bytes, want %d", len(b), AbortRejectLen)
	}
	return AbortReject{AbortReason(b[1]), AbortExplanation(b[2]), b[3]}, nil
}

// Append appends the payload.
func (x AbortReject) Append(dst []byte) []byte {
	return append(dst, 0, byte(x.Reason), byte(x.Explanation), x.Vendor)
}
