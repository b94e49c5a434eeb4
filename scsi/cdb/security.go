package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A SecurityProtocol is SECURITY PROTOCOL IN or OUT (SPC-5 6.40, 6.41).
type SecurityProtocol struct {
	Opcode   scsi.Opcode
	Protocol uint8
	Specific uint16 // SECURITY PROTOCOL SPECIFIC: with most protocols a page code
	Inc512   bool   // INC_512: Length counts units of 512 bytes
	Length   uint32 // allocation length, or length of the parameter list
}

// Security protocols (SPC-5 table 195).
const (
	ProtocolInformation    = 0x00
	ProtocolDataEncryption = 0x20 // tape data encryption (SSC-4 8.5)
)

// ParseSecurityProtocol reads SECURITY PROTOCOL IN or OUT.
func ParseSecurityProtocol(c []byte) (SecurityProtocol, error) {
	op := Opcode(c)
	if op != scsi.OpSecurityProtocolIn && op != scsi.OpSecurityProtocolOut {
		return SecurityProtocol{}, scsi.InvalidOpcode()
	}
	if err := need(c, Length(op)); err != nil {
		return SecurityProtocol{}, err
	}
	return SecurityProtocol{
		Opcode: op, Protocol: c[1], Specific: binary.BigEndian.Uint16(c[2:]),
		Inc512: c[4]&0x80 != 0, Length: binary.BigEndian.Uint32(c[6:]),
	}, nil
}

// Append appends the CDB.
func (s SecurityProtocol) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(s.Opcode), s.Protocol), s.Specific)
	dst = append(dst, flag(s.Inc512, 0x80), 0)
	return append(binary.BigEndian.AppendUint32(dst, s.Length), 0, 0)
}
