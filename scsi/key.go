package scsi

import "fmt"

// A SenseKey is the class of an error or exception (SPC-5 4.4.8); four bits.
type SenseKey uint8

// Sense keys of SPC-5 4.4.8.
const (
	KeyNoSense        SenseKey = 0x0
	KeyRecoveredError SenseKey = 0x1
	KeyNotReady       SenseKey = 0x2
	KeyMediumError    SenseKey = 0x3
	KeyHardwareError  SenseKey = 0x4
	KeyIllegalRequest SenseKey = 0x5
	KeyUnitAttention  SenseKey = 0x6
	KeyDataProtect    SenseKey = 0x7
	KeyBlankCheck     SenseKey = 0x8
	KeyVendorSpecific SenseKey = 0x9
	KeyCopyAborted    SenseKey = 0xa
	KeyAbortedCommand SenseKey = 0xb
	KeyVolumeOverflow SenseKey = 0xd
	KeyMiscompare     SenseKey = 0xe
	KeyCompleted      SenseKey = 0xf
)

// String returns the standard's name of k.
func (k SenseKey) String() string {
	switch k {
	case KeyNoSense:
		return "NO SENSE"
	case KeyRecoveredError:
		return "RECOVERED ERROR"
	case KeyNotReady:
		return "NOT READY"
	case KeyMediumError:
		return "MEDIUM ERROR"
	case KeyHardwareError:
		return "HARDWARE ERROR"
	case KeyIllegalRequest:
		return "ILLEGAL REQUEST"
	case KeyUnitAttention:
		return "UNIT ATTENTION"
	case KeyDataProtect:
		return "DATA PROTECT"
	case KeyBlankCheck:
		return "BLANK CHECK"
	case KeyVendorSpecific:
		return "VENDOR SPECIFIC"
	case KeyCopyAborted:
		return "COPY ABORTED"
	case KeyAbortedCommand:
		return "ABORTED COMMAND"
	case KeyVolumeOverflow:
		return "VOLUME OVERFLOW"
	case KeyMiscompare:
		return "MISCOMPARE"
	case KeyCompleted:
		return "COMPLETED"
	}
	return fmt.Sprintf("sense key %#x", uint8(k))
}
