package cdb

import "github.com/lunette-io/lunette/scsi"

// A WriteSame is WRITE SAME of 10 or 16 bytes (SBC-4 5.43, 5.44): one block of
// data, written to every block of the range.
type WriteSame struct {
	Opcode  scsi.Opcode
	LBA     uint64
	Blocks  uint32 // 0 means up to the last one (see [Extent]), unless WSNZ of VPD page B0h forbids it
	Protect uint8  // WRPROTECT, 0 to 7
	Anchor  bool   // with Unmap: anchor the blocks instead of deallocating them
	Unmap   bool   // the blocks may be deallocated if they then read as the data
	NoData  bool   // NDOB, 16 bytes only: no data comes along, the pattern is zeros
	Group   uint8
}

// ParseWriteSame reads WRITE SAME of either length.
func ParseWriteSame(c []byte) (WriteSame, error) {
	op := Opcode(c)
	if op != scsi.OpWriteSame10 && op != scsi.OpWriteSame16 {
		return WriteSame{}, scsi.InvalidOpcode()
	}
	b, err := parseBlock(c)
	if err != nil {
		return WriteSame{}, err
	}
	return WriteSame{
		Opcode: op, LBA: b.lba, Blocks: b.blocks, Group: b.group, Protect: b.flags >> 5,
		Anchor: b.flags&0x10 != 0, Unmap: b.flags&0x08 != 0, NoData: op == scsi.OpWriteSame16 && b.flags&0x01 != 0,
	}, nil
}

// Append appends the CDB.
func (w WriteSame) Append(dst []byte) []byte {
	return block{
		op: w.Opcode, lba: w.LBA, blocks: w.Blocks, group: w.Group,
		flags: w.Protect<<5 | flag(w.Anchor, 0x10) | flag(w.Unmap, 0x08) |
			flag(w.NoData && w.Opcode == scsi.OpWriteSame16, 0x01),
	}.append(dst)
}
