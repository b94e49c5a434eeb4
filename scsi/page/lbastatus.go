package page

import "encoding/binary"

// An LBAExtent is a run of blocks in one provisioning state (SBC-4 5.4.2.2).
type LBAExtent struct {
	LBA    uint64
	Blocks uint32
	State  LBAState
}

// An LBAState is a PROVISIONING STATUS; four bits.
type LBAState uint8

// Provisioning states.
const (
	Mapped      LBAState = 0
	Deallocated LBAState = 1
	Anchored    LBAState = 2
)

// LBAExtentLen is the length of one extent in GET LBA STATUS data, after a header of eight bytes.
const LBAExtentLen = 16

// AppendLBAStatus appends GET LBA STATUS data (SBC-4 5.4.2).
func AppendLBAStatus(dst []byte, extents ...LBAExtent) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, e := range extents {
		dst = binary.BigEndian.AppendUint64(dst, e.LBA)
		dst = binary.BigEndian.AppendUint32(dst, e.Blocks)
		dst = append(dst, byte(e.State)&0xf, 0, 0, 0)
	}
	return setLen32(dst, at)
}
