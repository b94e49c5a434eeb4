package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A MaintenanceOut is what the service actions of MAINTENANCE OUT, A4h, share (SPC-5 6).
type MaintenanceOut struct {
	Action scsi.ServiceAction // 0 to 1Fh
	Length uint32             // of the parameter list, bytes
}

// ParseMaintenanceOut reads MAINTENANCE OUT with any service action.
func ParseMaintenanceOut(c []byte) (MaintenanceOut, error) {
	if err := needOp(c, scsi.OpMaintenanceOut); err != nil {
		return MaintenanceOut{}, err
	}
	return MaintenanceOut{Action: scsi.ServiceAction(c[1] & 0x1f), Length: binary.BigEndian.Uint32(c[6:])}, nil
}

// Append appends the CDB.
func (m MaintenanceOut) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpMaintenanceOut), byte(m.Action)&0x1f, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint32(dst, m.Length), 0, 0)
}
