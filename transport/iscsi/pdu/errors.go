package pdu

import (
	"errors"
	"fmt"
)

// A FormatError says what is wrong with a received PDU and with which reason a
// target rejects it (RFC 7143 sections 7.6 and 11.17.1).
type FormatError struct {
	Opcode Opcode
	Reason RejectReason
	Detail string
}

// Error names the PDU and the fault.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%v: %s", e.Opcode, e.Detail)
}

// ReasonOf is the Reject reason for err: that of the FormatError in it, else
// RejectProtocolError.
func ReasonOf(err error) RejectReason {
	if f, ok := errors.AsType[*FormatError](err); ok {
		return f.Reason
	}
	return RejectProtocolError
}

// invalid is a field with a value it may not have.
func invalid(op Opcode, detail string) error {
	return &FormatError{Opcode: op, Reason: RejectInvalidField, Detail: detail}
}

// violation is a combination the protocol forbids.
func violation(op Opcode, detail string) error {
	return &FormatError{Opcode: op, Reason: RejectProtocolError, Detail: detail}
}

// check refuses a header of another opcode.
func (h *BHS) check(op Opcode) error {
	if got := h.Opcode(); got != op {
		return violation(got, "parsed as a "+op.String())
	}
	return nil
}
