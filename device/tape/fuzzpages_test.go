package tape_test

import (
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// Any CDB of the commands of pages, with any parameter list, ends: with GOOD, or with a sense that says what is wrong. What is
// set by it leaves a drive of which all pages can be read.
func FuzzPages(f *testing.F) {
	for _, seed := range []struct {
		cdb  []byte
		list string
	}{
		{wire(0x15, 0x10, 0, 0, 24, 0), "000010080000000000000200 0f0e c000 00000001 00000001 00000000"},
		{wire(0x55, 0x10, 0, 0, 0, 0, 0, uint16(40), 0), "0000001000000000 5001001c 0012 0003 00 0000000000000000000000000000000000000000000000"},
		{wire(0x55, 0x10, 0, 0, 0, 0, 0, uint16(20), 0), "0000001000000000 110a 03013c03 0900 0001ffff"},
		{wire(0x55, 0x10, 0, 0, 0, 0, 0, uint16(20), 0), "0000001000000000 1c0a 0c03 00000000 00000024"},
		{wire(0x4c, 2, 0x42, 0, 0, 0, 0, uint16(0), 0), ""},
		{wire(0x4d, 0, 0x6e, 0, 0, uint16(3), uint16(255), 0), ""},
		{writeAttribute(0, attributeList(0x806, 1, "LUN001L8                        ")), "00000025 0806 01 0020 4c554e3030314c382020202020202020202020202020202020202020202020 20"},
		{readAttribute(0, 0, 0x800, 255), ""},
		{wire(0xb5, 0x20, uint16(0x10), 0, 0, uint32(52), 0, 0), "0010 0030 40 00 02 02 01 00 00 00000000000000 0020 6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b"},
		{wire(0xa2, 0x20, uint16(0x21), 0, 0, uint32(255), 0, 0), ""},
		{wire(0xa4, 0x0f, 0, 0, 0, 0, uint32(12), 0, 0), "00000000 001122334455 0000"},
		{wire(0x3b, 0x0a, 0, u24(0), u24(5), 0), "68656c6c6f"},
		{wire(0x44, 3, 0, 0, 0, 0, 0, uint16(255), 0), ""},
	} {
		f.Add(seed.cdb, hexed(seed.list))
	}
	f.Fuzz(func(t *testing.T, c, list []byte) {
		if len(c) < 6 || len(c) > 16 || len(list) > 4096 {
			return
		}
		switch scsi.Opcode(c[0]) {
		case scsi.OpModeSelect6, scsi.OpModeSelect10, scsi.OpModeSense6, scsi.OpModeSense10, scsi.OpLogSelect, scsi.OpLogSense, scsi.OpInquiry,
			scsi.OpReadAttribute, scsi.OpWriteAttribute, scsi.OpSecurityProtocolIn, scsi.OpSecurityProtocolOut, scsi.OpReadBuffer, scsi.OpWriteBuffer,
			scsi.OpReportDensitySupport, scsi.OpMaintenanceIn, scsi.OpMaintenanceOut, scsi.OpReceiveDiagnostic, scsi.OpSendDiagnostic, scsi.OpFormatMedium:
		default:
			return
		}
		k := newDesk(t, nil)
		k.load(nil)
		h := k.host(1)
		if r := h.cmd(c, 4096, list); r.key >= 0 && r.asc == scsi.ASCInternalTargetFailure {
			t.Fatalf("%x with %x: %v", c, list, r)
		}
		h.modeSense(0x3f, 0xff)
		for _, code := range []int{0x0c, 0x11, 0x17, 0x1b, 0x2e, 0x31} {
			h.logPage(code)
		}
		if r := h.cmd(readAttribute(0, 0, 0, 4096), 4096, nil); !r.good() {
			t.Fatalf("%x with %x: attributes: %v", c, list, r)
		}
		k.load(k.unload())
	})
}
