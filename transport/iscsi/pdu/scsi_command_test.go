package pdu

import "testing"

// READ(10) of 1 KiB at LBA 2, as in RFC 7143 appendix A.4 but with F.
const wireSCSICommand = "01c00000 00000000 00010000 00000000 14000000 00000400 00000000 00000000 28000000 00000200 00020000 00000000"

func TestSCSICommand(t *testing.T) {
	checkWire(t, ParseSCSICommand, SCSICommand{
		Final: true, Read: true, LUN: 0x0001000000000000, ITT: 0x14000000, ExpectedDataLength: 1024,
		CDB: [16]byte{0x28, 0, 0, 0, 0, 0, 2, 0, 0, 2},
	}, wireSCSICommand)
	checkWire(t, ParseSCSICommand, SCSICommand{
		Immediate: true, Read: true, Write: true, Attr: AttrACA, Priority: 15, ITT: 1, ExpectedDataLength: 512,
		CDB: [16]byte{0x7f, 15: 0xff},
	}, "4164f000 00000000 00000000 00000000 00000001 00000200 00000000 00000000 7f000000 00000000 00000000 000000ff")
}

func TestSCSICommandRefused(t *testing.T) {
	checkRefused(t, ParseSCSICommand, "01400000 00000000 00000000 00000000 00000001", RejectProtocolError)
	checkRefused(t, ParseSCSICommand, "01c70000 00000000 00000000 00000000 00000001", RejectInvalidField)
	checkRefused(t, ParseSCSICommand, "01c00000 00000000 00000000 00000000 ffffffff", RejectInvalidField)
	checkRefused(t, ParseSCSICommand, "01c00000 00000004 00000000 00000000 00000001", RejectProtocolError)
	checkRefused(t, ParseSCSICommand, "02c0", RejectProtocolError)
}

func FuzzSCSICommand(f *testing.F) { fuzzWire(f, OpSCSICommand, ParseSCSICommand, wireSCSICommand) }
