package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A MechanismStatus is MECHANISM STATUS (MMC-6 6.11).
type MechanismStatus struct{ Allocation uint16 }

// ParseMechanismStatus reads MECHANISM STATUS.
func ParseMechanismStatus(c []byte) (MechanismStatus, error) {
	if err := needOp(c, scsi.OpMechanismStatus); err != nil {
		return MechanismStatus{}, err
	}
	return MechanismStatus{binary.BigEndian.Uint16(c[8:])}, nil
}

// Append appends the CDB.
func (m MechanismStatus) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpMechanismStatus), 0, 0, 0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, m.Allocation), 0, 0)
}

// A Seek is SEEK(10) (MMC-5 6.32).
type Seek struct{ LBA uint32 }

// ParseSeek reads SEEK(10).
func ParseSeek(c []byte) (Seek, error) {
	if err := needOp(c, scsi.OpSeek10); err != nil {
		return Seek{}, err
	}
	return Seek{binary.BigEndian.Uint32(c[2:])}, nil
}

// Append appends the CDB.
func (s Seek) Append(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint32(append(dst, byte(scsi.OpSeek10), 0), s.LBA), 0, 0, 0, 0)
}

// A ReadBufferCapacity is READ BUFFER CAPACITY (MMC-6 6.17).
type ReadBufferCapacity struct {
	Blocks     bool // lengths are in blocks, not bytes
	Allocation uint16
}

// ParseReadBufferCapacity reads READ BUFFER CAPACITY.
func ParseReadBufferCapacity(c []byte) (ReadBufferCapacity, error) {
	if err := needOp(c, scsi.OpReadBufferCapacity); err != nil {
		return ReadBufferCapacity{}, err
	}
	return ReadBufferCapacity{Blocks: c[1]&0x01 != 0, Allocation: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (r ReadBufferCapacity) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReadBufferCapacity), flag(r.Blocks, 0x01), 0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, r.Allocation), 0)
}
