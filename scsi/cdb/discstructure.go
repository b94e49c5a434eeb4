package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Media types of READ DISC STRUCTURE: what its formats mean.
const (
	StructureDVD = 0 // and HD DVD
	StructureBD  = 1
)

// A ReadDiscStructure is READ DISC STRUCTURE (MMC-6 6.22), which was READ DVD STRUCTURE.
type ReadDiscStructure struct {
	Media      uint8 // MEDIA TYPE, 0 to 15
	Address    uint32
	Layer      uint8
	Format     uint8
	Allocation uint16
	Grant      uint8 // AGID, 0 to 3
}

// ParseReadDiscStructure reads READ DISC STRUCTURE.
func ParseReadDiscStructure(c []byte) (ReadDiscStructure, error) {
	if err := needOp(c, scsi.OpReadDiscStructure); err != nil {
		return ReadDiscStructure{}, err
	}
	return ReadDiscStructure{
		Media: c[1] & 0xf, Address: binary.BigEndian.Uint32(c[2:]), Layer: c[6], Format: c[7],
		Allocation: binary.BigEndian.Uint16(c[8:]), Grant: c[10] >> 6,
	}, nil
}

// Append appends the CDB.
func (r ReadDiscStructure) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, byte(scsi.OpReadDiscStructure), r.Media&0xf), r.Address)
	dst = binary.BigEndian.AppendUint16(append(dst, r.Layer, r.Format), r.Allocation)
	return append(dst, r.Grant<<6, 0)
}
