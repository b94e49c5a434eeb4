package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A SendDiagnostic is SEND DIAGNOSTIC (SPC-5 6.42).
type SendDiagnostic struct {
	Code          uint8 // SELF-TEST CODE, 0 to 7
	PF            bool  // the list is one diagnostic page
	SelfTest      bool  // run the default self-test
	DeviceOffline bool  // the test may disturb the target's other logical units
	UnitOffline   bool  // the test may disturb this logical unit
	Length        uint16
}

// ParseSendDiagnostic reads SEND DIAGNOSTIC.
func ParseSendDiagnostic(c []byte) (SendDiagnostic, error) {
	if err := needOp(c, scsi.OpSendDiagnostic); err != nil {
		return SendDiagnostic{}, err
	}
	return SendDiagnostic{
		Code: c[1] >> 5, PF: c[1]&0x10 != 0, SelfTest: c[1]&0x04 != 0,
		DeviceOffline: c[1]&0x02 != 0, UnitOffline: c[1]&0x01 != 0, Length: binary.BigEndian.Uint16(c[3:]),
	}, nil
}

// Append appends the CDB.
func (s SendDiagnostic) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpSendDiagnostic), s.Code<<5|flag(s.PF, 0x10)|flag(s.SelfTest, 0x04)|
		flag(s.DeviceOffline, 0x02)|flag(s.UnitOffline, 0x01), 0)
	return append(binary.BigEndian.AppendUint16(dst, s.Length), 0)
}

// A ReceiveDiagnostic is RECEIVE DIAGNOSTIC RESULTS (SPC-5 6.27).
type ReceiveDiagnostic struct {
	PCV        bool // Page is a page that is asked for
	Page       uint8
	Allocation uint16
}

// ParseReceiveDiagnostic reads RECEIVE DIAGNOSTIC RESULTS.
func ParseReceiveDiagnostic(c []byte) (ReceiveDiagnostic, error) {
	if err := needOp(c, scsi.OpReceiveDiagnostic); err != nil {
		return ReceiveDiagnostic{}, err
	}
	return ReceiveDiagnostic{PCV: c[1]&0x01 != 0, Page: c[2], Allocation: binary.BigEndian.Uint16(c[3:])}, nil
}

// Append appends the CDB.
func (r ReceiveDiagnostic) Append(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint16(append(dst, byte(scsi.OpReceiveDiagnostic), flag(r.PCV, 0x01), r.Page), r.Allocation), 0)
}
