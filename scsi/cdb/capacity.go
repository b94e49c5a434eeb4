package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A ReadCapacity is READ CAPACITY of 10 or 16 bytes (SBC-4 5.15, 5.16).
type ReadCapacity struct {
	Opcode scsi.Opcode // OpReadCapacity10, or OpServiceActionIn16 for READ CAPACITY(16)

	// LBA and PMI are obsolete: an LBA other than 0 without PMI is an error.
	LBA uint64
	PMI bool

	Allocation uint32 // bytes; 8 for the 10-byte command, which always returns 8
}

// ParseReadCapacity reads READ CAPACITY of either length.
func ParseReadCapacity(c []byte) (ReadCapacity, error) {
	if Opcode(c) == scsi.OpReadCapacity10 {
		if err := need(c, 10); err != nil {
			return ReadCapacity{}, err
		}
		return ReadCapacity{
			Opcode: scsi.OpReadCapacity10, LBA: uint64(binary.BigEndian.Uint32(c[2:])), PMI: c[8]&0x01 != 0, Allocation: 8,
		}, nil
	}
	if err := needAction(c, scsi.OpServiceActionIn16, scsi.ActionReadCapacity16); err != nil {
		return ReadCapacity{}, err
	}
	return ReadCapacity{
		Opcode: scsi.OpServiceActionIn16, LBA: binary.BigEndian.Uint64(c[2:]), PMI: c[14]&0x01 != 0,
		Allocation: binary.BigEndian.Uint32(c[10:]),
	}, nil
}

// Append appends the CDB.
func (r ReadCapacity) Append(dst []byte) []byte {
	if r.Opcode == scsi.OpReadCapacity10 {
		dst = binary.BigEndian.AppendUint32(append(dst, byte(r.Opcode), 0), uint32(r.LBA))
		return append(dst, 0, 0, flag(r.PMI, 0x01), 0)
	}
	dst = append(dst, byte(scsi.OpServiceActionIn16), byte(scsi.ActionReadCapacity16))
	dst = binary.BigEndian.AppendUint64(dst, r.LBA)
	return append(binary.BigEndian.AppendUint32(dst, r.Allocation), flag(r.PMI, 0x01), 0)
}
