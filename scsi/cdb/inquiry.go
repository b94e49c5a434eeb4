package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// An Inquiry is INQUIRY (SPC-5 6.7).
type Inquiry struct {
	VPD        bool   // EVPD: Page is a vital product data page
	Page       uint8  // must be 0 without VPD
	CmdDT      bool   // obsolete, must be false
	Allocation uint16 // bytes
}

// ParseInquiry reads INQUIRY.
func ParseInquiry(c []byte) (Inquiry, error) {
	if err := needOp(c, scsi.OpInquiry); err != nil {
		return Inquiry{}, err
	}
	return Inquiry{
		VPD: c[1]&0x01 != 0, CmdDT: c[1]&0x02 != 0, Page: c[2], Allocation: binary.BigEndian.Uint16(c[3:]),
	}, nil
}

// Append appends the CDB.
func (i Inquiry) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpInquiry), flag(i.VPD, 0x01)|flag(i.CmdDT, 0x02), i.Page)
	return append(binary.BigEndian.AppendUint16(dst, i.Allocation), 0)
}
