package page

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// InquiryLen is the length of standard INQUIRY data as built here.
const InquiryLen = 96

// Version descriptors (SPC-5 table 154).
const (
	DescriptorSAM5  = 0x00a0
	DescriptorSPC4  = 0x0460
	DescriptorSBC3  = 0x04c0
	DescriptorISCSI = 0x0960
)

// An Inquiry is standard INQUIRY data (SPC-5 6.7.2).
type Inquiry struct {
	Peripheral      Peripheral
	Removable       bool // RMB
	Conglomerate    bool // LU_CONG
	Version         scsi.Version
	NormalACA       bool  // NORMACA
	Hierarchical    bool  // HISUP: REPORT LUNS uses the LUN formats of SAM
	PortGroups      uint8 // TPGS: 0 none, 1 implicit, 2 explicit ALUA, 3 both
	ThirdPartyCopy  bool  // 3PC
	Protect         bool  // PROTECT
	EnclosureServer bool  // ENCSERV
	MultiPort       bool  // MULTIP
	CommandQueue    bool  // CMDQUE

	Vendor, Product, Revision string // cut to 8, 16 and 4 characters

	// Versions are at most eight version descriptors; more are left out.
	Versions []uint16
}

// Append appends the 96 bytes.
func (i Inquiry) Append(dst []byte) []byte {
	dst = append(dst,
		i.Peripheral.Byte(),
		flag(i.Removable, 0x80)|flag(i.Conglomerate, 0x40),
		byte(i.Version),
		0x02|flag(i.Hierarchical, 0x10)|flag(i.NormalACA, 0x20),
		InquiryLen-5,
		i.PortGroups&3<<4|flag(i.ThirdPartyCopy, 0x08)|flag(i.Protect, 0x01),
		flag(i.EnclosureServer, 0x40)|flag(i.MultiPort, 0x10),
		flag(i.CommandQueue, 0x02))
	dst = appendPadded(dst, i.Vendor, 8)
	dst = appendPadded(dst, i.Product, 16)
	dst = appendPadded(dst, i.Revision, 4)
	dst = appendZeros(dst, 22)
	for n := range 8 {
		var v uint16
		if n < len(i.Versions) {
			v = i.Versions[n]
		}
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return appendZeros(dst, 22)
}
