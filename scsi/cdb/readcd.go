package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Expected sector types of READ CD.
const (
	SectorAny        = 0
	SectorAudio      = 1 // CD-DA
	SectorMode1      = 2
	SectorMode2      = 3 // formless
	SectorMode2Form1 = 4
	SectorMode2Form2 = 5
)

// Bits of ReadCD.Parts: what of a sector is wanted (MAIN CHANNEL SELECTION BITS).
const (
	PartSync      = 0x80
	PartSubheader = 0x40
	PartHeader    = 0x20
	PartUser      = 0x10
	PartECC       = 0x08
	PartC2        = 0x02 // 294 bytes
	PartC2Block   = 0x04 // 296 bytes
)

// A ReadCD is READ CD or READ CD MSF (MMC-6 6.19, 6.20).
type ReadCD struct {
	Opcode scsi.Opcode
	Sector uint8 // EXPECTED SECTOR TYPE, 0 to 7
	DAP    bool  // mute and interpolate errors of audio

	// Of READ CD.
	LBA    uint32 // a two's complement number: discs have blocks before 0
	Blocks uint32 // 24 bits

	// Of READ CD MSF: M, S and F as bytes of a number; the block of End is not read.
	Start, End uint32

	Parts      byte  // byte 9
	Subchannel uint8 // SUB-CHANNEL SELECTION, 0 to 7
}

// ParseReadCD reads READ CD or READ CD MSF.
func ParseReadCD(c []byte) (ReadCD, error) {
	op := Opcode(c)
	if op != scsi.OpReadCD && op != scsi.OpReadCDMSF {
		return ReadCD{}, scsi.InvalidOpcode()
	}
	if err := need(c, 12); err != nil {
		return ReadCD{}, err
	}
	r := ReadCD{Opcode: op, Sector: c[1] >> 2 & 7, DAP: c[1]&0x02 != 0, Parts: c[9] & 0xfe, Subchannel: c[10] & 7}
	if op == scsi.OpReadCD {
		r.LBA, r.Blocks = binary.BigEndian.Uint32(c[2:]), uint24(c[6:])
	} else {
		r.Start, r.End = uint24(c[3:]), uint24(c[6:])
	}
	return r, nil
}

// Append appends the CDB.
func (r ReadCD) Append(dst []byte) []byte {
	dst = append(dst, byte(r.Opcode), r.Sector&7<<2|flag(r.DAP, 0x02))
	last := r.Blocks
	if r.Opcode == scsi.OpReadCD {
		dst = binary.BigEndian.AppendUint32(dst, r.LBA)
	} else {
		dst = append(dst, 0, byte(r.Start>>16), byte(r.Start>>8), byte(r.Start))
		last = r.End
	}
	return append(dst, byte(last>>16), byte(last>>8), byte(last), r.Parts&0xfe, r.Subchannel&7, 0)
}
