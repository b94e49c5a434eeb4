package pdu

import "encoding/binary"

// Types of additional header segments (RFC 7143 section 11.2.2.1).
const (
	ahsExtendedCDB    = 1
	ahsBidiReadLength = 2
)

// ahsHeaderLen is AHSLength and AHSType; AHSLength counts from behind them.
const ahsHeaderLen = 3

// AHS is what the additional headers of a SCSI Command say (RFC 7143 sections
// 11.2.2.3 and 11.2.2.4).
type AHS struct {
	ExtendedCDB    []byte // the CDB from byte 16 on, where it lies in the parsed bytes; nil: none
	HasBidiRead    bool
	BidiReadLength uint32 // expected data-in of a bidirectional command, bytes
}

// ParseAHS reads all additional headers of one PDU. An unknown type, a segment
// that does not fit and a type that comes twice are errors whose reason is
// RejectInvalidField.
func ParseAHS(b []byte) (AHS, error) {
	var a AHS
	bad := func(detail string) (AHS, error) { return AHS{}, invalid(OpSCSICommand, detail) }
	for len(b) > 0 {
		if len(b) < 4 {
			return bad("an additional header is cut short")
		}
		n := int(binary.BigEndian.Uint16(b))
		size := Padded(ahsHeaderLen + n)
		if n == 0 || size > len(b) {
			return bad("the length of an additional header does not fit")
		}
		body := b[4 : ahsHeaderLen+n : ahsHeaderLen+n]
		switch b[2] & 0x3f {
		case ahsExtendedCDB:
			if a.ExtendedCDB != nil || len(body) == 0 {
				return bad("an extended CDB that is empty or comes twice")
			}
			a.ExtendedCDB = body
		case ahsBidiReadLength:
			if a.HasBidiRead || len(body) != 4 {
				return bad("a bidirectional read length that is malformed or comes twice")
			}
			a.HasBidiRead = true
			a.BidiReadLength = binary.BigEndian.Uint32(body)
		default:
			return bad("unknown type of additional header")
		}
		b = b[size:]
	}
	return a, nil
}

// Append appends the additional headers in the form of the wire, padded; the
// length goes to SetTotalAHSLength.
func (a AHS) Append(b []byte) []byte {
	if n := len(a.ExtendedCDB); n > 0 {
		b = binary.BigEndian.AppendUint16(b, uint16(n+1))
		b = append(b, ahsExtendedCDB, 0)
		b = append(b, a.ExtendedCDB...)
		b = append(b, Padding(n)...)
	}
	if a.HasBidiRead {
		b = append(b, 0, 5, ahsBidiReadLength, 0)
		b = binary.BigEndian.AppendUint32(b, a.BidiReadLength)
	}
	return b
}
