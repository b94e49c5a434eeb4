package iu

import (
	"encoding/binary"
	"fmt"
)

// Lengths of a response.
const (
	ResponseLen = 108 // up to data-in
	SenseLen    = 96  // room for sense data, always
	senseAt     = 12
)

// A Code is a response code: how a request ended for the host, or how a task management function or a query did (virtio 1.3, 5.6.6.1 and 5.6.6.2).
type Code uint8

// Response codes. Those from CodeOverrun to CodeIncorrectLUN mean that there is no SCSI status.
const (
	CodeOK               Code = 0 // the command has ended with its status; the function is complete
	CodeOverrun          Code = 1 // it had more data than there was room for
	CodeAborted          Code = 2
	CodeBadTarget        Code = 3
	CodeReset            Code = 4
	CodeBusy             Code = 5
	CodeTransportFailure Code = 6
	CodeTargetFailure    Code = 7
	CodeNexusFailure     Code = 8
	CodeFailure          Code = 9
	CodeSucceeded        Code = 10 // a function that asks: yes
	CodeRejected         Code = 11
	CodeIncorrectLUN     Code = 12
)

// codes are the response codes in words.
var codes = [...]string{
	"OK", "overrun", "aborted", "bad target", "reset", "busy", "transport failure", "target failure", "nexus failure", "failure",
	"function succeeded", "function rejected", "incorrect LUN",
}

// String is the code in words.
func (c Code) String() string {
	if int(c) < len(codes) {
		return codes[c]
	}
	return fmt.Sprintf("response code %d", uint8(c))
}

// A Response is what a device fills before data-in (virtio 1.3, 5.6.6.1, struct virtio_scsi_req_cmd).
type Response struct {
	Code      Code
	Status    uint8 // if Code is CodeOK
	Qualifier uint16
	Residual  uint32 // bytes of the data buffers that were left over
	Sense     []byte // at most SenseLen
}

// ParseResponse reads a response; Sense refers to b. Bytes behind it are data-in.
func ParseResponse(b []byte) (x Response, err error) {
	if len(b) < ResponseLen {
		return x, ErrShort
	}
	n := binary.LittleEndian.Uint32(b)
	x = Response{
		Residual: binary.LittleEndian.Uint32(b[4:]), Qualifier: binary.LittleEndian.Uint16(b[8:]),
		Status: b[10], Code: Code(b[11]),
	}
	switch {
	case n > SenseLen:
		return x, ErrSense
	case n > 0:
		x.Sense = b[senseAt : senseAt+n : senseAt+n]
	}
	return x, nil
}

// Append appends the response. Sense data that there is no room for is cut off.
func (x *Response) Append(dst []byte) []byte {
	sense := x.Sense[:min(len(x.Sense), SenseLen)]
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(sense)))
	dst = binary.LittleEndian.AppendUint32(dst, x.Residual)
	dst = binary.LittleEndian.AppendUint16(dst, x.Qualifier)
	dst = append(dst, x.Status, byte(x.Code))
	dst = append(dst, sense...)
	return zeros(dst, SenseLen-len(sense))
}
