package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A block is the shape that SBC-4 gives to nearly all of its media commands: the
// same fields at places that depend only on the length of the CDB.
type block struct {
	op     scsi.Opcode
	flags  byte // byte 1
	lba    uint64
	blocks uint32
	group  byte
}

// parseBlock reads c, whose operation code the caller has accepted and is of 10,
// 12 or 16 bytes.
func parseBlock(c []byte) (b block, err error) {
	if err := need(c, Length(scsi.Opcode(c[0]))); err != nil {
		return block{}, err
	}
	b.op, b.flags = scsi.Opcode(c[0]), c[1]
	switch Length(b.op) {
	case 10:
		b.lba, b.group = uint64(binary.BigEndian.Uint32(c[2:])), c[6]&0x3f
		b.blocks = uint32(binary.BigEndian.Uint16(c[7:]))
	case 12:
		b.lba, b.group = uint64(binary.BigEndian.Uint32(c[2:])), c[10]&0x3f
		b.blocks = binary.BigEndian.Uint32(c[6:])
	default:
		b.lba, b.group = binary.BigEndian.Uint64(c[2:]), c[14]&0x3f
		b.blocks = binary.BigEndian.Uint32(c[10:])
	}
	return b, nil
}

func (b block) append(dst []byte) []byte {
	dst = append(dst, byte(b.op), b.flags)
	switch Length(b.op) {
	case 10:
		dst = binary.BigEndian.AppendUint32(dst, uint32(b.lba))
		dst = append(dst, b.group&0x3f)
		dst = binary.BigEndian.AppendUint16(dst, uint16(b.blocks))
		return append(dst, 0)
	case 12:
		dst = binary.BigEndian.AppendUint32(dst, uint32(b.lba))
		dst = binary.BigEndian.AppendUint32(dst, b.blocks)
	default:
		dst = binary.BigEndian.AppendUint64(dst, b.lba)
		dst = binary.BigEndian.AppendUint32(dst, b.blocks)
	}
	return append(dst, b.group&0x3f, 0)
}
