// Package ct is information units of the common transport (FC-GS-7) as the name server of a fabric has them: bytes in, values out, and back.
//
// All numbers are big-endian. What is reserved is not looked at, and sent as zero. What a value's slices refer to is the unit that it was
// read from.
package ct

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
)

// HeaderLen is how many bytes the header of a unit has.
const HeaderLen = 16

// revision is that of FC-GS-2 and later.
const revision = 1

// Services, by GS_Type, and the subtype of the name server.
const (
	ServiceManagement = 0xfa
	ServiceDirectory  = 0xfc
	SubtypeNameServer = 0x02
)

// A Header is the header of a unit (FC-GS-7 "CT_IU preamble").
type Header struct {
	Revision         uint8
	IN               fc.ID // of who has asked, if somebody passes it on
	Service, Subtype uint8
	Options          uint8
	Command          Command
	Size             uint16 // of a request the most, of an answer the rest that did not fit, in words of four bytes; 0: no limit, none
	Fragment         uint8
	Reason           Reason
	Explanation      Explanation
	Vendor           uint8
}

// An Error says what is wrong with a unit that was received.
type Error struct {
	Command Command
	Reason  Reason // for the answer
	Detail  string
}

func (e *Error) Error() string { return e.Command.String() + ": " + e.Detail }

// ParseHeader reads the header that b begins with.
func ParseHeader(b []byte) (h Header, err error) {
	if len(b) < HeaderLen {
		return h, &Error{0, ReasonSize, fmt.Sprintf("%d bytes, want %d", len(b), HeaderLen)}
	}
	return Header{
		b[0], fc.ID24(b[1:]), b[4], b[5], b[6], Command(binary.BigEndian.Uint16(b[8:])), binary.BigEndian.Uint16(b[10:]),
		b[12], Reason(b[13]), Explanation(b[14]), b[15],
	}, nil
}

// Append appends the header.
func (h Header) Append(dst []byte) []byte {
	dst = append(dst, h.Revision, byte(h.IN>>16), byte(h.IN>>8), byte(h.IN), h.Service, h.Subtype, h.Options, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Command))
	dst = binary.BigEndian.AppendUint16(dst, h.Size)
	return append(dst, h.Fragment, byte(h.Reason), byte(h.Explanation), h.Vendor)
}

// Ask is the header of a request to the name server.
func Ask(c Command) Header {
	return Header{Revision: revision, Service: ServiceDirectory, Subtype: SubtypeNameServer, Command: c}
}

// Accept is the header of the answer that accepts the request h: service and subtype are those of the request.
func (h Header) Accept() Header {
	return Header{Revision: revision, IN: h.IN, Service: h.Service, Subtype: h.Subtype, Command: Accepted}
}

// Reject is the header of the answer that refuses the request h; nothing is behind it.
func (h Header) Reject(r Reason, e Explanation) Header {
	x := h.Accept()
	x.Command, x.Reason, x.Explanation = Rejected, r, e
	return x
}

// Check returns nil for the header of an answer that accepts, else an error: a [Reject] if the request was refused.
func (h Header) Check() error {
	switch h.Command {
	case Accepted:
		return nil
	case Rejected:
		return Reject{h.Reason, h.Explanation, h.Vendor}
	}
	return &Error{h.Command, ReasonProtocol, "it is no answer"}
}
