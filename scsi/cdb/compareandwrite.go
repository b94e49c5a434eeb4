package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A CompareAndWrite is COMPARE AND WRITE (SBC-4 5.3). Its data is Blocks blocks
// to compare with, then Blocks blocks to write if all of them were equal.
type CompareAndWrite struct {
	LBA      uint64
	Blocks   uint8 // 0 does nothing and is no error
	Protect  uint8 // WRPROTECT, 0 to 7
	DPO, FUA bool
	Group    uint8
}

// ParseCompareAndWrite reads COMPARE AND WRITE.
func ParseCompareAndWrite(c []byte) (CompareAndWrite, error) {
	if err := needOp(c, scsi.OpCompareAndWrite); err != nil {
		return CompareAndWrite{}, err
	}
	return CompareAndWrite{
		LBA: binary.BigEndian.Uint64(c[2:]), Blocks: c[13], Group: c[14] & 0x3f,
		Protect: c[1] >> 5, DPO: c[1]&0x10 != 0, FUA: c[1]&0x08 != 0,
	}, nil
}

// Append appends the CDB.
func (w CompareAndWrite) Append(dst []byte) []byte {
	return block{
		op: scsi.OpCompareAndWrite, lba: w.LBA, blocks: uint32(w.Blocks), group: w.Group,
		flags: w.Protect<<5 | flag(w.DPO, 0x10) | flag(w.FUA, 0x08),
	}.append(dst)
}
