package scsi

import (
	"encoding/binary"
	"fmt"
)

// Sense data descriptor types (SPC-5 4.4.2.1).
const (
	descriptorInformation      = 0x00
	descriptorCommandSpecific  = 0x01
	descriptorSenseKeySpecific = 0x02
	descriptorStreamCommands   = 0x04
	descriptorBlockCommands    = 0x05
	descriptorSenseHeaderLen   = 8
)

// MaxSenseLen is the most that either Append method of [Sense] appends.
const MaxSenseLen = descriptorSenseHeaderLen + 12 + 12 + 8 + 4

// AppendDescriptor appends s in descriptor format (SPC-5 4.4.2): a header of
// eight bytes and only those descriptors that carry something.
func (s Sense) AppendDescriptor(dst []byte) []byte {
	start := len(dst)
	code := byte(0x72)
	if s.Deferred {
		code = 0x73
	}
	dst = append(dst, code, byte(s.Key&0xf), s.ASC.Code(), s.ASC.Qualifier(), 0, 0, 0, 0)
	if s.InfoValid {
		dst = append(dst, descriptorInformation, 0x0a, 0x80, 0)
		dst = binary.BigEndian.AppendUint64(dst, s.Info)
	}
	if s.CommandSpecific != 0 {
		dst = append(dst, descriptorCommandSpecific, 0x0a, 0, 0)
		dst = binary.BigEndian.AppendUint64(dst, s.CommandSpecific)
	}
	if sks := s.sks(); sks[0] != 0 {
		dst = append(dst, descriptorSenseKeySpecific, 0x06, 0, 0, sks[0], sks[1], sks[2], 0)
	}
	if s.Filemark || s.EOM || s.ILI {
		var flags byte
		if s.Filemark {
			flags |= 0x80
		}
		if s.EOM {
			flags |= 0x40
		}
		if s.ILI {
			flags |= 0x20
		}
		dst = append(dst, descriptorStreamCommands, 0x02, 0, flags)
	}
	dst[start+7] = byte(len(dst) - start - descriptorSenseHeaderLen)
	return dst
}

func parseDescriptorSense(b []byte) (Sense, error) {
	if len(b) < 4 {
		return Sense{}, fmt.Errorf("%w: %d bytes in descriptor format", ErrSense, len(b))
	}
	s := Sense{Key: SenseKey(b[1] & 0xf), ASC: ASC(b[2])<<8 | ASC(b[3]), Deferred: b[0]&0x7f == 0x73}
	if len(b) < descriptorSenseHeaderLen {
		return s, nil
	}
	stated := int(b[7])
	b = b[descriptorSenseHeaderLen:]
	if len(b) > stated {
		b = b[:stated]
	}
	for at := 0; at+2 <= stated; {
		if at+2 > len(b) {
			break // cut short
		}
		n := 2 + int(b[at+1])
		if at+n > stated {
			return Sense{}, fmt.Errorf("%w: descriptor %#02x of %d bytes overruns %d", ErrSense, b[at], n, stated)
		}
		if at+n > len(b) {
			break // cut short
		}
		s.addDescriptor(b[at : at+n])
		at += n
	}
	return s, nil
}

// addDescriptor reads one whole descriptor; unknown and too short ones say nothing.
func (s *Sense) addDescriptor(d []byte) {
	switch {
	case d[0] == descriptorInformation && len(d) >= 12 && d[2]&0x80 != 0:
		s.InfoValid, s.Info = true, binary.BigEndian.Uint64(d[4:])
	case d[0] == descriptorCommandSpecific && len(d) >= 12:
		s.CommandSpecific = binary.BigEndian.Uint64(d[4:])
	case d[0] == descriptorSenseKeySpecific && len(d) >= 7:
		s.setSKS(d[4:7])
	case d[0] == descriptorStreamCommands && len(d) >= 4:
		s.Filemark, s.EOM, s.ILI = d[3]&0x80 != 0, d[3]&0x40 != 0, d[3]&0x20 != 0
	case d[0] == descriptorBlockCommands && len(d) >= 4:
		s.ILI = d[3]&0x20 != 0
	}
}
