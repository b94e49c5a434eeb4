package cdb

import (
	"encoding/binary"
	"iter"

	"github.com/lunette-io/lunette/scsi"
)

// An Unmap is UNMAP (SBC-4 5.32).
type Unmap struct {
	Anchor bool
	Group  uint8
	Length uint16 // of the parameter list, bytes; 0 unmaps nothing and is no error
}

// ParseUnmap reads UNMAP.
func ParseUnmap(c []byte) (Unmap, error) {
	if err := needOp(c, scsi.OpUnmap); err != nil {
		return Unmap{}, err
	}
	return Unmap{Anchor: c[1]&0x01 != 0, Group: c[6] & 0x3f, Length: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (u Unmap) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpUnmap), flag(u.Anchor, 0x01), 0, 0, 0, 0, u.Group&0x3f)
	return append(binary.BigEndian.AppendUint16(dst, u.Length), 0)
}

// An UnmapRange is one block descriptor of an UNMAP parameter list (SBC-4 5.32.2).
type UnmapRange struct {
	LBA    uint64
	Blocks uint32 // 0 is no error
}

// An UnmapList is a checked UNMAP parameter list. It refers to the list given to
// [ParseUnmapList] and is good for as long as that is.
type UnmapList struct{ descriptors []byte }

const (
	unmapHeaderLen     = 8
	unmapDescriptorLen = 16
)

// ParseUnmapList checks an UNMAP parameter list of the length in the CDB. An
// empty one has no ranges; one shorter than its header, or than its header says,
// is a PARAMETER LIST LENGTH ERROR. Descriptors cut at the end of UNMAP BLOCK
// DESCRIPTOR DATA LENGTH are ignored, as SBC-4 says.
func ParseUnmapList(list []byte) (UnmapList, error) {
	if len(list) == 0 {
		return UnmapList{}, nil
	}
	if len(list) < unmapHeaderLen {
		return UnmapList{}, scsi.ParameterListLengthError()
	}
	data, n := int(binary.BigEndian.Uint16(list)), int(binary.BigEndian.Uint16(list[2:]))
	switch {
	case n > len(list)-unmapHeaderLen:
		return UnmapList{}, scsi.ParameterListLengthError()
	case data < n+unmapHeaderLen-2:
		return UnmapList{}, scsi.InvalidFieldInParameterList(0, -1)
	}
	return UnmapList{list[unmapHeaderLen : unmapHeaderLen+n-n%unmapDescriptorLen]}, nil
}

// Len returns the number of ranges.
func (l UnmapList) Len() int { return len(l.descriptors) / unmapDescriptorLen }

// At returns range i, 0 ≤ i < Len.
func (l UnmapList) At(i int) UnmapRange {
	d := l.descriptors[i*unmapDescriptorLen:]
	return UnmapRange{LBA: binary.BigEndian.Uint64(d), Blocks: binary.BigEndian.Uint32(d[8:])}
}

// All yields the ranges in order with their numbers.
func (l UnmapList) All() iter.Seq2[int, UnmapRange] {
	return func(yield func(int, UnmapRange) bool) {
		for i := range l.Len() {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

// Offset returns where range i starts in the parameter list, for field pointers.
func (l UnmapList) Offset(i int) int { return unmapHeaderLen + i*unmapDescriptorLen }

// AppendUnmapList appends the parameter list for at most 4095 ranges.
func AppendUnmapList(dst []byte, ranges ...UnmapRange) []byte {
	n := len(ranges) * unmapDescriptorLen
	dst = binary.BigEndian.AppendUint16(dst, uint16(n+unmapHeaderLen-2))
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	dst = append(dst, 0, 0, 0, 0)
	for _, r := range ranges {
		dst = binary.BigEndian.AppendUint64(dst, r.LBA)
		dst = binary.BigEndian.AppendUint32(dst, r.Blocks)
		dst = append(dst, 0, 0, 0, 0)
	}
	return dst
}
