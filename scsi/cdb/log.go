package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Page controls of LOG SENSE and LOG SELECT (SPC-5 6.9).
const (
	LogThreshold         PageControl = 0
	LogCumulative        PageControl = 1
	LogDefaultThreshold  PageControl = 2
	LogDefaultCumulative PageControl = 3
)

// A LogSense is LOG SENSE (SPC-5 6.9).
type LogSense struct {
	Save       bool // SP
	Control    PageControl
	Page       uint8 // 0 to 3Fh
	Subpage    uint8
	Pointer    uint16 // first parameter code wanted
	Allocation uint16 // bytes
}

// ParseLogSense reads LOG SENSE.
func ParseLogSense(c []byte) (LogSense, error) {
	if err := needOp(c, scsi.OpLogSense); err != nil {
		return LogSense{}, err
	}
	return LogSense{
		Save: c[1]&0x01 != 0, Control: PageControl(c[2] >> 6), Page: c[2] & 0x3f, Subpage: c[3],
		Pointer: binary.BigEndian.Uint16(c[5:]), Allocation: binary.BigEndian.Uint16(c[7:]),
	}, nil
}

// Append appends the CDB.
func (l LogSense) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpLogSense), flag(l.Save, 0x01), byte(l.Control)<<6|l.Page&0x3f, l.Subpage, 0)
	dst = binary.BigEndian.AppendUint16(dst, l.Pointer)
	return append(binary.BigEndian.AppendUint16(dst, l.Allocation), 0)
}

// A LogSelect is LOG SELECT (SPC-5 6.8).
type LogSelect struct {
	Reset   bool // PCR: clear the counters; then Length must be 0
	Save    bool // SP
	Control PageControl
	Page    uint8 // 0 to 3Fh
	Subpage uint8
	Length  uint16 // of the parameter list, bytes
}

// ParseLogSelect reads LOG SELECT.
func ParseLogSelect(c []byte) (LogSelect, error) {
	if err := needOp(c, scsi.OpLogSelect); err != nil {
		return LogSelect{}, err
	}
	return LogSelect{
		Reset: c[1]&0x02 != 0, Save: c[1]&0x01 != 0, Control: PageControl(c[2] >> 6), Page: c[2] & 0x3f, Subpage: c[3],
		Length: binary.BigEndian.Uint16(c[7:]),
	}, nil
}

// Append appends the CDB.
func (l LogSelect) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpLogSelect), flag(l.Reset, 0x02)|flag(l.Save, 0x01),
		byte(l.Control)<<6|l.Page&0x3f, l.Subpage, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, l.Length), 0)
}
