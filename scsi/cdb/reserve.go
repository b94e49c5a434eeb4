package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A Reserve is RESERVE or RELEASE of 6 or 10 bytes (SPC-2 7.16 to 7.19, obsolete
// since SPC-3).
type Reserve struct {
	Opcode scsi.Opcode

	// Extent, ThirdParty and LongID ask for kinds of reservations that SPC-2
	// itself lets a device refuse.
	Extent, ThirdParty, LongID bool

	ThirdPartyID uint8
	ID           uint8  // RESERVATION IDENTIFICATION, for extents
	Length       uint16 // of the parameter list, bytes; RESERVE and the 10-byte RELEASE
}

// ParseReserve reads any of the commands that a Reserve can be.
func ParseReserve(c []byte) (Reserve, error) {
	op := Opcode(c)
	switch op {
	case scsi.OpReserve6, scsi.OpRelease6, scsi.OpReserve10, scsi.OpRelease10:
	default:
		return Reserve{}, scsi.InvalidOpcode()
	}
	if err := need(c, Length(op)); err != nil {
		return Reserve{}, err
	}
	r := Reserve{Opcode: op, Extent: c[1]&0x01 != 0, ThirdParty: c[1]&0x10 != 0, ID: c[2]}
	switch op {
	case scsi.OpReserve6:
		r.ThirdPartyID = c[1] >> 1 & 7
		r.Length = binary.BigEndian.Uint16(c[3:])
	case scsi.OpRelease6:
		r.ThirdPartyID = c[1] >> 1 & 7
	default:
		r.LongID, r.ThirdPartyID = c[1]&0x02 != 0, c[3]
		r.Length = binary.BigEndian.Uint16(c[7:])
	}
	return r, nil
}

// Append appends the CDB.
func (r Reserve) Append(dst []byte) []byte {
	flags := flag(r.Extent, 0x01) | flag(r.ThirdParty, 0x10)
	switch r.Opcode {
	case scsi.OpReserve6:
		dst = append(dst, byte(r.Opcode), flags|r.ThirdPartyID&7<<1, r.ID)
		return append(binary.BigEndian.AppendUint16(dst, r.Length), 0)
	case scsi.OpRelease6:
		return append(dst, byte(r.Opcode), flags|r.ThirdPartyID&7<<1, r.ID, 0, 0, 0)
	}
	dst = append(dst, byte(r.Opcode), flags|flag(r.LongID, 0x02), r.ID, r.ThirdPartyID, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, r.Length), 0)
}
