package page

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/scsi"
)

// Lengths of READ ELEMENT STATUS data (SMC-3 6.11). An ElementDescriptorLen is that of a descriptor without volume tag and
// identifier, which has a header all the same.
const (
	ElementHeaderLen     = 8
	ElementPageHeaderLen = 8
	ElementDescriptorLen = 16
	VolumeTagLen         = 36
)

// Bits of byte 2 of an element descriptor.
const (
	ElementFull     = 0x01
	ElementImported = 0x02 // IMPEXP: put there by an operator
	ElementProblem  = 0x04 // EXCEPT
	ElementAccess   = 0x08
	ElementExports  = 0x10 // EXENAB
	ElementImports  = 0x20 // INENAB
)

// Medium types of an element descriptor.
const (
	MediumUnknown  = 0
	MediumData     = 1
	MediumCleaning = 2
	MediumWORM     = 4
)

// An ElementHeader is what READ ELEMENT STATUS data begins with.
type ElementHeader struct {
	First  uint16 // address of the first element that is reported
	Count  uint16
	Action uint8  // of REQUEST VOLUME ELEMENT ADDRESS: the SEND ACTION CODE
	Bytes  uint32 // behind the header, 24 bits
}

// Append appends the header.
func (h ElementHeader) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, h.First)
	dst = binary.BigEndian.AppendUint16(dst, h.Count)
	return append(dst, h.Action&0x1f, byte(h.Bytes>>16), byte(h.Bytes>>8), byte(h.Bytes))
}

// An ElementPage is the header of element descriptors of one type.
type ElementPage struct {
	Type   uint8
	Tags   bool   // PVOLTAG
	Length uint16 // of each descriptor
	Bytes  uint32 // of all of them, 24 bits
}

// Append appends the header.
func (p ElementPage) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, p.Type, flag(p.Tags, 0x80)), p.Length)
	return append(dst, 0, byte(p.Bytes>>16), byte(p.Bytes>>8), byte(p.Bytes))
}

// An ElementDescriptor is what is said of an element.
type ElementDescriptor struct {
	Address     uint16
	Flags       byte
	Problem     scsi.ASC
	Disabled    bool // ED
	Medium      uint8
	Source      uint16
	SourceValid bool
	Tag         string     // primary volume tag, cut to 32 characters
	Identifier  Designator // of a drive; without data there is none
}

// Append appends the descriptor, with a volume tag if tags is set, and zeros behind it up to length, if that is more.
func (d ElementDescriptor) Append(dst []byte, tags bool, length int) []byte {
	from := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, d.Address)
	dst = append(dst, d.Flags, 0, d.Problem.Code(), d.Problem.Qualifier(), 0, 0, 0,
		flag(d.SourceValid, 0x80)|flag(d.Disabled, 0x08)|d.Medium&7)
	dst = binary.BigEndian.AppendUint16(dst, d.Source)
	if tags {
		if d.Tag == "" {
			dst = appendZeros(dst, VolumeTagLen)
		} else {
			dst = append(appendPadded(dst, d.Tag, 32), 0, 0, 0, 0)
		}
	}
	if len(d.Identifier.Data) > 0 {
		dst = d.Identifier.Append(dst)
	} else {
		dst = append(dst, 0, 0, 0, 0)
	}
	return appendZeros(dst, max(from+length-len(dst), 0))
}

// An ElementStatus is READ ELEMENT STATUS data, as [ParseElementStatus] reads it.
type ElementStatus struct {
	Header   ElementHeader
	Elements []ElementOf
}

// An ElementOf is an element descriptor with its type.
type ElementOf struct {
	Type uint8
	ElementDescriptor
}

// ErrElementStatus is wrapped by every error of [ParseElementStatus].
var ErrElementStatus = errors.New("malformed READ ELEMENT STATUS data")

// ParseElementStatus reads READ ELEMENT STATUS data, all of whose lengths must be right: for initiators and tests.
func ParseElementStatus(b []byte) (ElementStatus, error) {
	if len(b) < ElementHeaderLen {
		return ElementStatus{}, fmt.Errorf("%w: %d bytes", ErrElementStatus, len(b))
	}
	s := ElementStatus{Header: ElementHeader{
		First: binary.BigEndian.Uint16(b), Count: binary.BigEndian.Uint16(b[2:]), Action: b[4] & 0x1f, Bytes: binary.BigEndian.Uint32(b[4:]) & 0xffffff,
	}}
	rest := b[ElementHeaderLen:]
	if len(rest) != int(s.Header.Bytes) {
		return ElementStatus{}, fmt.Errorf("%w: %d bytes behind the header, which says %d", ErrElementStatus, len(rest), s.Header.Bytes)
	}
	for len(rest) > 0 {
		if len(rest) < ElementPageHeaderLen {
			return ElementStatus{}, fmt.Errorf("%w: %d bytes are left over", ErrElementStatus, len(rest))
		}
		p := ElementPage{Type: rest[0], Tags: rest[1]&0x80 != 0, Length: binary.BigEndian.Uint16(rest[2:]), Bytes: binary.BigEndian.Uint32(rest[4:]) & 0xffffff}
		rest = rest[ElementPageHeaderLen:]
		n, size := int(p.Bytes), int(p.Length)
		least := ElementDescriptorLen
		if p.Tags {
			least += VolumeTagLen
		}
		if size < least || n > len(rest) || n%size != 0 {
			return ElementStatus{}, fmt.Errorf("%w: a page of %d bytes with descriptors of %d", ErrElementStatus, n, size)
		}
		for ; n > 0; n -= size {
			e, err := parseElement(rest[:size], p)
			if err != nil {
				return ElementStatus{}, err
			}
			s.Elements, rest = append(s.Elements, e), rest[size:]
		}
	}
	if len(s.Elements) != int(s.Header.Count) {
		return ElementStatus{}, fmt.Errorf("%w: %d elements, and the header says %d", ErrElementStatus, len(s.Elements), s.Header.Count)
	}
	return s, nil
}

// parseElement reads a descriptor of the length that its page says, which is long enough.
func parseElement(b []byte, p ElementPage) (ElementOf, error) {
	e := ElementOf{Type: p.Type, ElementDescriptor: ElementDescriptor{
		Address: binary.BigEndian.Uint16(b), Flags: b[2], Problem: scsi.ASC(binary.BigEndian.Uint16(b[4:])),
		SourceValid: b[9]&0x80 != 0, Disabled: b[9]&0x08 != 0, Medium: b[9] & 7, Source: binary.BigEndian.Uint16(b[10:]),
	}}
	b = b[12:]
	if p.Tags {
		e.Tag = strings.TrimRight(string(b[:32]), " \x00")
		b = b[VolumeTagLen:]
	}
	d, _, err := ParseDesignator(b)
	if err != nil {
		return ElementOf{}, fmt.Errorf("%w: %w", ErrElementStatus, err)
	}
	if len(d.Data) > 0 {
		e.Identifier = d
	}
	return e, nil
}
