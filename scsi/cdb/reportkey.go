package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Key formats of REPORT KEY of class 0.
const (
	KeyAGID  = 0x00
	KeyASF   = 0x05 // is authentication successful
	KeyRPC   = 0x08 // region playback control
	KeyClear = 0x3f // give up the AGID
)

// A ReportKey is REPORT KEY (MMC-6 6.28).
type ReportKey struct {
	LBA        uint32
	Class      uint8 // KEY CLASS
	Allocation uint16
	Grant      uint8 // AGID, 0 to 3
	Format     uint8 // KEY FORMAT, 6 bits
}

// ParseReportKey reads REPORT KEY.
func ParseReportKey(c []byte) (ReportKey, error) {
	if err := needOp(c, scsi.OpReportKey); err != nil {
		return ReportKey{}, err
	}
	return ReportKey{binary.BigEndian.Uint32(c[2:]), c[7], binary.BigEndian.Uint16(c[8:]), c[10] >> 6, c[10] & 0x3f}, nil
}

// Append appends the CDB.
func (r ReportKey) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, byte(scsi.OpReportKey), 0), r.LBA)
	dst = binary.BigEndian.AppendUint16(append(dst, 0, r.Class), r.Allocation)
	return append(dst, r.Grant<<6|r.Format&0x3f, 0)
}
