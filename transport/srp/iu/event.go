package iu

import (
	"encoding/binary"
	"fmt"
)

// Lengths of SRP_AER_REQ, up to its sense data, and SRP_AER_RSP.
const (
	EventRequestLen  = 36
	EventResponseLen = 16
)

// An EventRequest is an SRP_AER_REQ IU (SRP 6.12): an asynchronous event of a logical unit. What
// Sense refers to is the IU that it was read from.
type EventRequest struct {
	Solicited bool
	Delta     int32
	Tag       uint64
	LUN       uint64
	Sense     []byte
}

// ParseEventRequest reads an SRP_AER_REQ.
func ParseEventRequest(b []byte) (x EventRequest, err error) {
	if err := check(b, OpEventRequest, EventRequestLen); err != nil {
		return x, err
	}
	n := uint64(binary.BigEndian.Uint32(b[28:]))
	if n += EventRequestLen; n > uint64(len(b)) {
		return x, &Error{OpEventRequest, TooShort, fmt.Sprintf("%d bytes, want %d", len(b), n)}
	}
	x.Solicited = b[1]&1 != 0
	x.Delta = int32(binary.BigEndian.Uint32(b[4:]))
	x.Tag = binary.BigEndian.Uint64(b[8:])
	x.LUN = binary.BigEndian.Uint64(b[20:])
	x.Sense = b[EventRequestLen:n]
	return x, nil
}

// Append appends the IU.
func (x *EventRequest) Append(dst []byte) []byte {
	dst = append(dst, byte(OpEventRequest), bit(x.Solicited, 1), 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Delta))
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = zeros(dst, 4)
	dst = binary.BigEndian.AppendUint64(dst, x.LUN)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(x.Sense)))
	return append(zeros(dst, 4), x.Sense...)
}

// An EventResponse is an SRP_AER_RSP IU (SRP 6.13).
type EventResponse struct{ Tag uint64 }

// ParseEventResponse reads an SRP_AER_RSP.
func ParseEventResponse(b []byte) (x EventResponse, err error) {
	if err := check(b, OpEventResponse, EventResponseLen); err != nil {
		return x, err
	}
	return EventResponse{binary.BigEndian.Uint64(b[8:])}, nil
}

// Append appends the IU.
func (x EventResponse) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(zeros(append(dst, byte(OpEventResponse)), 7), x.Tag)
}
