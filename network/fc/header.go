package fc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The frame header, its fields and words (FC-FS-5 "frame header"): 24 bytes.

// HeaderLen is how many bytes a frame header has, and MaxPayload and MinPayload how much payload every port
// can agree on for a frame.
const (
	HeaderLen  = 24
	MaxPayload = 2112
	MinPayload = 256
)

// RCtl is R_CTL: what kind of frame it is.
type RCtl uint8

// R_CTL of FC-4 device data (what FCP calls them is behind each), of link services and of basic link services.
const (
	RCtlUncategorized      RCtl = 0x00
	RCtlData               RCtl = 0x01 // solicited data: FCP_DATA
	RCtlUnsolicitedControl RCtl = 0x02 // a request of CT
	RCtlSolicitedControl   RCtl = 0x03 // the answer of CT; FCP_CONF
	RCtlUnsolicitedData    RCtl = 0x04
	RCtlDataDescriptor     RCtl = 0x05 // FCP_XFER_RDY
	RCtlCommand            RCtl = 0x06 // unsolicited command: FCP_CMND
	RCtlStatus             RCtl = 0x07 // command status: FCP_RSP
	RCtlELSRequest         RCtl = 0x22
	RCtlELSReply           RCtl = 0x23
	RCtlFC4Request         RCtl = 0x32 // SRR of FCP
	RCtlFC4Reply           RCtl = 0x33
	RCtlNOP                RCtl = 0x80
	RCtlABTS               RCtl = 0x81
	RCtlBAAcc              RCtl = 0x84
	RCtlBARjt              RCtl = 0x85
	RCtlACK1               RCtl = 0xc0
	RCtlPortReject         RCtl = 0xc2
	RCtlFabricReject       RCtl = 0xc3
)

// String is what the standard calls it.
func (r RCtl) String() string {
	switch r {
	case RCtlUncategorized:
		return "uncategorized"
	case RCtlData:
		return "solicited data"
	case RCtlUnsolicitedControl:
		return "unsolicited control"
	case RCtlSolicitedControl:
		return "solicited control"
	case RCtlUnsolicitedData:
		return "unsolicited data"
	case RCtlDataDescriptor:
		return "data descriptor"
	case RCtlCommand:
		return "unsolicited command"
	case RCtlStatus:
		return "command status"
	case RCtlELSRequest:
		return "ELS request"
	case RCtlELSReply:
		return "ELS reply"
	case RCtlFC4Request:
		return "FC-4 link service request"
	case RCtlFC4Reply:
		return "FC-4 link service reply"
	case RCtlNOP:
		return "NOP"
	case RCtlABTS:
		return "ABTS"
	case RCtlBAAcc:
		return "BA_ACC"
	case RCtlBARjt:
		return "BA_RJT"
	case RCtlACK1:
		return "ACK_1"
	case RCtlPortReject:
		return "P_RJT"
	case RCtlFabricReject:
		return "F_RJT"
	}
	return fmt.Sprintf("R_CTL %02xh", uint8(r))
}

// Type is TYPE: the protocol of the payload.
type Type uint8

// Types.
const (
	TypeBLS  Type = 0x00 // basic link services
	TypeELS  Type = 0x01 // extended link services
	TypeFCP  Type = 0x08
	TypeCT   Type = 0x20 // common transport, of FC-GS
	TypeNVMe Type = 0x28
)

// String is the protocol's name.
func (t Type) String() string {
	switch t {
	case TypeBLS:
		return "BLS"
	case TypeELS:
		return "ELS"
	case TypeFCP:
		return "FCP"
	case TypeCT:
		return "CT"
	case TypeNVMe:
		return "NVMe"
	}
	return fmt.Sprintf("TYPE %02xh", uint8(t))
}

// FCtl is F_CTL, 24 bits.
type FCtl uint32

// Bits of F_CTL.
const (
	FCtlResponder          FCtl = 1 << 23 // exchange context: the responder of the exchange has sent it
	FCtlRecipient          FCtl = 1 << 22 // sequence context: the recipient of the sequence has sent it
	FCtlFirstSequence      FCtl = 1 << 21
	FCtlLastSequence       FCtl = 1 << 20
	FCtlEndSequence        FCtl = 1 << 19
	FCtlPriority           FCtl = 1 << 17 // CS_CTL is a priority
	FCtlSequenceInitiative FCtl = 1 << 16 // goes to the other end
	FCtlRetransmitted      FCtl = 1 << 9
	FCtlRelativeOffset     FCtl = 1 << 3 // the parameter is one
	FCtlFill               FCtl = 3      // how many bytes of fill the payload ends with
)

// F_CTL of requests and replies of one sequence each: the whole exchange.
const (
	FCtlRequest = FCtlFirstSequence | FCtlEndSequence | FCtlSequenceInitiative
	FCtlReply   = FCtlResponder | FCtlLastSequence | FCtlEndSequence | FCtlSequenceInitiative
)

// NoID is an exchange identifier that is not known.
const NoID = 0xffff

// A Header is a frame header.
type Header struct {
	RCtl      RCtl
	D, S      ID
	CSCtl     uint8
	Type      Type
	FCtl      FCtl
	SeqID     uint8
	DFCtl     uint8
	SeqCnt    uint16
	OX, RX    uint16
	Parameter uint32
}

// ErrShort reports fewer bytes than a frame header has.
var ErrShort = errors.New("fc: shorter than a frame header")

// ParseHeader reads the header that b begins with. It allocates nothing.
func ParseHeader(b []byte) (h Header, err error) {
	if len(b) < HeaderLen {
		return h, ErrShort
	}
	b = b[:HeaderLen]
	d, s, f := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	return Header{
		RCtl: RCtl(d >> 24), D: ID(d & MaxID),
		CSCtl: uint8(s >> 24), S: ID(s & MaxID),
		Type: Type(f >> 24), FCtl: FCtl(f & 0xffffff),
		SeqID: b[12], DFCtl: b[13], SeqCnt: binary.BigEndian.Uint16(b[14:]),
		OX: binary.BigEndian.Uint16(b[16:]), RX: binary.BigEndian.Uint16(b[18:]),
		Parameter: binary.BigEndian.Uint32(b[20:]),
	}, nil
}

// Put writes the header to the start of b, which has room for it.
func (h *Header) Put(b []byte) {
	b = b[:HeaderLen]
	binary.BigEndian.PutUint32(b, uint32(h.RCtl)<<24|uint32(h.D)&MaxID)
	binary.BigEndian.PutUint32(b[4:], uint32(h.CSCtl)<<24|uint32(h.S)&MaxID)
	binary.BigEndian.PutUint32(b[8:], uint32(h.Type)<<24|uint32(h.FCtl)&0xffffff)
	b[12], b[13] = h.SeqID, h.DFCtl
	binary.BigEndian.PutUint16(b[14:], h.SeqCnt)
	binary.BigEndian.PutUint16(b[16:], h.OX)
	binary.BigEndian.PutUint16(b[18:], h.RX)
	binary.BigEndian.PutUint32(b[20:], h.Parameter)
}

// Append appends the header.
func (h *Header) Append(dst []byte) []byte {
	var b [HeaderLen]byte
	h.Put(b[:])
	return append(dst, b[:]...)
}

// String is the header for logs and tests.
func (h *Header) String() string {
	return fmt.Sprintf("%v of %v, %v to %v, F_CTL %06x, SEQ_ID %02x, SEQ_CNT %d, OX_ID %04x, RX_ID %04x, parameter %08x",
		h.RCtl, h.Type, h.S, h.D, uint32(h.FCtl), h.SeqID, h.SeqCnt, h.OX, h.RX, h.Parameter)
}
