package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A Transfer is READ(6), READ REVERSE(6), WRITE(6) or RECOVER BUFFERED DATA of a sequential-access device (SSC-5).
type Transfer struct {
	Opcode scsi.Opcode
	Fixed  bool   // Length counts blocks
	SILI   bool   // suppress incorrect length indication; not of WRITE
	Order  bool   // BYTORD of READ REVERSE: the bytes of a block have the order that READ gives them
	Length uint32 // 24 bits
}

// ParseTransfer reads READ(6), READ REVERSE(6), WRITE(6) or RECOVER BUFFERED DATA.
func ParseTransfer(c []byte) (Transfer, error) {
	op := Opcode(c)
	switch op {
	case scsi.OpRead6, scsi.OpReadReverse6, scsi.OpWrite6, scsi.OpRecoverBufferedData:
	default:
		return Transfer{}, scsi.InvalidOpcode()
	}
	if err := need(c, 6); err != nil {
		return Transfer{}, err
	}
	return Transfer{
		Opcode: op, Fixed: c[1]&1 != 0, SILI: c[1]&2 != 0 && op != scsi.OpWrite6, Order: c[1]&4 != 0 && op == scsi.OpReadReverse6,
		Length: uint24(c[2:]),
	}, nil
}

// Append appends the CDB.
func (r Transfer) Append(dst []byte) []byte {
	flags := flag(r.SILI && r.Opcode != scsi.OpWrite6, 2) | flag(r.Order && r.Opcode == scsi.OpReadReverse6, 4) | flag(r.Fixed, 1)
	return append(dst, byte(r.Opcode), flags, byte(r.Length>>16), byte(r.Length>>8), byte(r.Length), 0)
}

// A Verify6 is VERIFY(6) (SSC-5).
type Verify6 struct {
	ToEnd       bool   // VTE: up to the end of data
	Protection  bool   // VLBPM: check the protection information of logical blocks
	ByFilemarks bool   // VBF: Length counts filemarks
	Fixed       bool   // Length counts blocks
	Length      uint32 // 24 bits
}

// ParseVerify6 reads VERIFY(6).
func ParseVerify6(c []byte) (Verify6, error) {
	if err := needOp(c, scsi.OpVerify6); err != nil {
		return Verify6{}, err
	}
	return Verify6{ToEnd: c[1]&0x20 != 0, Protection: c[1]&0x10 != 0, ByFilemarks: c[1]&0x08 != 0, Fixed: c[1]&0x01 != 0, Length: uint24(c[2:])}, nil
}

// Append appends the CDB.
func (v Verify6) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpVerify6), flag(v.ToEnd, 0x20)|flag(v.Protection, 0x10)|flag(v.ByFilemarks, 0x08)|flag(v.Fixed, 0x01),
		byte(v.Length>>16), byte(v.Length>>8), byte(v.Length), 0)
}

// A WriteFilemarks is WRITE FILEMARKS(6) (SSC-5).
type WriteFilemarks struct {
	Immed bool
	Count uint32 // 24 bits
}

// ParseWriteFilemarks reads WRITE FILEMARKS(6).
func ParseWriteFilemarks(c []byte) (WriteFilemarks, error) {
	if err := needOp(c, scsi.OpWriteFilemarks6); err != nil {
		return WriteFilemarks{}, err
	}
	return WriteFilemarks{Immed: c[1]&1 != 0, Count: uint24(c[2:])}, nil
}

// Append appends the CDB.
func (w WriteFilemarks) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpWriteFilemarks6), flag(w.Immed, 1), byte(w.Count>>16), byte(w.Count>>8), byte(w.Count), 0)
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

// An Erase is ERASE(6) (SSC-5).
type Erase struct {
	Immed bool
	Long  bool // to the end of the partition
}

// ParseErase reads ERASE(6).
func ParseErase(c []byte) (Erase, error) {
	if err := needOp(c, scsi.OpErase6); err != nil {
		return Erase{}, err
	}
	return Erase{Immed: c[1]&2 != 0, Long: c[1]&1 != 0}, nil
}

// Append appends the CDB.
func (e Erase) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpErase6), flag(e.Immed, 2)|flag(e.Long, 1), 0, 0, 0, 0)
}

// A FormatMedium is FORMAT MEDIUM (SSC-5).
type FormatMedium struct {
	Verify bool
	Immed  bool
	Format uint8  // 0 default, 1 partition, 2 default and partition
	Length uint16 // TRANSFER LENGTH
}

// ParseFormatMedium reads FORMAT MEDIUM.
func ParseFormatMedium(c []byte) (FormatMedium, error) {
	if err := needOp(c, scsi.OpFormatMedium); err != nil {
		return FormatMedium{}, err
	}
	return FormatMedium{Verify: c[1]&2 != 0, Immed: c[1]&1 != 0, Format: c[2] & 0xf, Length: binary.BigEndian.Uint16(c[3:])}, nil
}

// Append appends the CDB.
func (f FormatMedium) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpFormatMedium), flag(f.Verify, 2)|flag(f.Immed, 1), f.Format&0xf, byte(f.Length>>8), byte(f.Length), 0)
}

// A SetCapacity is SET CAPACITY (SSC-5).
type SetCapacity struct {
	Immed      bool
	Proportion uint16 // of the whole, in 65535ths
}

// ParseSetCapacity reads SET CAPACITY.
func ParseSetCapacity(c []byte) (SetCapacity, error) {
	if err := needOp(c, scsi.OpSetCapacity); err != nil {
		return SetCapacity{}, err
	}
	return SetCapacity{Immed: c[1]&1 != 0, Proportion: binary.BigEndian.Uint16(c[3:])}, nil
}

// Append appends the CDB.
func (s SetCapacity) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpSetCapacity), flag(s.Immed, 1), 0, byte(s.Proportion>>8), byte(s.Proportion), 0)
}
