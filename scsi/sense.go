package scsi

import "fmt"

// A Sense is sense data (SPC-5 4.4) free of its format: it can be sent fixed or
// as descriptors. It is a small comparable value; the zero Sense is "no sense".
type Sense struct {
	Key SenseKey
	ASC ASC

	// Deferred says that the error belongs to an earlier command (response codes 71h, 73h).
	Deferred bool

	// Filemark, EOM and ILI are the stream and block flags of SPC-5 4.4.3.
	Filemark, EOM, ILI bool

	// InfoValid says that Info is meaningful: the LBA in error, the offset of a
	// miscompare in bytes, or a signed residue of a stream command as two's complement.
	InfoValid bool
	Info      uint64

	// CommandSpecific is the COMMAND-SPECIFIC INFORMATION field; 0 when there is none.
	CommandSpecific uint64

	// Field points at the wrong field of an ILLEGAL REQUEST; with another key it is not sent.
	Field FieldPointer

	// ProgressValid says that Progress counts the work done in 65536ths (SPC-5
	// 4.4.2.4.4). It is sent with NO SENSE and NOT READY only.
	ProgressValid bool
	Progress      uint16
}

// A FieldPointer names a byte, and perhaps a bit, of a CDB or of a parameter
// list (SPC-5 4.4.2.4.2).
type FieldPointer struct {
	Valid    bool
	InCDB    bool   // the byte is one of the CDB, not of the parameter list
	Byte     uint16 // offset of the first wrong byte
	BitValid bool
	Bit      uint8 // leftmost wrong bit, 7 to 0
}

var _ error = Sense{}

// IsZero reports that s says nothing: NO SENSE without code, flag or field.
func (s Sense) IsZero() bool { return s == Sense{} }

// Error returns key and code in words, so that a Sense can travel as an error.
func (s Sense) Error() string {
	text := fmt.Sprintf("%v: %v (%x/%02x/%02x)", s.Key, s.ASC, uint8(s.Key), s.ASC.Code(), s.ASC.Qualifier())
	if s.Field.Valid {
		where := "parameter list"
		if s.Field.InCDB {
			where = "CDB"
		}
		text += fmt.Sprintf(", %s byte %d", where, s.Field.Byte)
		if s.Field.BitValid {
			text += fmt.Sprintf(" bit %d", s.Field.Bit)
		}
	}
	if s.InfoValid {
		text += fmt.Sprintf(", information %#x", s.Info)
	}
	return text
}

// WithInfo returns s with a valid INFORMATION field.
func (s Sense) WithInfo(info uint64) Sense {
	s.InfoValid, s.Info = true, info
	return s
}

// AsDeferred returns s as a deferred error.
func (s Sense) AsDeferred() Sense {
	s.Deferred = true
	return s
}

// sks returns the SENSE KEY SPECIFIC field (SPC-5 4.4.2.4); zero without SKSV.
func (s Sense) sks() (b [3]byte) {
	switch {
	case s.Field.Valid && s.Key == KeyIllegalRequest:
		b[0] = 0x80
		if s.Field.InCDB {
			b[0] |= 0x40
		}
		if s.Field.BitValid {
			b[0] |= 0x08 | s.Field.Bit&7
		}
		b[1], b[2] = byte(s.Field.Byte>>8), byte(s.Field.Byte)
	case s.ProgressValid && (s.Key == KeyNoSense || s.Key == KeyNotReady):
		b[0], b[1], b[2] = 0x80, byte(s.Progress>>8), byte(s.Progress)
	}
	return b
}

// setSKS reads the SENSE KEY SPECIFIC field by the key of s.
func (s *Sense) setSKS(b []byte) {
	if b[0]&0x80 == 0 {
		return
	}
	n := uint16(b[1])<<8 | uint16(b[2])
	switch s.Key {
	case KeyIllegalRequest:
		s.Field = FieldPointer{Valid: true, InCDB: b[0]&0x40 != 0, Byte: n, BitValid: b[0]&0x08 != 0}
		if s.Field.BitValid {
			s.Field.Bit = b[0] & 7
		}
	case KeyNoSense, KeyNotReady:
		s.ProgressValid, s.Progress = true, n
	}
}
