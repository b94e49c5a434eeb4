package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Formats of READ TOC/PMA/ATIP.
const (
	TOCTracks   = 0 // the tracks, and the lead-out
	TOCSessions = 1 // where the last session begins
	TOCFull     = 2 // all entries of the lead-in
	TOCPMA      = 3
	TOCATIP     = 4
	TOCText     = 5
)

// A ReadTOC is READ TOC/PMA/ATIP (MMC-6 6.25).
type ReadTOC struct {
	MSF bool // addresses are minutes, seconds and frames
	// Format is that of byte 2. If it is 0 there, it is that of the two top bits of CONTROL, where hosts had it before MMC.
	Format     uint8
	Track      uint8 // or session, by the format
	Allocation uint16
}

// ParseReadTOC reads READ TOC/PMA/ATIP.
func ParseReadTOC(c []byte) (ReadTOC, error) {
	if err := needOp(c, scsi.OpReadTOC); err != nil {
		return ReadTOC{}, err
	}
	r := ReadTOC{MSF: c[1]&0x02 != 0, Format: c[2] & 0xf, Track: c[6], Allocation: binary.BigEndian.Uint16(c[7:])}
	if r.Format == 0 {
		r.Format = c[9] >> 6
	}
	return r, nil
}

// Append appends the CDB.
func (r ReadTOC) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReadTOC), flag(r.MSF, 0x02), r.Format&0xf, 0, 0, 0, r.Track)
	return append(binary.BigEndian.AppendUint16(dst, r.Allocation), 0)
}
