package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A ReportTimestamp is REPORT TIMESTAMP (SPC-5 6.38).
type ReportTimestamp struct{ Allocation uint32 }

// ParseReportTimestamp reads REPORT TIMESTAMP.
func ParseReportTimestamp(c []byte) (ReportTimestamp, error) {
	if err := needAction(c, scsi.OpMaintenanceIn, scsi.ActionReportTimestamp); err != nil {
		return ReportTimestamp{}, err
	}
	return ReportTimestamp{Allocation: binary.BigEndian.Uint32(c[6:])}, nil
}

// Append appends the CDB.
func (r ReportTimestamp) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpMaintenanceIn), byte(scsi.ActionReportTimestamp), 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint32(dst, r.Allocation), 0, 0)
}

// timestampLen is how long the parameter list of SET TIMESTAMP is.
const timestampLen = 12

// ParseTimestampList reads the parameter list of SET TIMESTAMP (SPC-5 6.45): milliseconds since 1970, 48 bits.
func ParseTimestampList(list []byte) (milliseconds uint64, err error) {
	if len(list) != timestampLen {
		return 0, scsi.ParameterListLengthError()
	}
	return uint64(binary.BigEndian.Uint16(list[4:]))<<32 | uint64(binary.BigEndian.Uint32(list[6:])), nil
}

// AppendTimestampList appends the parameter list of SET TIMESTAMP.
func AppendTimestampList(dst []byte, milliseconds uint64) []byte {
	dst = append(dst, 0, 0, 0, 0, byte(milliseconds>>40), byte(milliseconds>>32))
	return append(binary.BigEndian.AppendUint32(dst, uint32(milliseconds)), 0, 0)
}
