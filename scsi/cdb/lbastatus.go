package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A GetLBAStatus is GET LBA STATUS(16) (SBC-4 5.4).
type GetLBAStatus struct {
	LBA        uint64 // where to start
	Allocation uint32 // bytes
	Report     uint8  // REPORT TYPE: 0 all, 1 mapped and not, 2 mapped
}

// ParseGetLBAStatus reads GET LBA STATUS(16).
func ParseGetLBAStatus(c []byte) (GetLBAStatus, error) {
	if err := needAction(c, scsi.OpServiceActionIn16, scsi.ActionGetLBAStatus); err != nil {
		return GetLBAStatus{}, err
	}
	return GetLBAStatus{
		LBA: binary.BigEndian.Uint64(c[2:]), Allocation: binary.BigEndian.Uint32(c[10:]), Report: c[14],
	}, nil
}

// Append appends the CDB.
func (g GetLBAStatus) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpServiceActionIn16), byte(scsi.ActionGetLBAStatus))
	dst = binary.BigEndian.AppendUint64(dst, g.LBA)
	return append(binary.BigEndian.AppendUint32(dst, g.Allocation), g.Report, 0)
}
