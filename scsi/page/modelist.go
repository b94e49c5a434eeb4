package page

import (
	"encoding/binary"
	"iter"

	"github.com/lunette-io/lunette/scsi"
)

// A ModeHeader is a mode parameter header (SPC-5 7.5.5) without its lengths.
type ModeHeader struct {
	Medium uint8 // MEDIUM TYPE, 0 for disks
	Device uint8 // DEVICE-SPECIFIC PARAMETER: for disks ModeWriteProtected, ModeDPOFUA
}

// Bits of ModeHeader.Device for disks (SBC-4 6.5.1).
const (
	ModeWriteProtected = 0x80
	ModeDPOFUA         = 0x10 // the DPO and FUA bits of CDBs are obeyed
)

const (
	modeHeader6Len       = 4
	modeHeader10Len      = 8
	shortBlockDescriptor = 8
	longBlockDescriptor  = 16
)

// AppendMode6 appends MODE SENSE(6) data: header, block descriptors (or nil) and
// pages. A MODE DATA LENGTH above 255 reads 255: such data needs MODE SENSE(10).
func AppendMode6(dst []byte, h ModeHeader, descriptors, pages []byte) []byte {
	n := modeHeader6Len - 1 + len(descriptors) + len(pages)
	dst = append(dst, byte(min(n, 255)), h.Medium, h.Device, byte(len(descriptors)))
	return append(append(dst, descriptors...), pages...)
}

// AppendMode10 appends MODE SENSE(10) data; long says that the descriptors are long ones.
func AppendMode10(dst []byte, h ModeHeader, long bool, descriptors, pages []byte) []byte {
	n := modeHeader10Len - 2 + len(descriptors) + len(pages)
	dst = binary.BigEndian.AppendUint16(dst, uint16(min(n, 0xffff)))
	dst = append(dst, h.Medium, h.Device, flag(long, 0x01), 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(descriptors)))
	return append(append(dst, descriptors...), pages...)
}

// A BlockDescriptor is a mode parameter block descriptor of a disk (SBC-4 6.5.2).
type BlockDescriptor struct {
	Blocks    uint64
	BlockSize uint32 // bytes
}

// WithDensity is d of a medium with a DENSITY CODE: that is byte 0 of the short form, above a number of
// blocks of three bytes (SPC-5 7.5.6).
func (d BlockDescriptor) WithDensity(code byte) BlockDescriptor {
	d.Blocks = d.Blocks&0xffffff | uint64(code)<<24
	return d
}

// Density is the DENSITY CODE of d, which came in the short form.
func (d BlockDescriptor) Density() byte { return byte(d.Blocks >> 24) }

// Append appends the short form, 8 bytes. More blocks than fit read FFFFFFFFh.
func (d BlockDescriptor) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(d.Blocks, 0xffffffff)))
	return binary.BigEndian.AppendUint32(dst, d.BlockSize&0xffffff)
}

// AppendLong appends the long form, 16 bytes.
func (d BlockDescriptor) AppendLong(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, d.Blocks)
	return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 0), d.BlockSize)
}

// A ModeList is a checked MODE SELECT parameter list. It refers to the list it
// was read from and is good for as long as that is.
type ModeList struct {
	Header ModeHeader

	// HasBlock says that a block descriptor came along, at BlockOffset of the list.
	HasBlock    bool
	Block       BlockDescriptor
	BlockOffset int

	pages  []byte
	offset int
}

// A ModePage is one page of a MODE SELECT parameter list.
type ModePage struct {
	Code, Subpage uint8
	Data          []byte // the whole page with its header; belongs to the list
	Offset        int    // of the page in the list, for field pointers
}

// ParseModeSelect reads the parameter list of MODE SELECT(6), or of (10) if long
// headers are in use. An empty list has no pages. Its errors are a [scsi.Sense]:
// PARAMETER LIST LENGTH ERROR for a list that ends inside header, descriptor or
// page, INVALID FIELD IN PARAMETER LIST for more than one block descriptor.
func ParseModeSelect(list []byte, ten bool) (ModeList, error) {
	var l ModeList
	if len(list) == 0 {
		return l, nil
	}
	var long bool
	var n, header, lengthAt int
	if ten {
		if len(list) < modeHeader10Len {
			return ModeList{}, scsi.ParameterListLengthError()
		}
		l.Header = ModeHeader{list[2], list[3]}
		long, n = list[4]&0x01 != 0, int(binary.BigEndian.Uint16(list[6:]))
		header, lengthAt = modeHeader10Len, 6
	} else {
		if len(list) < modeHeader6Len {
			return ModeList{}, scsi.ParameterListLengthError()
		}
		l.Header = ModeHeader{list[1], list[2]}
		n, header, lengthAt = int(list[3]), modeHeader6Len, 3
	}
	size := shortBlockDescriptor
	if long {
		size = longBlockDescriptor
	}
	switch {
	case n > len(list)-header:
		return ModeList{}, scsi.ParameterListLengthError()
	case n != 0 && n != size:
		return ModeList{}, scsi.InvalidFieldInParameterList(lengthAt, -1)
	case n == shortBlockDescriptor:
		l.Block = BlockDescriptor{uint64(binary.BigEndian.Uint32(list[header:])), binary.BigEndian.Uint32(list[header+4:]) & 0xffffff}
	case n == longBlockDescriptor:
		l.Block = BlockDescriptor{binary.BigEndian.Uint64(list[header:]), binary.BigEndian.Uint32(list[header+12:])}
	}
	l.HasBlock, l.BlockOffset = n != 0, header
	l.pages, l.offset = list[header+n:], header+n
	if err := checkModePages(l.pages); err != nil {
		return ModeList{}, err
	}
	return l, nil
}

// ParseModePages reads mode pages that follow one another, with nothing before them: as MODE
// SENSE has them behind its header. Its error is PARAMETER LIST LENGTH ERROR.
func ParseModePages(pages []byte) (ModeList, error) {
	if err := checkModePages(pages); err != nil {
		return ModeList{}, err
	}
	return ModeList{pages: pages}, nil
}

func checkModePages(pages []byte) error {
	for at := 0; at < len(pages); {
		size, ok := modePageLen(pages[at:])
		if !ok {
			return scsi.ParameterListLengthError()
		}
		at += size
	}
	return nil
}

// ModePageLen returns the length that the mode page at the start of p claims, its header
// included: of a page, or of a subpage (SPF). It is 0 if p is shorter than that.
func ModePageLen(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	n, ok := modePageLen(p)
	if !ok {
		return 0
	}
	return n
}

// modePageLen returns the length of the page at the start of b, header included,
// and whether all of it is there.
func modePageLen(b []byte) (int, bool) {
	n := 2
	if b[0]&0x40 == 0 {
		if len(b) < n {
			return 0, false
		}
		n += int(b[1])
	} else {
		n = 4
		if len(b) < n {
			return 0, false
		}
		n += int(binary.BigEndian.Uint16(b[2:]))
	}
	return n, n <= len(b)
}

// Pages yields the pages in order.
func (l ModeList) Pages() iter.Seq[ModePage] {
	return func(yield func(ModePage) bool) {
		for at := 0; at < len(l.pages); {
			n, ok := modePageLen(l.pages[at:])
			if !ok {
				return
			}
			p := ModePage{Code: l.pages[at] & 0x3f, Data: l.pages[at : at+n : at+n], Offset: l.offset + at}
			if p.Data[0]&0x40 != 0 {
				p.Subpage = p.Data[1]
			}
			if !yield(p) {
				return
			}
			at += n
		}
	}
}

// CheckChangeable compares p with the current page and the mask of its
// changeable bits, both whole pages as long as p must be. It returns nil or the
// INVALID FIELD IN PARAMETER LIST that points at the first bit, or length, that
// must not differ. The PS bit does not count, which initiators leave 0 or send back.
func (p ModePage) CheckChangeable(current, mask []byte) error {
	if len(p.Data) != len(current) || len(mask) != len(current) {
		return scsi.InvalidFieldInParameterList(p.Offset+1+int(p.Data[0]>>6&1), -1)
	}
	for i, b := range p.Data {
		diff := (b ^ current[i])
		if i == 0 {
			diff &= 0x7f
		} else if i > 3 || i > 1 && p.Data[0]&0x40 == 0 {
			diff &^= mask[i]
		}
		if diff != 0 {
			return scsi.InvalidFieldInParameterList(p.Offset+i, topBit(diff))
		}
	}
	return nil
}

// topBit returns the number of the leftmost one in b, which is not 0.
func topBit(b byte) int {
	n := 7
	for b&0x80 == 0 {
		b <<= 1
		n--
	}
	return n
}
