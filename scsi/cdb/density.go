package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A ReportDensity is REPORT DENSITY SUPPORT (SSC-5 7.11).
type ReportDensity struct {
	MediumType bool   // descriptors of medium types, not of densities
	Media      bool   // of the medium that is mounted
	Allocation uint16 // bytes
}

// ParseReportDensity reads REPORT DENSITY SUPPORT.
func ParseReportDensity(c []byte) (ReportDensity, error) {
	if err := needOp(c, scsi.OpReportDensitySupport); err != nil {
		return ReportDensity{}, err
	}
	return ReportDensity{MediumType: c[1]&2 != 0, Media: c[1]&1 != 0, Allocation: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (r ReportDensity) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReportDensitySupport), flag(r.MediumType, 2)|flag(r.Media, 1), 0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, r.Allocation), 0)
}
