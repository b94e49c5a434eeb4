package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A PersistentIn is PERSISTENT RESERVE IN (SPC-5 6.15).
type PersistentIn struct {
	Action     scsi.ServiceAction // 0 to 1Fh
	Allocation uint16             // bytes
}

// ParsePersistentIn reads PERSISTENT RESERVE IN with any service action.
func ParsePersistentIn(c []byte) (PersistentIn, error) {
	if err := needOp(c, scsi.OpPersistentReserveIn); err != nil {
		return PersistentIn{}, err
	}
	return PersistentIn{Action: scsi.ServiceAction(c[1] & 0x1f), Allocation: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (p PersistentIn) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpPersistentReserveIn), byte(p.Action)&0x1f, 0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, p.Allocation), 0)
}
