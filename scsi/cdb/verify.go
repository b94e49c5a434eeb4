package cdb

import "github.com/lunette-io/lunette/scsi"

// A Verify is VERIFY or WRITE AND VERIFY of 10, 12 or 16 bytes (SBC-4 5.33 to
// 5.35, 5.40 to 5.42).
type Verify struct {
	Opcode  scsi.Opcode
	LBA     uint64
	Blocks  uint32 // 0 verifies none and is no error
	Protect uint8  // VRPROTECT or WRPROTECT, 0 to 7
	DPO     bool

	// ByteCheck is BYTCHK. VERIFY: 0 takes no data and checks the medium, 1
	// compares all blocks with the data, 3 compares each with the one block sent;
	// 2 is reserved. WRITE AND VERIFY always takes data; 1 compares what was written.
	ByteCheck uint8

	Group uint8
}

// Values of Verify.ByteCheck.
const (
	CheckMedium = 0
	CheckAll    = 1
	CheckOne    = 3
)

// IsWrite reports WRITE AND VERIFY.
func (v Verify) IsWrite() bool {
	return v.Opcode == scsi.OpWriteAndVerify10 || v.Opcode == scsi.OpWriteAndVerify12 || v.Opcode == scsi.OpWriteAndVerify16
}

// DataBlocks returns how many blocks of data come with the command.
func (v Verify) DataBlocks() uint32 {
	switch {
	case v.IsWrite() || v.ByteCheck == CheckAll:
		return v.Blocks
	case v.ByteCheck == CheckOne && v.Blocks > 0:
		return 1
	}
	return 0
}

// ParseVerify reads any of the commands that a Verify can be.
func ParseVerify(c []byte) (Verify, error) {
	switch Opcode(c) {
	case scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16,
		scsi.OpWriteAndVerify10, scsi.OpWriteAndVerify12, scsi.OpWriteAndVerify16:
	default:
		return Verify{}, scsi.InvalidOpcode()
	}
	b, err := parseBlock(c)
	if err != nil {
		return Verify{}, err
	}
	return Verify{
		Opcode: b.op, LBA: b.lba, Blocks: b.blocks, Group: b.group,
		Protect: b.flags >> 5, DPO: b.flags&0x10 != 0, ByteCheck: b.flags >> 1 & 3,
	}, nil
}

// Append appends the CDB.
func (v Verify) Append(dst []byte) []byte {
	return block{
		op: v.Opcode, lba: v.LBA, blocks: v.Blocks, group: v.Group,
		flags: v.Protect<<5 | flag(v.DPO, 0x10) | v.ByteCheck&3<<1,
	}.append(dst)
}
