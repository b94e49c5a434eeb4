package page

// VPD pages of sequential-access devices (SSC-5 8.6).
const (
	VPDSequential        = 0xb0
	VPDMakerSerial       = 0xb1
	VPDTapeAlert         = 0xb2
	VPDAutomationSerial  = 0xb3
	VPDBlockProtection   = 0xb5
	protectionDescriptor = 8
)

// AppendSequential appends VPD page B0h, Sequential-Access Device Capabilities: worm says that WORM media can be used.
func AppendSequential(dst []byte, p Peripheral, worm bool) []byte {
	return AppendSpecificVPD(dst, p, VPDSequential, []byte{flag(worm, 0x01), 0})
}

// AppendTapeAlerts appends VPD page B2h, TapeAlert Supported Flags: flag 1 is the highest bit.
func AppendTapeAlerts(dst []byte, p Peripheral, flags uint64) []byte {
	var b []byte
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(flags>>shift))
	}
	return AppendSpecificVPD(dst, p, VPDTapeAlert, b)
}

// A ProtectionMethod is a method of logical block protection (SSC-5 4.2.29).
type ProtectionMethod uint8

// Methods.
const (
	ProtectionNone   ProtectionMethod = 0
	ProtectionRSCRC  ProtectionMethod = 1 // Reed-Solomon CRC of ECMA-319
	ProtectionCRC32C ProtectionMethod = 2
)

// AppendBlockProtection appends VPD page B5h, Logical Block Protection: the methods, each with 4 bytes, on WRITE and READ.
func AppendBlockProtection(dst []byte, p Peripheral, methods ...byte) []byte {
	var b []byte
	for _, m := range methods {
		b = appendZeros(append(b, protectionDescriptor-1, m, 4, 0xc0), 4)
	}
	return AppendSpecificVPD(dst, p, VPDBlockProtection, b)
}

// AppendSpecificVPD appends a VPD page whose body is b, such as one of a vendor.
func AppendSpecificVPD(dst []byte, p Peripheral, code byte, b []byte) []byte {
	dst, at := startVPD(dst, p, code)
	return setLen16(append(dst, b...), at)
}
