package pdu

import "fmt"

// RejectReason says why a target refuses a PDU (RFC 7143 section 11.17.1).
type RejectReason uint8

// Reject reasons.
const (
	RejectDataDigest       RejectReason = 0x02 // the data digest was wrong
	RejectSNACK            RejectReason = 0x03 // what the SNACK asks for is gone
	RejectProtocolError    RejectReason = 0x04
	RejectNotSupported     RejectReason = 0x05 // command not supported
	RejectTooManyImmediate RejectReason = 0x06 // immediate command rejected
	RejectTaskInProgress   RejectReason = 0x07
	RejectInvalidDataACK   RejectReason = 0x08
	RejectInvalidField     RejectReason = 0x09
	RejectLongOperation    RejectReason = 0x0a // cannot generate a Target Transfer Tag
	RejectNegotiationReset RejectReason = 0x0b // deprecated
	RejectWaitingForLogout RejectReason = 0x0c
)

// String is the reason in the standard's words.
func (r RejectReason) String() string {
	switch r {
	case RejectDataDigest:
		return "data digest error"
	case RejectSNACK:
		return "SNACK reject"
	case RejectProtocolError:
		return "protocol error"
	case RejectNotSupported:
		return "command not supported"
	case RejectTooManyImmediate:
		return "immediate command reject: too many immediate commands"
	case RejectTaskInProgress:
		return "task in progress"
	case RejectInvalidDataACK:
		return "invalid data ACK"
	case RejectInvalidField:
		return "invalid PDU field"
	case RejectLongOperation:
		return "long op reject: out of Target Transfer Tags"
	case RejectNegotiationReset:
		return "negotiation reset"
	case RejectWaitingForLogout:
		return "waiting for logout"
	}
	return fmt.Sprintf("reason 0x%02x", uint8(r))
}

// Reject is a Reject PDU (RFC 7143 section 11.17). Its data segment is the
// header of the PDU that was refused, and may hold some of its data.
type Reject struct {
	Reason RejectReason
	DataSN uint32 // DataSN/R2TSN: the next one, for a refused Data-Out, R2T or data SNACK
}

// ParseReject reads a Reject. The value is filled even if there is an error.
func ParseReject(h *BHS) (Reject, error) {
	x := Reject{Reason: RejectReason(h[2]), DataSN: h.u32(36)}
	switch {
	case h.Opcode() != OpReject:
		return x, h.check(OpReject)
	case h.ITT() != NoTag:
		return x, invalid(OpReject, "the Initiator Task Tag is not the reserved value")
	case h.DataSegmentLength() < HeaderLen:
		return x, invalid(OpReject, "no header of a refused PDU in the data")
	}
	return x, nil
}

// Put fills h, DataSegmentLength included: HeaderLen, for the header alone.
func (x Reject) Put(h *BHS) {
	h.reset(OpReject, false, bitFinal)
	h[2] = byte(x.Reason)
	h.putU32(16, NoTag)
	h.putU32(36, x.DataSN)
	h.SetDataSegmentLength(HeaderLen)
}
