package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A ReportLUNs is REPORT LUNS (SPC-5 6.33).
type ReportLUNs struct {
	Select     uint8
	Allocation uint32 // bytes
}

// Values of ReportLUNs.Select.
const (
	SelectLUNs      = 0x00 // logical units but not the well-known ones
	SelectWellKnown = 0x01
	SelectAll       = 0x02
)

// ParseReportLUNs reads REPORT LUNS.
func ParseReportLUNs(c []byte) (ReportLUNs, error) {
	if err := needOp(c, scsi.OpReportLUNs); err != nil {
		return ReportLUNs{}, err
	}
	return ReportLUNs{Select: c[2], Allocation: binary.BigEndian.Uint32(c[6:])}, nil
}

// Append appends the CDB.
func (r ReportLUNs) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReportLUNs), 0, r.Select, 0, 0, 0)
	return append(binary.BigEndian.AppendUint32(dst, r.Allocation), 0, 0)
}
