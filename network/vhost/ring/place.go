package ring

import (
	"encoding/binary"
	"fmt"
)

// MaxSize is the most entries that a ring may have (virtio 1.3, 2.7 and 2.8).
const MaxSize = 32768

// Bytes is how many bytes of memory the parts of a ring of size entries take (virtio 1.3, 2.7 and 2.8), in the order of Place.
func Bytes(size int, packed bool) (desc, avail, used int) {
	if packed {
		return descriptorSize * size, 4, 4
	}
	return descriptorSize * size, 6 + 2*size, 6 + 8*size
}

// check refuses a ring that is not where a ring may be.
func (p *Place) check(packed bool) error {
	switch {
	case p.Size < 1 || p.Size > MaxSize:
		return fmt.Errorf("ring: %d entries: there can be 1 to %d", p.Size, MaxSize)
	case !packed && p.Size&(p.Size-1) != 0:
		return fmt.Errorf("ring: %d entries: it has to be a power of two", p.Size)
	}
	desc, avail, used := Bytes(p.Size, packed)
	align := uintptr(2) // of what is called avail
	if packed {
		align = 4
	}
	switch {
	case len(p.Desc) < desc || len(p.Avail) < avail || len(p.Used) < used:
		return fmt.Errorf("ring: parts of %d, %d and %d bytes: %d entries take %d, %d and %d", len(p.Desc), len(p.Avail), len(p.Used), p.Size, desc, avail, used)
	case !aligned(p.Desc, 16) || !aligned(p.Avail, align) || !aligned(p.Used, 4):
		return fmt.Errorf("ring: parts that are not aligned to 16, %d and 4 bytes", align)
	}
	return nil
}

// A descriptor is one piece of a request (virtio 1.3, 2.7.5 and 2.8.13), as it was read, once, from where the driver can change it.
//
//	split   addr u64, len u32, flags u16, next u16
//	packed  addr u64, len u32, id u16, flags u16
type descriptor struct {
	addr  uint64
	len   uint32
	flags uint16
	other uint16 // next or id
}

const descriptorSize = 16

// The flags of a descriptor.
const (
	flagNext     = 1 << 0
	flagWrite    = 1 << 1
	flagIndirect = 1 << 2
	flagAvail    = 1 << 7  // packed
	flagUsed     = 1 << 15 // packed
)

// parseSplit takes a descriptor of a split ring, or of an indirect table of one, from b, which nobody else changes.
func parseSplit(b []byte) descriptor {
	return descriptor{
		addr:  binary.LittleEndian.Uint64(b),
		len:   binary.LittleEndian.Uint32(b[8:]),
		flags: binary.LittleEndian.Uint16(b[12:]),
		other: binary.LittleEndian.Uint16(b[14:]),
	}
}

// put lays a descriptor of a split ring out.
func (d descriptor) put(b []byte) {
	binary.LittleEndian.PutUint64(b, d.addr)
	binary.LittleEndian.PutUint32(b[8:], d.len)
	binary.LittleEndian.PutUint16(b[12:], d.flags)
	binary.LittleEndian.PutUint16(b[14:], d.other)
}

// parsePacked is parseSplit for packed rings.
func parsePacked(b []byte) descriptor {
	d := parseSplit(b)
	d.flags, d.other = d.other, d.flags
	return d
}
