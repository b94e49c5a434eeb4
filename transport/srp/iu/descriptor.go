package iu

import (
	"encoding/binary"
	"fmt"
)

// A Format is a data buffer descriptor format in a command (SRP 5.4.2.1).
type Format uint8

// Formats.
const (
	None      Format = 0
	Direct    Format = 1
	Indirect  Format = 2
	Immediate Format = 3 // SRP-2, data-out only
)

// Lengths of descriptors.
const (
	DescriptorLen          = 16
	indirectHeaderLen      = 20
	immediateDescriptorLen = 4
)

// A Descriptor is a memory descriptor (SRP 5.4.2.3): a part of the initiator's memory.
type Descriptor struct {
	Addr uint64
	Key  uint32
	Len  uint32
}

// DescriptorAt reads descriptor i of a list of them.
func DescriptorAt(list []byte, i int) Descriptor {
	b := list[i*DescriptorLen : i*DescriptorLen+DescriptorLen]
	return Descriptor{
		Addr: binary.BigEndian.Uint64(b),
		Key:  binary.BigEndian.Uint32(b[8:]),
		Len:  binary.BigEndian.Uint32(b[12:]),
	}
}

// Append appends the descriptor.
func (d Descriptor) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, d.Addr)
	dst = binary.BigEndian.AppendUint32(dst, d.Key)
	return binary.BigEndian.AppendUint32(dst, d.Len)
}

// A Buffer is the descriptor of one data buffer of a command (SRP 5.4.2). What its slices refer
// to is the IU that it was read from.
type Buffer struct {
	Format Format
	// List has descriptors as they are on the wire: the one of a direct descriptor, or those of an
	// indirect one that are in the command.
	List []byte
	// Table is where the whole list of an indirect descriptor is.
	Table Descriptor
	// Len is the length of the buffer: of an indirect one what its header says.
	Len uint32
	// Data is immediate data.
	Data []byte
}

// Entries is how many descriptors the whole list has.
func (x *Buffer) Entries() int {
	if x.Format == Indirect {
		return int(x.Table.Len / DescriptorLen)
	}
	return len(x.List) / DescriptorLen
}

// External reports that the list is not in the command as a whole: it must be fetched.
func (x *Buffer) External() bool { return x.Entries() > len(x.List)/DescriptorLen }

// parseBuffer reads a descriptor of the format at the start of b; count is that of the command, and
// wrong is the fault of a table. It returns how long the descriptor is.
func parseBuffer(b []byte, f Format, count uint8, wrong Fault) (x Buffer, n int, err error) {
	short := func(want int) error {
		return &Error{OpCommand, TooShort, fmt.Sprintf("%d bytes for a descriptor of %d", len(b), want)}
	}
	x.Format = f
	switch f {
	case None:
		return x, 0, nil
	case Direct:
		if len(b) < DescriptorLen {
			return x, 0, short(DescriptorLen)
		}
		x.List = b[:DescriptorLen]
		x.Len = DescriptorAt(x.List, 0).Len
		return x, DescriptorLen, nil
	case Indirect:
		n = indirectHeaderLen + int(count)*DescriptorLen
		if len(b) < n {
			return x, 0, short(n)
		}
		x.Table = DescriptorAt(b, 0)
		x.Len = binary.BigEndian.Uint32(b[DescriptorLen:])
		x.List = b[indirectHeaderLen:n]
		switch {
		case x.Table.Len%DescriptorLen != 0:
			err = &Error{OpCommand, wrong, fmt.Sprintf("a descriptor table of %d bytes", x.Table.Len)}
		case x.Entries() < int(count):
			err = &Error{OpCommand, wrong, fmt.Sprintf("%d of %d descriptors in the command", count, x.Entries())}
		}
		return x, n, err
	case Immediate:
		if len(b) < immediateDescriptorLen {
			return x, 0, short(immediateDescriptorLen)
		}
		x.Len = binary.BigEndian.Uint32(b)
		return x, immediateDescriptorLen, nil
	}
	return x, 0, &Error{OpCommand, Invalid, fmt.Sprintf("data buffer descriptor format %d", f)}
}

// appendTo appends the descriptor.
func (x *Buffer) appendTo(dst []byte) []byte {
	switch x.Format {
	case Direct:
		return append(dst, x.List...)
	case Indirect:
		dst = x.Table.Append(dst)
		dst = binary.BigEndian.AppendUint32(dst, x.Len)
		return append(dst, x.List...)
	case Immediate:
		return binary.BigEndian.AppendUint32(dst, x.Len)
	}
	return dst
}

// count is the descriptor count of the command.
func (x *Buffer) count() byte {
	if x.Format == Indirect {
		return byte(len(x.List) / DescriptorLen)
	}
	return 0
}
