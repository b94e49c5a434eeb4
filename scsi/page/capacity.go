package page

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A Capacity is READ CAPACITY data (SBC-4 5.15.2, 5.16.2).
type Capacity struct {
	Last           uint64 // LBA of the last block
	BlockSize      uint32 // bytes
	ProtectionType uint8  // P_TYPE, 0 to 7: the type less one, meaningful if Protected
	Protected      bool   // PROT_EN
	Intervals      uint8  // P_I_EXPONENT, 0 to 15
	PhysicalBlock  uint8  // log2 of the logical blocks in a physical one, 0 to 15
	Thin           bool   // LBPME: logical block provisioning management
	ReadZeros      bool   // LBPRZ: unmapped blocks read as zeros
	LowestAligned  uint16 // first LBA at the start of a physical block, 14 bits
	Basis          uint8  // RC_BASIS, 0 to 3
}

// ErrCapacity is wrapped by every error of [ParseCapacity16].
var ErrCapacity = errors.New("malformed capacity data")

// Capacity16Len is the length of READ CAPACITY(16) data.
const Capacity16Len = 32

// Append10 appends READ CAPACITY(10) data, 8 bytes. A last LBA that does not fit
// reads FFFFFFFFh: use READ CAPACITY(16).
func (c Capacity) Append10(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(c.Last, 0xffffffff)))
	return binary.BigEndian.AppendUint32(dst, c.BlockSize)
}

// Append16 appends READ CAPACITY(16) data, 32 bytes.
func (c Capacity) Append16(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.Last)
	dst = binary.BigEndian.AppendUint32(dst, c.BlockSize)
	dst = append(dst, c.Basis&3<<4|c.ProtectionType&7<<1|flag(c.Protected, 0x01),
		c.Intervals<<4|c.PhysicalBlock&0xf,
		flag(c.Thin, 0x80)|flag(c.ReadZeros, 0x40)|byte(c.LowestAligned>>8)&0x3f, byte(c.LowestAligned))
	return appendZeros(dst, 16)
}

// ParseCapacity16 reads READ CAPACITY(16) data.
func ParseCapacity16(b []byte) (Capacity, error) {
	if len(b) < 16 {
		return Capacity{}, fmt.Errorf("%w: %d bytes", ErrCapacity, len(b))
	}
	return Capacity{
		Last: binary.BigEndian.Uint64(b), BlockSize: binary.BigEndian.Uint32(b[8:]),
		Basis: b[12] >> 4 & 3, ProtectionType: b[12] >> 1 & 7, Protected: b[12]&0x01 != 0,
		Intervals: b[13] >> 4, PhysicalBlock: b[13] & 0xf, Thin: b[14]&0x80 != 0, ReadZeros: b[14]&0x40 != 0,
		LowestAligned: binary.BigEndian.Uint16(b[14:]) & 0x3fff,
	}, nil
}
