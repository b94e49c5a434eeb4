package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// What SPACE counts.
const (
	SpaceBlocks              = 0
	SpaceFilemarks           = 1
	SpaceSequentialFilemarks = 2
	SpaceEndOfData           = 3
)

// A Space is SPACE(6) or SPACE(16) (SSC-5).
type Space struct {
	Opcode scsi.Opcode
	Code   uint8 // 0 to 15
	Count  int64 // less than 0: backwards; 24 bits in SPACE(6)
}

// ParseSpace reads SPACE(6) or SPACE(16).
func ParseSpace(c []byte) (Space, error) {
	switch op := Opcode(c); op {
	case scsi.OpSpace6:
		if err := need(c, 6); err != nil {
			return Space{}, err
		}
		return Space{Opcode: op, Code: c[1] & 0xf, Count: int64(int32(uint24(c[2:])<<8) >> 8)}, nil
	case scsi.OpSpace16:
		if err := need(c, 16); err != nil {
			return Space{}, err
		}
		return Space{Opcode: op, Code: c[1] & 0xf, Count: int64(binary.BigEndian.Uint64(c[4:]))}, nil
	}
	return Space{}, scsi.InvalidOpcode()
}

// Append appends the CDB.
func (s Space) Append(dst []byte) []byte {
	if s.Opcode == scsi.OpSpace6 {
		return append(dst, byte(s.Opcode), s.Code&0xf, byte(s.Count>>16), byte(s.Count>>8), byte(s.Count), 0)
	}
	dst = append(dst, byte(s.Opcode), s.Code&0xf, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Count))
	return append(dst, 0, 0, 0, 0)
}

// What the identifier of LOCATE(16) is.
const (
	LocateObject    = 0
	LocateFile      = 1
	LocateEndOfData = 3
)

// A Locate is LOCATE(10) or LOCATE(16) (SSC-5).
type Locate struct {
	Opcode     scsi.Opcode
	Immed      bool
	Change     bool   // CP: the partition counts
	Device     bool   // BT of LOCATE(10): the identifier is the device's own
	Explicit   bool   // BAM of LOCATE(16)
	Type       uint8  // DEST_TYPE of LOCATE(16), 0 to 7
	Partition  uint8  //
	Identifier uint64 // 32 bits in LOCATE(10)
}

// ParseLocate reads LOCATE(10) or LOCATE(16).
func ParseLocate(c []byte) (Locate, error) {
	switch op := Opcode(c); op {
	case scsi.OpLocate10:
		if err := need(c, 10); err != nil {
			return Locate{}, err
		}
		return Locate{
			Opcode: op, Immed: c[1]&1 != 0, Change: c[1]&2 != 0, Device: c[1]&4 != 0, Partition: c[8],
			Identifier: uint64(binary.BigEndian.Uint32(c[3:])),
		}, nil
	case scsi.OpLocate16:
		if err := need(c, 16); err != nil {
			return Locate{}, err
		}
		return Locate{
			Opcode: op, Immed: c[1]&1 != 0, Change: c[1]&2 != 0, Type: c[1] >> 3 & 7, Explicit: c[2]&1 != 0, Partition: c[3],
			Identifier: binary.BigEndian.Uint64(c[4:]),
		}, nil
	}
	return Locate{}, scsi.InvalidOpcode()
}

// Append appends the CDB.
func (l Locate) Append(dst []byte) []byte {
	if l.Opcode == scsi.OpLocate10 {
		dst = append(dst, byte(l.Opcode), flag(l.Immed, 1)|flag(l.Change, 2)|flag(l.Device, 4), 0)
		dst = binary.BigEndian.AppendUint32(dst, uint32(l.Identifier))
		return append(dst, 0, l.Partition, 0)
	}
	dst = append(dst, byte(l.Opcode), flag(l.Immed, 1)|flag(l.Change, 2)|l.Type&7<<3, flag(l.Explicit, 1), l.Partition)
	dst = binary.BigEndian.AppendUint64(dst, l.Identifier)
	return append(dst, 0, 0, 0, 0)
}

// Service actions of READ POSITION.
const (
	PositionShort    = 0x00
	PositionVendor   = 0x01 // short form, with numbers of the device's own
	PositionLong     = 0x06
	PositionExtended = 0x08
)

// A ReadPosition is READ POSITION (SSC-5).
type ReadPosition struct {
	Action     uint8 // 0 to 31
	Allocation uint16
}

// ParseReadPosition reads READ POSITION.
func ParseReadPosition(c []byte) (ReadPosition, error) {
	if err := needOp(c, scsi.OpReadPosition); err != nil {
		return ReadPosition{}, err
	}
	return ReadPosition{Action: c[1] & 0x1f, Allocation: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (r ReadPosition) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpReadPosition), r.Action&0x1f, 0, 0, 0, 0, 0, byte(r.Allocation>>8), byte(r.Allocation), 0)
}

// A Rewind is REWIND (SSC-5).
type Rewind struct{ Immed bool }

// ParseRewind reads REWIND.
func ParseRewind(c []byte) (Rewind, error) {
	if err := needOp(c, scsi.OpRewind); err != nil {
		return Rewind{}, err
	}
	return Rewind{Immed: c[1]&1 != 0}, nil
}

// Append appends the CDB.
func (r Rewind) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpRewind), flag(r.Immed, 1), 0, 0, 0, 0)
}

// A LoadUnload is LOAD UNLOAD (SSC-5).
type LoadUnload struct {
	Immed     bool
	Hold      bool
	AtEnd     bool // EOT: unload at the end of the medium
	Retension bool // RETEN
	Load      bool
}

// ParseLoadUnload reads LOAD UNLOAD.
func ParseLoadUnload(c []byte) (LoadUnload, error) {
	if err := needOp(c, scsi.OpLoadUnload); err != nil {
		return LoadUnload{}, err
	}
	return LoadUnload{Immed: c[1]&1 != 0, Hold: c[4]&8 != 0, AtEnd: c[4]&4 != 0, Retension: c[4]&2 != 0, Load: c[4]&1 != 0}, nil
}

// Append appends the CDB.
func (l LoadUnload) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpLoadUnload), flag(l.Immed, 1), 0, 0, flag(l.Hold, 8)|flag(l.AtEnd, 4)|flag(l.Retension, 2)|flag(l.Load, 1), 0)
}

// A ReadBlockLimits is READ BLOCK LIMITS (SSC-5).
type ReadBlockLimits struct{ MaxObject bool } // MLOI

// ParseReadBlockLimits reads READ BLOCK LIMITS.
func ParseReadBlockLimits(c []byte) (ReadBlockLimits, error) {
	if err := needOp(c, scsi.OpReadBlockLimits); err != nil {
		return ReadBlockLimits{}, err
	}
	return ReadBlockLimits{MaxObject: c[1]&1 != 0}, nil
}

// Append appends the CDB.
func (r ReadBlockLimits) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpReadBlockLimits), flag(r.MaxObject, 1), 0, 0, 0, 0)
}

// What ALLOW OVERWRITE allows.
const (
	OverwriteNothing = 0
	OverwriteHere    = 1
	OverwriteFormat  = 2
)

// An AllowOverwrite is ALLOW OVERWRITE (SSC-5).
type AllowOverwrite struct {
	Allow     uint8 // 0 to 15
	Partition uint8
	Object    uint64
}

// ParseAllowOverwrite reads ALLOW OVERWRITE.
func ParseAllowOverwrite(c []byte) (AllowOverwrite, error) {
	if err := needOp(c, scsi.OpAllowOverwrite); err != nil {
		return AllowOverwrite{}, err
	}
	return AllowOverwrite{Allow: c[2] & 0xf, Partition: c[3], Object: binary.BigEndian.Uint64(c[4:])}, nil
}

// Append appends the CDB.
func (a AllowOverwrite) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpAllowOverwrite), 0, a.Allow&0xf, a.Partition)
	dst = binary.BigEndian.AppendUint64(dst, a.Object)
	return append(dst, 0, 0, 0, 0)
}
