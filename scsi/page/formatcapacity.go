package page

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What the current capacity of READ FORMAT CAPACITIES is of (DESCRIPTOR TYPE).
const (
	CapacityUnformatted = 1 // the most that the medium can have
	CapacityFormatted   = 2
	CapacityNoMedium    = 3 // the most that any medium can have
)

// Types of formats (MMC-6 table 484).
const (
	FormatFull      = 0x00
	FormatDVDPlusRW = 0x26
	FormatBDSpares  = 0x30 // BD-RE with spare areas
	FormatBDNone    = 0x31 // BD-RE without
)

// A FormatCapacity is a formattable capacity descriptor of READ FORMAT CAPACITIES (MMC-6 6.23.3.4).
type FormatCapacity struct {
	Blocks    uint32
	Type      uint8  // FORMAT TYPE, 6 bits
	Parameter uint32 // TYPE DEPENDENT PARAMETER, 24 bits: of type 00h the length of a block
}

// FormatCapacities is READ FORMAT CAPACITIES data (MMC-6 6.23.3).
type FormatCapacities struct {
	Blocks uint32 // of the current or largest capacity
	Kind   uint8  // DESCRIPTOR TYPE
	Block  uint32 // bytes, 24 bits
	All    []FormatCapacity
}

// Append appends the data. There is room for 30 formats; more are left out.
func (f FormatCapacities) Append(dst []byte) []byte {
	all := f.All[:min(len(f.All), 30)]
	dst = binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, byte(8+8*len(all))), f.Blocks)
	dst = append(dst, f.Kind&3, byte(f.Block>>16), byte(f.Block>>8), byte(f.Block))
	for _, c := range all {
		dst = binary.BigEndian.AppendUint32(dst, c.Blocks)
		dst = append(dst, c.Type<<2, byte(c.Parameter>>16), byte(c.Parameter>>8), byte(c.Parameter))
	}
	return dst
}

// ErrFormatCapacities is wrapped by every error of [ParseFormatCapacities].
var ErrFormatCapacities = errors.New("malformed READ FORMAT CAPACITIES data")

// ParseFormatCapacities reads READ FORMAT CAPACITIES data: for initiators and tests.
func ParseFormatCapacities(b []byte) (FormatCapacities, error) {
	if len(b) < 12 || int(b[3]) != len(b)-4 || len(b)%8 != 4 {
		return FormatCapacities{}, fmt.Errorf("%w: %d bytes", ErrFormatCapacities, len(b))
	}
	f := FormatCapacities{Blocks: binary.BigEndian.Uint32(b[4:]), Kind: b[8] & 3, Block: binary.BigEndian.Uint32(b[8:]) & 0xffffff}
	for b = b[12:]; len(b) > 0; b = b[8:] {
		f.All = append(f.All, FormatCapacity{binary.BigEndian.Uint32(b), b[4] >> 2, binary.BigEndian.Uint32(b[4:]) & 0xffffff})
	}
	return f, nil
}
