package page

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// InquiryLen is the length of standard INQUIRY data as built here, if nothing else is asked for, and
// the most it can be.
const InquiryLen = 96

// Version descriptors (SPC-5 table 154).
const (
	DescriptorSAM5  = 0x00a0
	DescriptorSPC4  = 0x0460
	DescriptorSBC3  = 0x04c0
	DescriptorMMC6  = 0x04e0
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
	Barcodes        bool  // BARC of media changers (SMC-3 6.2.1): there is a reader of bar codes
	Changer         bool  // MCHNGR, of SPC-2: a medium changer is attached to the unit

	Vendor, Product, Revision string // cut to 8, 16 and 4 characters

	// Special are the vendor specific bytes from byte 36 on, 20 at most; more are left out.
	Special []byte
	// Versions are at most eight version descriptors; more are left out.
	Versions []uint16

	// Length is that of all the data, 36 to InquiryLen; 0 is InquiryLen. What lies behind it is left out.
	Length int
}

// special is the length of the vendor specific bytes.
const special = 20

// Append appends the data.
func (i Inquiry) Append(dst []byte) []byte {
	length := InquiryLen
	if i.Length != 0 {
		length = min(max(i.Length, 36), InquiryLen)
	}
	from := len(dst)
	dst = append(dst,
		i.Peripheral.Byte(),
		flag(i.Removable, 0x80)|flag(i.Conglomerate, 0x40),
		byte(i.Version),
		0x02|flag(i.Hierarchical, 0x10)|flag(i.NormalACA, 0x20),
		byte(length-5),
		i.PortGroups&3<<4|flag(i.ThirdPartyCopy, 0x08)|flag(i.Protect, 0x01),
		flag(i.EnclosureServer, 0x40)|flag(i.Barcodes, 0x20)|flag(i.MultiPort, 0x10)|flag(i.Changer, 0x08),
		flag(i.CommandQueue, 0x02))
	dst = appendPadded(dst, i.Vendor, 8)
	dst = appendPadded(dst, i.Product, 16)
	dst = appendPadded(dst, i.Revision, 4)
	own := i.Special[:min(len(i.Special), special)]
	dst = appendZeros(append(dst, own...), special-len(own)+2)
	for n := range 8 {
		var v uint16
		if n < len(i.Versions) {
			v = i.Versions[n]
		}
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return appendZeros(dst, 22)[:from+length]
}
