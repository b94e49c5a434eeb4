package cdb

import "github.com/lunette-io/lunette/scsi"

// A ReadWrite is READ or WRITE of 6, 10, 12 or 16 bytes (SBC-4 5.10 to 5.14, 5.36
// to 5.39) or ORWRITE(16) (5.6).
type ReadWrite struct {
	Opcode scsi.Opcode
	LBA    uint64

	// Blocks is the number of logical blocks: 0 moves none and is no error. The
	// 0 of the 6-byte commands, which means 256, is 256 here.
	Blocks uint32

	// Protect is RDPROTECT or WRPROTECT, 0 to 7 (SBC-4 4.21).
	Protect uint8

	// DPO hints that the blocks will not be used again soon. FUA asks that the
	// medium, not a volatile cache, is read or holds the data before the status.
	DPO, FUA bool

	// Group is the GROUP NUMBER, 0 to 63.
	Group uint8
}

// IsWrite reports that the data goes to the medium.
func (r ReadWrite) IsWrite() bool {
	switch r.Opcode {
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16:
		return false
	}
	return true
}

// ParseReadWrite reads any of the commands that a ReadWrite can be.
func ParseReadWrite(c []byte) (ReadWrite, error) {
	switch op := Opcode(c); op {
	case scsi.OpRead10, scsi.OpWrite10, scsi.OpRead16, scsi.OpWrite16, scsi.OpRead12, scsi.OpWrite12, scsi.OpORWrite16:
		b, err := parseBlock(c)
		if err != nil {
			return ReadWrite{}, err
		}
		return ReadWrite{
			Opcode: op, LBA: b.lba, Blocks: b.blocks, Group: b.group,
			Protect: b.flags >> 5, DPO: b.flags&0x10 != 0, FUA: b.flags&0x08 != 0,
		}, nil
	case scsi.OpRead6, scsi.OpWrite6:
		if err := need(c, 6); err != nil {
			return ReadWrite{}, err
		}
		r := ReadWrite{Opcode: op, LBA: uint64(c[1]&0x1f)<<16 | uint64(c[2])<<8 | uint64(c[3]), Blocks: uint32(c[4])}
		if r.Blocks == 0 {
			r.Blocks = 256
		}
		return r, nil
	}
	return ReadWrite{}, scsi.InvalidOpcode()
}

// Append appends the CDB.
func (r ReadWrite) Append(dst []byte) []byte {
	if Length(r.Opcode) == 6 {
		return append(dst, byte(r.Opcode), byte(r.LBA>>16)&0x1f, byte(r.LBA>>8), byte(r.LBA), byte(r.Blocks), 0)
	}
	return block{
		op: r.Opcode, lba: r.LBA, blocks: r.Blocks, group: r.Group,
		flags: r.Protect<<5 | flag(r.DPO, 0x10) | flag(r.FUA, 0x08),
	}.append(dst)
}
