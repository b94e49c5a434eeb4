package page_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func zeros(n int) string { return strings.Repeat("00", n) }

var disk = page.PeripheralOf(scsi.TypeDisk)

func TestData(t *testing.T) {
	port := scsi.SASPort([8]byte{5, 7: 1})
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"no unit", []byte{page.NoUnit().Byte()}, "7f"},
		{"inquiry", page.Inquiry{
			Peripheral: disk, Version: scsi.VersionSPC4, Hierarchical: true, PortGroups: 1, ThirdPartyCopy: true, MultiPort: true, CommandQueue: true,
			Vendor: "LUNETTE", Product: "file", Revision: "0.1", Versions: []uint16{page.DescriptorSAM5, page.DescriptorISCSI},
		}.Append(nil), "00 00 06 12 5b 18 10 02 4c554e4554544520 66696c65202020202020202020202020 302e3120" + zeros(22) + "00a0 0960" + zeros(12) + zeros(22)},
		{"00", page.AppendSupportedVPD(nil, disk, 0x83, 0, 0xb0, 0x80, 0), "00 00 0004 00 80 83 b0"},
		{"80", page.AppendUnitSerial(nil, disk, "AB1"), "00 80 0003 414231"},
		{"83", page.AppendIdentification(nil, disk,
			page.NAADesignator(scsi.NAA{0x60, 15: 1}),
			page.T10Designator("LUN", "x"),
			page.RelativePortDesignator(scsi.ProtocolISCSI, 0x102),
			page.PortGroupDesignator(scsi.ProtocolISCSI, 3),
			page.SCSINameDesignator(page.OfPort, scsi.ProtocolISCSI, "iqn.abc"),
			page.SCSINameDesignator(page.OfDevice, scsi.ProtocolISCSI, "iqn.abcd"),
		), "00 83 004d" + "01 03 00 10 6000000000000000 0000000000000001" + "02 01 00 09 4c554e2020202020 78" +
			"51 94 00 04 00000102" + "51 95 00 04 00000003" +
			"53 98 00 08 69716e2e61626300" + "53 a8 00 0c 69716e2e61626364 00000000"},
		{"86", page.ExtendedInquiry{HeadOfQueue: true, Ordered: true, Simple: true, VolatileCache: true, UnitClear: true, MaxSenseLength: 64, ExtendedSelfTestMinutes: 1}.Append(nil, disk),
			"00 86 003c 00 07 01 01 00 00 0001 00 40" + zeros(50)},
		{"87", page.AppendModePolicies(nil, disk, page.ModePolicy{Page: 0x3f, Subpage: 0xff, Policy: page.PolicyShared}, page.ModePolicy{Page: 0x18, Policy: page.PolicyPerNexus, MultiUnit: true}),
			"00 87 0008 3f ff 00 00 18 00 83 00"},
		{"B0", page.BlockLimits{WriteSameNonZero: true, MaxCompareAndWrite: 1, OptimalGranularity: 8, MaxTransfer: 2, OptimalTransfer: 3, MaxPrefetch: 4,
			MaxUnmap: 5, MaxUnmapDescriptors: 6, OptimalUnmapGranularity: 7, UnmapAligned: true, UnmapAlignment: 9, MaxWriteSame: 10, MaxAtomic: 11}.Append(nil, disk),
			"00 b0 003c 01 01 0008 00000002 00000003 00000004 00000005 00000006 00000007 80000009 000000000000000a 0000000b" + zeros(16)},
		{"B1", page.BlockCharacteristics{RotationRate: page.NonRotating, FormFactor: 3, FUABehaviour: true}.Append(nil, disk), "00 b1 003c 0001 00 03 02" + zeros(55)},
		{"B2", page.Provisioning{Unmap: true, WriteSame16: true, WriteSame10: true, ReadZeros: 1, Type: page.ProvisionedThin}.Append(nil, disk), "00 b2 0004 00 e4 02 00"},
		{"capacity 10", page.Capacity{Last: 1 << 32, BlockSize: 512}.Append10(nil), "ffffffff 00000200"},
		{"capacity 16", page.Capacity{Last: 1 << 32, BlockSize: 512, PhysicalBlock: 3, Thin: true, ReadZeros: true, LowestAligned: 0x102, Protected: true, ProtectionType: 2}.Append16(nil),
			"0000000100000000 00000200 05 03 c1 02" + zeros(16)},
		{"LUNs", page.AppendLUNs(nil, 0, 1<<48), "00000010 00000000 0000000000000000 0001000000000000"},
		{"LBA status", page.AppendLBAStatus(nil, page.LBAExtent{LBA: 1, Blocks: 2, State: page.Deallocated}), "00000014 00000000 0000000000000001 00000002 01 000000"},
		{"keys", page.AppendReservationKeys(nil, 7, 1, 2), "00000007 00000010 0000000000000001 0000000000000002"},
		{"no reservation", page.AppendReservation(nil, 7, 0, 0), "00000007 00000000"},
		{"reservation", page.AppendReservation(nil, 7, scsi.WriteExclusiveRegistrantsOnly, 1), "00000007 00000010 0000000000000001 00000000 00 05 0000"},
		{"capabilities", page.ReservationCapabilities{Compatible: true, SpecifyPorts: true, AllPorts: true, Persist: true, PersistActive: true, AllowCommands: 1,
			WriteExclusive: true, Exclusive: true, WriteRegistrants: true, ExclusiveRegistrants: true, WriteAll: true, ExclusiveAll: true}.Append(nil), "0008 1d 91 ea 01 0000"},
		{"full status", page.AppendFullStatus(nil, 1, page.Registration{Key: 5, AllPorts: true, Holder: true, Type: scsi.ExclusiveAccess, RelativePort: 2, Port: port}),
			"00000001 00000030 0000000000000005 00000000 03 03 00000000 0002 00000018 06000000 0500000000000001" + zeros(12)},
		{"all commands", page.AppendCommands(nil, false, page.Command{Opcode: scsi.OpInquiry, Length: 6}, page.Command{Opcode: scsi.OpServiceActionIn16, Action: 0x10, Length: 16}),
			"00000010 12 00 0000 00 00 0006 9e 00 0010 00 01 0010"},
		{"all commands with timeouts", page.AppendCommands(nil, true, page.Command{Opcode: scsi.OpInquiry, Length: 6, Timeouts: page.Timeouts{Nominal: 1, Recommended: 2}}),
			"00000014 12 00 0000 00 02 0006 000a 00 00 00000001 00000002"},
		{"one command", page.AppendCommand(nil, page.SupportStandard, "\x00\x00\x00\x00\x00\x00", nil), "00 03 0006 000000000000"},
		{"one command with timeouts", page.AppendCommand(nil, page.SupportStandard, "\x00\x00", &page.Timeouts{Specific: 1}), "00 83 0002 0000 000a 00 01 00000000 00000000"},
		{"no command", page.AppendNoCommand(nil, page.SupportNone), "00 01 0000"},
		{"task management", page.TaskManagement{AbortTask: true, AbortTaskSet: true, ClearTaskSet: true, UnitReset: true, QueryTask: true, TargetReset: true, QueryTaskSet: true, NexusReset: true}.Append(nil, false), "de 03 00 00"},
		{"task management extended", page.TaskManagement{AbortTask: true, LongTimeout: 100, ShortTimeout: 50}.Append(nil, true), "80 00 00 0c 01 000000 00000064 00000032"},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, c.got, want)
		}
	}
	if n := len(page.Inquiry{Vendor: "MUCH TOO LONG", Versions: make([]uint16, 20)}.Append(nil)); n != page.InquiryLen {
		t.Errorf("inquiry of %d bytes", n)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	before := []byte("before")
	for _, got := range [][]byte{
		page.AppendIdentification(before[:6:6], disk, page.T10Designator("a", "b")),
		page.AppendSupportedVPD(before[:6:6], disk, 0),
		page.AppendLBAStatus(before[:6:6], page.LBAExtent{}),
		page.AppendCommands(before[:6:6], true, page.Command{}),
	} {
		if !bytes.HasPrefix(got, before) || len(got) < 10 {
			t.Errorf("got %q", got)
		}
	}
}

func TestParseIdentification(t *testing.T) {
	wire := page.AppendIdentification(nil, disk, page.NAADesignator(scsi.NAA6("x")), page.RelativePortDesignator(scsi.ProtocolISCSI, 1))
	all, err := page.ParseIdentification(wire)
	if err != nil || len(all) != 2 || all[0].Type != page.DesignatorNAA || all[1].Protocol != scsi.ProtocolISCSI {
		t.Errorf("%+v, %v", all, err)
	}
	for n := range wire {
		if _, err := page.ParseIdentification(wire[:n]); err == nil {
			t.Errorf("accepted %d of %d bytes", n, len(wire))
		}
	}
}

func FuzzPages(f *testing.F) {
	f.Add(page.AppendIdentification(nil, disk, page.NAADesignator(scsi.NAA6("x"))))
	f.Add(page.Capacity{Last: 1, BlockSize: 512}.Append16(nil))
	f.Add(page.AppendLUNs(nil, 0, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, err := page.ParseIdentification(b); err == nil {
			n := 4
			for _, d := range all {
				n += 4 + len(d.Data)
			}
			if n > len(b) {
				t.Fatalf("%d of %d bytes", n, len(b))
			}
		}
		if c, err := page.ParseCapacity16(b); err == nil {
			if back, err := page.ParseCapacity16(c.Append16(nil)); err != nil || back != c {
				t.Fatalf("%+v becomes %+v, %v", c, back, err)
			}
		}
		if luns, err := page.ParseLUNs(b); err == nil && 8*len(luns) > len(b)-8 {
			t.Fatalf("%d LUNs in %d bytes", len(luns), len(b))
		}
	})
}
