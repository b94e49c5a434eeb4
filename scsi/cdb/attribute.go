package cdb

import (
	"encoding/binary"
	"iter"

	"github.com/lunette-io/lunette/scsi"
)

// A ReadAttribute is READ ATTRIBUTE (SPC-5 6.20).
type ReadAttribute struct {
	Action     scsi.ServiceAction
	Element    uint16 // of a media changer
	Volume     uint8  // LOGICAL VOLUME NUMBER
	Partition  uint8
	First      uint16 // the first attribute that is wanted
	Allocation uint32 // bytes
	Cache      bool   // what was read before will do
}

// ParseReadAttribute reads READ ATTRIBUTE with any service action.
func ParseReadAttribute(c []byte) (ReadAttribute, error) {
	if err := needOp(c, scsi.OpReadAttribute); err != nil {
		return ReadAttribute{}, err
	}
	return ReadAttribute{
		Action: scsi.ServiceAction(c[1] & 0x1f), Element: binary.BigEndian.Uint16(c[2:]), Volume: c[5], Partition: c[7],
		First: binary.BigEndian.Uint16(c[8:]), Allocation: binary.BigEndian.Uint32(c[10:]), Cache: c[14]&1 != 0,
	}, nil
}

// Append appends the CDB.
func (r ReadAttribute) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(scsi.OpReadAttribute), byte(r.Action)&0x1f), r.Element)
	dst = binary.BigEndian.AppendUint16(append(dst, 0, r.Volume, 0, r.Partition), r.First)
	return append(binary.BigEndian.AppendUint32(dst, r.Allocation), flag(r.Cache, 1), 0)
}

// A WriteAttribute is WRITE ATTRIBUTE (SPC-5 6.44).
type WriteAttribute struct {
	Through   bool // WTC: what is written is on the medium when the command ends
	Volume    uint8
	Partition uint8
	Length    uint32 // of the parameter list, bytes
}

// ParseWriteAttribute reads WRITE ATTRIBUTE.
func ParseWriteAttribute(c []byte) (WriteAttribute, error) {
	if err := needOp(c, scsi.OpWriteAttribute); err != nil {
		return WriteAttribute{}, err
	}
	return WriteAttribute{Through: c[1]&1 != 0, Volume: c[5], Partition: c[7], Length: binary.BigEndian.Uint32(c[10:])}, nil
}

// Append appends the CDB.
func (w WriteAttribute) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpWriteAttribute), flag(w.Through, 1), 0, 0, 0, w.Volume, 0, w.Partition, 0, 0)
	return append(binary.BigEndian.AppendUint32(dst, w.Length), 0, 0)
}

// An Attribute is one of a medium auxiliary memory (SPC-5 7.4.1), as it is on the wire.
type Attribute struct {
	ID       uint16
	ReadOnly bool
	Format   uint8 // 0 binary, 1 ASCII, 2 text, 3 reserved
	Value    []byte
	Offset   int // of it in the list, for field pointers
}

// Formats of attributes.
const (
	AttributeBinary = 0
	AttributeASCII  = 1
	AttributeText   = 2
)

const attributeHeader = 5

// Append appends the attribute; a value longer than 65535 bytes is cut.
func (a Attribute) Append(dst []byte) []byte {
	value := a.Value[:min(len(a.Value), 0xffff)]
	dst = append(binary.BigEndian.AppendUint16(dst, a.ID), flag(a.ReadOnly, 0x80)|a.Format&3)
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(value))), value...)
}

// AppendAttributes appends a list of attributes with its header: the data of READ ATTRIBUTE and the parameter list of WRITE
// ATTRIBUTE.
func AppendAttributes(dst []byte, all ...Attribute) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, a := range all {
		dst = a.Append(dst)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// An AttributeList is a checked list of attributes. It refers to what it was read from.
type AttributeList struct{ list []byte }

// ParseAttributeList reads the parameter list of WRITE ATTRIBUTE. Its errors are a [scsi.Sense]: PARAMETER LIST LENGTH ERROR for
// one that ends inside its header or inside an attribute, INVALID FIELD IN PARAMETER LIST for a length that is not that of the
// list, and for attributes that are not in ascending order.
func ParseAttributeList(list []byte) (AttributeList, error) {
	if len(list) < 4 {
		return AttributeList{}, scsi.ParameterListLengthError()
	}
	if uint64(binary.BigEndian.Uint32(list)) != uint64(len(list)-4) {
		return AttributeList{}, scsi.InvalidFieldInParameterList(0, -1)
	}
	last := -1
	for at := 4; at < len(list); {
		if len(list)-at < attributeHeader || int(binary.BigEndian.Uint16(list[at+3:])) > len(list)-at-attributeHeader {
			return AttributeList{}, scsi.ParameterListLengthError()
		}
		id := int(binary.BigEndian.Uint16(list[at:]))
		if id <= last {
			return AttributeList{}, scsi.InvalidFieldInParameterList(at, -1)
		}
		last = id
		at += attributeHeader + int(binary.BigEndian.Uint16(list[at+3:]))
	}
	return AttributeList{list}, nil
}

// All yields the attributes in order; their values refer to the list.
func (l AttributeList) All() iter.Seq[Attribute] {
	return func(yield func(Attribute) bool) {
		for at := 4; at < len(l.list); {
			from := at + attributeHeader
			to := from + int(binary.BigEndian.Uint16(l.list[at+3:]))
			if !yield(Attribute{
				ID: binary.BigEndian.Uint16(l.list[at:]), ReadOnly: l.list[at+2]&0x80 != 0, Format: l.list[at+2] & 3,
				Value: l.list[from:to:to], Offset: at,
			}) {
				return
			}
			at = to
		}
	}
}
