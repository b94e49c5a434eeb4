package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A PageControl is the PC field of MODE SENSE and LOG SENSE.
type PageControl uint8

// Page controls of MODE SENSE (SPC-5 6.13.1).
const (
	PageCurrent    PageControl = 0
	PageChangeable PageControl = 1
	PageDefault    PageControl = 2
	PageSaved      PageControl = 3
)

// Page codes that ask for many pages (SPC-5 6.13).
const (
	AllPages    = 0x3f
	AllSubpages = 0xff
)

// A ModeSense is MODE SENSE of 6 or 10 bytes (SPC-5 6.13, 6.14).
type ModeSense struct {
	Opcode     scsi.Opcode
	DBD        bool // no block descriptors
	LongLBA    bool // LLBAA, 10 bytes only: block descriptors may be long
	Control    PageControl
	Page       uint8 // 0 to 3Fh
	Subpage    uint8
	Allocation uint16 // bytes
}

// ParseModeSense reads MODE SENSE of either length.
func ParseModeSense(c []byte) (ModeSense, error) {
	op := Opcode(c)
	if op != scsi.OpModeSense6 && op != scsi.OpModeSense10 {
		return ModeSense{}, scsi.InvalidOpcode()
	}
	if err := need(c, Length(op)); err != nil {
		return ModeSense{}, err
	}
	m := ModeSense{
		Opcode: op, DBD: c[1]&0x08 != 0, Control: PageControl(c[2] >> 6), Page: c[2] & 0x3f, Subpage: c[3],
	}
	if op == scsi.OpModeSense6 {
		m.Allocation = uint16(c[4])
	} else {
		m.LongLBA = c[1]&0x10 != 0
		m.Allocation = binary.BigEndian.Uint16(c[7:])
	}
	return m, nil
}

// Append appends the CDB.
func (m ModeSense) Append(dst []byte) []byte {
	long := m.Opcode == scsi.OpModeSense10
	dst = append(dst, byte(m.Opcode), flag(m.DBD, 0x08)|flag(long && m.LongLBA, 0x10),
		byte(m.Control)<<6|m.Page&0x3f, m.Subpage)
	if !long {
		return append(dst, byte(m.Allocation), 0)
	}
	return append(binary.BigEndian.AppendUint16(append(dst, 0, 0, 0), m.Allocation), 0)
}

// A ModeSelect is MODE SELECT of 6 or 10 bytes (SPC-5 6.11, 6.12).
type ModeSelect struct {
	Opcode scsi.Opcode
	PF     bool   // the list holds pages as the standard has them
	Revert bool   // RTD: go back to the default values
	Save   bool   // SP: save the pages
	Length uint16 // of the parameter list, bytes; 0 changes nothing and is no error
}

// ParseModeSelect reads MODE SELECT of either length.
func ParseModeSelect(c []byte) (ModeSelect, error) {
	op := Opcode(c)
	if op != scsi.OpModeSelect6 && op != scsi.OpModeSelect10 {
		return ModeSelect{}, scsi.InvalidOpcode()
	}
	if err := need(c, Length(op)); err != nil {
		return ModeSelect{}, err
	}
	m := ModeSelect{Opcode: op, PF: c[1]&0x10 != 0, Revert: c[1]&0x02 != 0, Save: c[1]&0x01 != 0}
	if op == scsi.OpModeSelect6 {
		m.Length = uint16(c[4])
	} else {
		m.Length = binary.BigEndian.Uint16(c[7:])
	}
	return m, nil
}

// Append appends the CDB.
func (m ModeSelect) Append(dst []byte) []byte {
	dst = append(dst, byte(m.Opcode), flag(m.PF, 0x10)|flag(m.Revert, 0x02)|flag(m.Save, 0x01), 0, 0)
	if m.Opcode != scsi.OpModeSelect10 {
		return append(dst, byte(m.Length), 0)
	}
	return append(binary.BigEndian.AppendUint16(append(dst, 0, 0, 0), m.Length), 0)
}
