package page

import (
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/scsi"
)

// VPD page codes (SPC-5 7.7, SBC-4 6.6).
const (
	VPDSupported            = 0x00
	VPDUnitSerial           = 0x80
	VPDIdentification       = 0x83
	VPDExtendedInquiry      = 0x86
	VPDModePagePolicy       = 0x87
	VPDBlockLimits          = 0xb0
	VPDBlockCharacteristics = 0xb1
	VPDProvisioning         = 0xb2
)

// startVPD appends a page header whose length setLen16 fills in at the returned offset.
func startVPD(dst []byte, p Peripheral, code byte) ([]byte, int) {
	dst = append(dst, p.Byte(), code, 0, 0)
	return dst, len(dst) - 2
}

// AppendSupportedVPD appends page 00h, Supported VPD Pages (SPC-5 7.7.16), with
// the codes in ascending order, each once. List 00h itself too.
func AppendSupportedVPD(dst []byte, p Peripheral, codes ...byte) []byte {
	dst, at := startVPD(dst, p, VPDSupported)
	first := len(dst)
	dst = append(dst, codes...)
	slices.Sort(dst[first:])
	dst = dst[:first+len(slices.Compact(dst[first:]))]
	return setLen16(dst, at)
}

// AppendUnitSerial appends page 80h, Unit Serial Number (SPC-5 7.7.19).
func AppendUnitSerial(dst []byte, p Peripheral, serial string) []byte {
	dst, at := startVPD(dst, p, VPDUnitSerial)
	return setLen16(append(dst, serial...), at)
}

// An ExtendedInquiry is VPD page 86h, Extended INQUIRY Data (SPC-5 7.7.7).
type ExtendedInquiry struct {
	ActivateMicrocode       uint8 // 0 to 3
	ProtectionTypes         uint8 // SPT, 0 to 7
	GuardCheck              bool  // GRD_CHK
	ApplicationTagCheck     bool  // APP_CHK
	ReferenceTagCheck       bool  // REF_CHK
	UnitAttentionSenseKey   bool  // UASK_SUP
	Grouping                bool  // GROUP_SUP
	Priority                bool  // PRIOR_SUP
	HeadOfQueue             bool  // HEADSUP
	Ordered                 bool  // ORDSUP
	Simple                  bool  // SIMPSUP
	WriteUncorrectable      bool  // WU_SUP
	CorrectionDisable       bool  // CRD_SUP
	NonVolatileCache        bool  // NV_SUP
	VolatileCache           bool  // V_SUP
	ProtectionInterval      bool  // P_I_I_SUP
	UnitClear               bool  // LUICLR: I_T nexus unit attentions are cleared as SAM-5 says
	Referrals               bool  // R_SUP
	MultiNexusMicrocode     uint8 // 0 to 15
	ExtendedSelfTestMinutes uint16
	PowerOnActivation       bool  // POA_SUP
	HardResetActivation     bool  // HRA_SUP
	VendorActivation        bool  // VSA_SUP
	MaxSenseLength          uint8 // 0 when it is not told
}

// Append appends the page, 64 bytes.
func (e ExtendedInquiry) Append(dst []byte, p Peripheral) []byte {
	dst, at := startVPD(dst, p, VPDExtendedInquiry)
	dst = append(dst,
		e.ActivateMicrocode<<6|e.ProtectionTypes&7<<3|flag(e.GuardCheck, 0x04)|flag(e.ApplicationTagCheck, 0x02)|
			flag(e.ReferenceTagCheck, 0x01),
		flag(e.UnitAttentionSenseKey, 0x20)|flag(e.Grouping, 0x10)|flag(e.Priority, 0x08)|flag(e.HeadOfQueue, 0x04)|
			flag(e.Ordered, 0x02)|flag(e.Simple, 0x01),
		flag(e.WriteUncorrectable, 0x08)|flag(e.CorrectionDisable, 0x04)|flag(e.NonVolatileCache, 0x02)|
			flag(e.VolatileCache, 0x01),
		flag(e.ProtectionInterval, 0x10)|flag(e.UnitClear, 0x01),
		flag(e.Referrals, 0x10),
		e.MultiNexusMicrocode&0xf)
	dst = binary.BigEndian.AppendUint16(dst, e.ExtendedSelfTestMinutes)
	dst = append(dst,
		flag(e.PowerOnActivation, 0x80)|flag(e.HardResetActivation, 0x40)|flag(e.VendorActivation, 0x20),
		e.MaxSenseLength)
	return setLen16(appendZeros(dst, 50), at)
}

// A ModePolicy is one descriptor of VPD page 87h, Mode Page Policy (SPC-5 7.7.9).
type ModePolicy struct {
	Page, Subpage uint8 // 3Fh and FFh: all pages that have no descriptor of their own
	Policy        uint8 // PolicyShared, PolicyPerPort or PolicyPerNexus
	MultiUnit     bool  // MLUS: shared by several logical units
}

// Values of ModePolicy.Policy.
const (
	PolicyShared   = 0
	PolicyPerPort  = 1
	PolicyPerNexus = 3
)

// AppendModePolicies appends VPD page 87h.
func AppendModePolicies(dst []byte, p Peripheral, policies ...ModePolicy) []byte {
	dst, at := startVPD(dst, p, VPDModePagePolicy)
	for _, m := range policies {
		dst = append(dst, m.Page&0x3f, m.Subpage, flag(m.MultiUnit, 0x80)|m.Policy&3, 0)
	}
	return setLen16(dst, at)
}

// PeripheralOf returns a connected logical unit of type t.
func PeripheralOf(t scsi.PeripheralType) Peripheral { return Peripheral{scsi.Connected, t} }
