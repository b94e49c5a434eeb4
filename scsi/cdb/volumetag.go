package cdb

import (
	"encoding/binary"
	"strings"

	"github.com/lunette-io/lunette/scsi"
)

// SEND ACTION CODEs of SEND VOLUME TAG (SMC-3 6.14) that search. Those with bit 2 set do not look at sequence numbers.
const (
	SearchAllTags        = 0x00
	SearchPrimaryTags    = 0x01
	SearchAlternateTags  = 0x02
	SearchAnySequence    = 0x04 // added to one of the above
	searchActions        = 0x06 // the last of them
	searchReservedAction = 0x03
)

// A SendVolumeTag is SEND VOLUME TAG (SMC-3 6.14).
type SendVolumeTag struct {
	Type   uint8  // element type code, 0 to 0Fh; 0 is all types
	Start  uint16 // element address
	Action uint8  // 0 to 1Fh
	Length uint16 // of the parameter list, bytes
}

// ParseSendVolumeTag reads SEND VOLUME TAG.
func ParseSendVolumeTag(c []byte) (SendVolumeTag, error) {
	if err := needOp(c, scsi.OpSendVolumeTag); err != nil {
		return SendVolumeTag{}, err
	}
	return SendVolumeTag{
		Type: c[1] & 0xf, Start: binary.BigEndian.Uint16(c[2:]), Action: c[5] & 0x1f, Length: binary.BigEndian.Uint16(c[8:]),
	}, nil
}

// Searches reports that the action is to search for volume tags.
func (s SendVolumeTag) Searches() bool {
	return s.Action <= searchActions && s.Action != searchReservedAction
}

// Append appends the CDB.
func (s SendVolumeTag) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(scsi.OpSendVolumeTag), s.Type&0xf), s.Start)
	dst = binary.BigEndian.AppendUint16(append(dst, 0, s.Action&0x1f, 0, 0), s.Length)
	return append(dst, 0, 0)
}

// A VolumeTagTemplate is the parameter list of SEND VOLUME TAG (SMC-3 6.14.2).
type VolumeTagTemplate struct {
	// Volume is the template, in which * is any number of characters and ? is one; what follows it, spaces and zeros, is cut off.
	Volume string
	// Min and Max are the sequence numbers that are looked for.
	Min, Max uint16
}

// VolumeTagTemplateLen is the length of the list.
const VolumeTagTemplateLen = 40

// ParseVolumeTagTemplate reads a parameter list of SEND VOLUME TAG. Its error is PARAMETER LIST LENGTH ERROR for a list of
// another length, or INVALID FIELD IN PARAMETER LIST for a template with characters that are not ASCII, or for an empty range.
func ParseVolumeTagTemplate(list []byte) (VolumeTagTemplate, error) {
	if len(list) != VolumeTagTemplateLen {
		return VolumeTagTemplate{}, scsi.ParameterListLengthError()
	}
	for i, b := range list[:32] {
		if b > 0x7e || b < 0x20 && b != 0 {
			return VolumeTagTemplate{}, scsi.InvalidFieldInParameterList(i, -1)
		}
	}
	t := VolumeTagTemplate{
		Volume: strings.TrimRight(string(list[:32]), " \x00"), Min: binary.BigEndian.Uint16(list[34:]), Max: binary.BigEndian.Uint16(list[38:]),
	}
	if t.Max < t.Min {
		return VolumeTagTemplate{}, scsi.InvalidFieldInParameterList(38, -1)
	}
	return t, nil
}

// Append appends the list. A Volume of more than 32 bytes is cut.
func (t VolumeTagTemplate) Append(dst []byte) []byte {
	volume := t.Volume[:min(len(t.Volume), 32)]
	dst = append(append(dst, volume...), strings.Repeat(" ", 32-len(volume))...)
	dst = binary.BigEndian.AppendUint16(append(dst, 0, 0), t.Min)
	return binary.BigEndian.AppendUint16(append(dst, 0, 0), t.Max)
}

// Matches reports that a volume tag with sequence number 0 is one of those that the template means. A tag that is not
// defined is none. It takes time for the product of the lengths at the most.
func (t VolumeTagTemplate) Matches(tag string) bool {
	if tag == "" {
		return false
	}
	// p and i are where template and tag are compared; star is the last *, and from where the tag is tried behind it.
	p, i, star, from := 0, 0, -1, 0
	for i < len(tag) {
		switch {
		case p < len(t.Volume) && t.Volume[p] == '*':
			star, from = p, i
			p++
		case p < len(t.Volume) && (t.Volume[p] == '?' || t.Volume[p] == tag[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(t.Volume[p:], "*") == ""
}
