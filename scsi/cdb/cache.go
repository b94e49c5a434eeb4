package cdb

import "github.com/lunette-io/lunette/scsi"

// A Cache is SYNCHRONIZE CACHE (SBC-4 5.30, 5.31) or PRE-FETCH (5.8, 5.9) of 10
// or 16 bytes. PRE-FETCH answers CONDITION MET when all blocks fit the cache.
type Cache struct {
	Opcode scsi.Opcode
	LBA    uint64
	Blocks uint32 // 0 means up to the last one: see [Extent]
	Immed  bool   // answer before the work is done
	Group  uint8
}

// ParseCache reads any of the commands that a Cache can be.
func ParseCache(c []byte) (Cache, error) {
	switch Opcode(c) {
	case scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpPreFetch10, scsi.OpPreFetch16:
	default:
		return Cache{}, scsi.InvalidOpcode()
	}
	b, err := parseBlock(c)
	if err != nil {
		return Cache{}, err
	}
	return Cache{Opcode: b.op, LBA: b.lba, Blocks: b.blocks, Group: b.group, Immed: b.flags&0x02 != 0}, nil
}

// Append appends the CDB.
func (s Cache) Append(dst []byte) []byte {
	return block{op: s.Opcode, lba: s.LBA, blocks: s.Blocks, group: s.Group, flags: flag(s.Immed, 0x02)}.append(dst)
}
