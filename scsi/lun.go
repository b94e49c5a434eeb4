package scsi

import (
	"encoding/binary"
	"fmt"
)

// A LUN is the eight-byte logical unit number of SAM-5 4.7 as a big-endian
// number: its first byte on the wire is the most significant one.
type LUN uint64

// Well-known logical units (SAM-5 4.7.7.5.2, SPC-5 8).
const (
	WellKnownReportLUNs LUN = 0xc101 << 48
)

// MaxFlatLUN is the highest number [FlatLUN] can address.
const MaxFlatLUN = 1<<14 - 1

// FlatLUN returns the single-level LUN of number n in the form initiators expect:
// peripheral device addressing up to 255, flat space addressing up to 16383.
func FlatLUN(n uint32) (LUN, error) {
	switch {
	case n < 1<<8:
		return LUN(n) << 48, nil
	case n <= MaxFlatLUN:
		return LUN(0x4000|n) << 48, nil
	}
	return 0, fmt.Errorf("LUN %d is above %d", n, MaxFlatLUN)
}

// ParseLUN reads the first eight bytes of b. Every value is a LUN, though it may
// be one that [LUN.Index] cannot resolve; too few bytes are an error.
func ParseLUN(b []byte) (LUN, error) {
	if len(b) < 8 {
		return 0, fmt.Errorf("LUN of %d bytes, want 8", len(b))
	}
	return LUN(binary.BigEndian.Uint64(b)), nil
}

// Append appends the eight bytes of l.
func (l LUN) Append(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, uint64(l)) }

// Index returns the number of a single-level LUN, whichever of the formats it
// comes in: peripheral device (SAM-5 4.7.7.2) on bus 0, flat space (4.7.7.3), or
// extended flat space of three bytes (4.7.7.5.3). It is false for all others:
// several levels, other buses, logical unit addressing, well-known.
func (l LUN) Index() (uint32, bool) {
	switch first := uint16(l >> 48); {
	case l<<16 == 0 && first>>8 == 0:
		return uint32(first), true
	case l<<16 == 0 && first>>14 == 1:
		return uint32(first & 0x3fff), true
	case l<<32 == 0 && first>>8 == 0xd2:
		return uint32(l>>32) & 0xffffff, true
	}
	return 0, false
}

// Canonical returns the form [FlatLUN] gives to the same number, so that one
// logical unit addressed in several formats has one key; l itself when it has none.
func (l LUN) Canonical() LUN {
	if n, ok := l.Index(); ok && n <= MaxFlatLUN {
		l, _ = FlatLUN(n)
	}
	return l
}

// IsWellKnown reports the well-known logical unit format (SAM-5 4.7.7.5.2).
func (l LUN) IsWellKnown() bool { return l>>56 == 0xc1 }

// String returns the number of a single-level LUN in decimal, all others as 16 hex digits.
func (l LUN) String() string {
	if n, ok := l.Index(); ok {
		return fmt.Sprintf("%d", n)
	}
	return fmt.Sprintf("0x%016x", uint64(l))
}
