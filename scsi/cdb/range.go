package cdb

import (
	"encoding/binary"
	"math"

	"github.com/lunette-io/lunette/scsi"
)

// Range returns the logical blocks that c names, without looking at anything else of it: c has
// its full length, and the fields where SBC-4 has them for READ, WRITE, VERIFY, PRE-FETCH,
// SYNCHRONIZE CACHE, WRITE SAME and ORWRITE of each length. The 0 of the 6-byte commands is 256.
func Range(c []byte) (first, blocks uint64) {
	switch Length(scsi.Opcode(c[0])) {
	case 6:
		if blocks = uint64(c[4]); blocks == 0 {
			blocks = 256
		}
		return uint64(c[1]&0x1f)<<16 | uint64(c[2])<<8 | uint64(c[3]), blocks
	case 10:
		return uint64(binary.BigEndian.Uint32(c[2:])), uint64(binary.BigEndian.Uint16(c[7:]))
	case 12:
		return uint64(binary.BigEndian.Uint32(c[2:])), uint64(binary.BigEndian.Uint32(c[6:]))
	}
	return binary.BigEndian.Uint64(c[2:]), uint64(binary.BigEndian.Uint32(c[10:]))
}

// RangeToEnd is Range for commands whose number of blocks 0 means "up to the last one": as many
// as there can be.
func RangeToEnd(c []byte) (first, blocks uint64) {
	if first, blocks = Range(c); blocks == 0 {
		blocks = math.MaxUint64 - first
	}
	return first, blocks
}

// CompareAndWriteRange is Range for COMPARE AND WRITE.
func CompareAndWriteRange(c []byte) (first, blocks uint64) {
	return binary.BigEndian.Uint64(c[2:]), uint64(c[13])
}
