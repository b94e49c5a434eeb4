package scsi

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// FixedSenseLen is the length of what [Sense.AppendFixed] appends.
const FixedSenseLen = 18

// ErrSense is wrapped by every error of [ParseSense].
var ErrSense = errors.New("malformed sense data")

// AppendFixed appends s in fixed format (SPC-5 4.4.3), 18 bytes. An information
// that does not fit its 32-bit field is left out with VALID clear, a
// command-specific information that does not fit reads 0.
func (s Sense) AppendFixed(dst []byte) []byte {
	var b [FixedSenseLen]byte
	b[0] = 0x70
	if s.Deferred {
		b[0] = 0x71
	}
	b[2] = byte(s.Key & 0xf)
	if s.Filemark {
		b[2] |= 0x80
	}
	if s.EOM {
		b[2] |= 0x40
	}
	if s.ILI {
		b[2] |= 0x20
	}
	if s.InfoValid && (s.Info <= 0xffffffff || s.signedInfo()) {
		b[0] |= 0x80
		binary.BigEndian.PutUint32(b[3:], uint32(s.Info))
	}
	b[7] = FixedSenseLen - 8
	if s.CommandSpecific <= 0xffffffff {
		binary.BigEndian.PutUint32(b[8:], uint32(s.CommandSpecific))
	}
	b[12], b[13] = s.ASC.Code(), s.ASC.Qualifier()
	sks := s.sks()
	copy(b[15:], sks[:])
	return append(dst, b[:]...)
}

// signedInfo reports a negative residue that fits 32 bits: a block of a tape
// longer than asked for (SSC-5 READ(6)), the only signed use of INFORMATION.
func (s Sense) signedInfo() bool {
	return s.ILI && int64(s.Info) < 0 && int64(s.Info) >= -1<<31
}

// ParseSense reads sense data of either format. Data that was cut short (by an
// allocation length) yields the fields that are there; an unknown response code,
// less than a key, or a descriptor that overruns the stated length is an error.
func ParseSense(b []byte) (Sense, error) {
	if len(b) == 0 {
		return Sense{}, fmt.Errorf("%w: empty", ErrSense)
	}
	switch b[0] & 0x7f {
	case 0x70, 0x71:
		return parseFixedSense(b)
	case 0x72, 0x73:
		return parseDescriptorSense(b)
	}
	return Sense{}, fmt.Errorf("%w: response code %#02x", ErrSense, b[0]&0x7f)
}

func parseFixedSense(b []byte) (Sense, error) {
	if len(b) < 3 {
		return Sense{}, fmt.Errorf("%w: %d bytes in fixed format", ErrSense, len(b))
	}
	if len(b) >= 8 && len(b) > 8+int(b[7]) {
		b = b[:8+int(b[7])]
	}
	// What was cut off reads as zero.
	var f [FixedSenseLen]byte
	copy(f[:], b)
	s := Sense{
		Key:             SenseKey(f[2] & 0xf),
		ASC:             ASC(f[12])<<8 | ASC(f[13]),
		Deferred:        f[0]&0x7f == 0x71,
		Filemark:        f[2]&0x80 != 0,
		EOM:             f[2]&0x40 != 0,
		ILI:             f[2]&0x20 != 0,
		CommandSpecific: uint64(binary.BigEndian.Uint32(f[8:])),
	}
	if f[0]&0x80 != 0 && len(b) >= 7 {
		s.InfoValid, s.Info = true, uint64(binary.BigEndian.Uint32(f[3:]))
		if s.ILI {
			s.Info = uint64(int64(int32(s.Info)))
		}
	}
	s.setSKS(f[15:18])
	return s, nil
}
