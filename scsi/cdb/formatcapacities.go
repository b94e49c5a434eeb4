package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A ReadFormatCapacities is READ FORMAT CAPACITIES (MMC-6 6.23).
type ReadFormatCapacities struct{ Allocation uint16 }

// ParseReadFormatCapacities reads READ FORMAT CAPACITIES.
func ParseReadFormatCapacities(c []byte) (ReadFormatCapacities, error) {
	if err := needOp(c, scsi.OpReadFormatCapacities); err != nil {
		return ReadFormatCapacities{}, err
	}
	return ReadFormatCapacities{binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (r ReadFormatCapacities) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReadFormatCapacities), 0, 0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, r.Allocation), 0)
}

// A FormatUnit is FORMAT UNIT of optical drives (MMC-6 6.5).
type FormatUnit struct {
	Data     bool  // FMTDATA: there is a parameter list
	Complete bool  // CMPLST
	Code     uint8 // FORMAT CODE, 0 to 7: 1 is the one of MMC
}

// ParseFormatUnit reads FORMAT UNIT.
func ParseFormatUnit(c []byte) (FormatUnit, error) {
	if err := needOp(c, scsi.OpFormatUnit); err != nil {
		return FormatUnit{}, err
	}
	return FormatUnit{Data: c[1]&0x10 != 0, Complete: c[1]&0x08 != 0, Code: c[1] & 7}, nil
}

// Append appends the CDB.
func (f FormatUnit) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpFormatUnit), flag(f.Data, 0x10)|flag(f.Complete, 0x08)|f.Code&7, 0, 0, 0, 0)
}

// FormatListLen is the length of the parameter list of FORMAT UNIT with one descriptor.
const FormatListLen = 12

// A FormatList is the parameter list of FORMAT UNIT (MMC-6 6.5.3): a header, and one descriptor of what to make.
type FormatList struct {
	Options   byte  // byte 1: FOV, DCRT and others; see the Format bits
	Type      uint8 // FORMAT TYPE, 6 bits
	SubType   uint8 // 2 bits
	Blocks    uint32
	Parameter uint32 // TYPE DEPENDENT PARAMETER, 24 bits
}

// Bits of FormatList.Options.
const (
	FormatOptionsValid = 0x80 // FOV: the bits below count
	FormatNoPrimary    = 0x40 // DPRY
	FormatNoCertify    = 0x20 // DCRT
	FormatStop         = 0x10 // STPF
	FormatTryOut       = 0x04
	FormatImmed        = 0x02
)

// ParseFormatList reads the parameter list.
func ParseFormatList(b []byte) (FormatList, error) {
	switch {
	case len(b) < FormatListLen:
		return FormatList{}, scsi.ParameterListLengthError()
	case binary.BigEndian.Uint16(b[2:]) != FormatListLen-4:
		return FormatList{}, scsi.InvalidFieldInParameterList(2, -1)
	}
	return FormatList{Options: b[1], Type: b[8] >> 2, SubType: b[8] & 3, Blocks: binary.BigEndian.Uint32(b[4:]), Parameter: uint24(b[9:])}, nil
}

// Append appends the list.
func (f FormatList) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, 0, f.Options, 0, FormatListLen-4), f.Blocks)
	return append(dst, f.Type<<2|f.SubType&3, byte(f.Parameter>>16), byte(f.Parameter>>8), byte(f.Parameter))
}
