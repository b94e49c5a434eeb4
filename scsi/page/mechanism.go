package page

import "encoding/binary"

// MechanismLen is the length of MECHANISM STATUS data without a slot table.
const MechanismLen = 8

// States of [Mechanism.State].
const (
	MechanismIdle   = 0
	MechanismActive = 3 // with a command of a host
	MechanismNone   = 7 // nothing is said
)

// A Mechanism is MECHANISM STATUS data (MMC-6 6.11.3) of a drive without slots.
type Mechanism struct {
	Fault bool
	State uint8
	Open  bool   // the door
	LBA   uint32 // the block under the head, 24 bits
}

// Append appends the data, 8 bytes.
func (m Mechanism) Append(dst []byte) []byte {
	return append(dst, flag(m.Fault, 0x80), m.State<<5|flag(m.Open, 0x10), byte(m.LBA>>16), byte(m.LBA>>8), byte(m.LBA), 0, 0, 0)
}

// AppendBufferCapacity appends READ BUFFER CAPACITY data (MMC-6 6.17.3), 12 bytes: lengths are in blocks if blocks is set.
func AppendBufferCapacity(dst []byte, blocks bool, length, free uint32) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, 0, 10, 0, flag(blocks, 0x01)), length)
	return binary.BigEndian.AppendUint32(dst, free)
}
