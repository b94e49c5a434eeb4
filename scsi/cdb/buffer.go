package cdb

import "github.com/lunette-io/lunette/scsi"

// Modes of READ BUFFER(10) and WRITE BUFFER (SPC-5 6.21, 6.46).
const (
	BufferDescriptor     = 0x03
	BufferEcho           = 0x0a
	BufferEchoDescriptor = 0x0b // of READ BUFFER
)

// A Buffer is READ BUFFER(10) or WRITE BUFFER.
type Buffer struct {
	Opcode   scsi.Opcode
	Mode     uint8 // 0 to 31
	Specific uint8 // MODE SPECIFIC, 0 to 7
	ID       uint8
	Offset   uint32 // 24 bits
	Length   uint32 // 24 bits: allocation length, or length of the parameter list
}

// ParseBuffer reads READ BUFFER(10) or WRITE BUFFER.
func ParseBuffer(c []byte) (Buffer, error) {
	op := Opcode(c)
	if op != scsi.OpReadBuffer && op != scsi.OpWriteBuffer {
		return Buffer{}, scsi.InvalidOpcode()
	}
	if err := need(c, Length(op)); err != nil {
		return Buffer{}, err
	}
	return Buffer{Opcode: op, Mode: c[1] & 0x1f, Specific: c[1] >> 5, ID: c[2], Offset: uint24(c[3:]), Length: uint24(c[6:])}, nil
}

// Append appends the CDB.
func (b Buffer) Append(dst []byte) []byte {
	return append(dst, byte(b.Opcode), b.Specific<<5|b.Mode&0x1f, b.ID, byte(b.Offset>>16), byte(b.Offset>>8), byte(b.Offset),
		byte(b.Length>>16), byte(b.Length>>8), byte(b.Length), 0)
}
