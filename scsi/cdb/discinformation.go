package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Data types of READ DISC INFORMATION.
const (
	DiscStandard       = 0
	DiscTrackResources = 1
	DiscPOWResources   = 2
)

// A ReadDiscInformation is READ DISC INFORMATION (MMC-6 6.21).
type ReadDiscInformation struct {
	Type       uint8 // DATA TYPE, 0 to 7
	Allocation uint16
}

// ParseReadDiscInformation reads READ DISC INFORMATION.
func ParseReadDiscInformation(c []byte) (ReadDiscInformation, error) {
	if err := needOp(c, scsi.OpReadDiscInformation); err != nil {
		return ReadDiscInformation{}, err
	}
	return ReadDiscInformation{Type: c[1] & 7, Allocation: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (r ReadDiscInformation) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReadDiscInformation), r.Type&7, 0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, r.Allocation), 0)
}

// What ReadTrackInformation.Address is (ADDRESS/NUMBER TYPE).
const (
	TrackByLBA     = 0
	TrackByNumber  = 1 // FFh is the invisible or incomplete track, 0 the lead-in
	TrackBySession = 2
)

// A ReadTrackInformation is READ TRACK INFORMATION (MMC-6 6.26).
type ReadTrackInformation struct {
	Open       bool  // the first open track at or behind the address
	Type       uint8 // ADDRESS/NUMBER TYPE, 0 to 3
	Address    uint32
	Allocation uint16
}

// ParseReadTrackInformation reads READ TRACK INFORMATION.
func ParseReadTrackInformation(c []byte) (ReadTrackInformation, error) {
	if err := needOp(c, scsi.OpReadTrackInformation); err != nil {
		return ReadTrackInformation{}, err
	}
	return ReadTrackInformation{
		Open: c[1]&0x04 != 0, Type: c[1] & 3, Address: binary.BigEndian.Uint32(c[2:]), Allocation: binary.BigEndian.Uint16(c[7:]),
	}, nil
}

// Append appends the CDB.
func (r ReadTrackInformation) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReadTrackInformation), flag(r.Open, 0x04)|r.Type&3)
	dst = append(binary.BigEndian.AppendUint32(dst, r.Address), 0)
	return append(binary.BigEndian.AppendUint16(dst, r.Allocation), 0)
}
