package cdb_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// A builder is any parsed command.
type builder interface{ Append([]byte) []byte }

// parsers names every CDB parser; the fuzz target runs them all.
var parsers = map[string]func([]byte) (builder, error){
	"ReadWrite":            func(c []byte) (builder, error) { return cdb.ParseReadWrite(c) },
	"Verify":               func(c []byte) (builder, error) { return cdb.ParseVerify(c) },
	"Cache":                func(c []byte) (builder, error) { return cdb.ParseCache(c) },
	"WriteSame":            func(c []byte) (builder, error) { return cdb.ParseWriteSame(c) },
	"CompareAndWrite":      func(c []byte) (builder, error) { return cdb.ParseCompareAndWrite(c) },
	"Unmap":                func(c []byte) (builder, error) { return cdb.ParseUnmap(c) },
	"GetLBAStatus":         func(c []byte) (builder, error) { return cdb.ParseGetLBAStatus(c) },
	"ReadCapacity":         func(c []byte) (builder, error) { return cdb.ParseReadCapacity(c) },
	"Inquiry":              func(c []byte) (builder, error) { return cdb.ParseInquiry(c) },
	"ReportLUNs":           func(c []byte) (builder, error) { return cdb.ParseReportLUNs(c) },
	"RequestSense":         func(c []byte) (builder, error) { return cdb.ParseRequestSense(c) },
	"ModeSense":            func(c []byte) (builder, error) { return cdb.ParseModeSense(c) },
	"ModeSelect":           func(c []byte) (builder, error) { return cdb.ParseModeSelect(c) },
	"LogSense":             func(c []byte) (builder, error) { return cdb.ParseLogSense(c) },
	"LogSelect":            func(c []byte) (builder, error) { return cdb.ParseLogSelect(c) },
	"PersistentIn":         func(c []byte) (builder, error) { return cdb.ParsePersistentIn(c) },
	"PersistentOut":        func(c []byte) (builder, error) { return cdb.ParsePersistentOut(c) },
	"Reserve":              func(c []byte) (builder, error) { return cdb.ParseReserve(c) },
	"StartStop":            func(c []byte) (builder, error) { return cdb.ParseStartStop(c) },
	"Prevent":              func(c []byte) (builder, error) { return cdb.ParsePrevent(c) },
	"SendDiagnostic":       func(c []byte) (builder, error) { return cdb.ParseSendDiagnostic(c) },
	"MaintenanceOut":       func(c []byte) (builder, error) { return cdb.ParseMaintenanceOut(c) },
	"ReportOpcodes":        func(c []byte) (builder, error) { return cdb.ParseReportOpcodes(c) },
	"ReadAttribute":        func(c []byte) (builder, error) { return cdb.ParseReadAttribute(c) },
	"WriteAttribute":       func(c []byte) (builder, error) { return cdb.ParseWriteAttribute(c) },
	"ReportDensity":        func(c []byte) (builder, error) { return cdb.ParseReportDensity(c) },
	"Buffer":               func(c []byte) (builder, error) { return cdb.ParseBuffer(c) },
	"ReceiveDiagnostic":    func(c []byte) (builder, error) { return cdb.ParseReceiveDiagnostic(c) },
	"ReportTimestamp":      func(c []byte) (builder, error) { return cdb.ParseReportTimestamp(c) },
	"SecurityProtocol":     func(c []byte) (builder, error) { return cdb.ParseSecurityProtocol(c) },
	"ReportTaskManagement": func(c []byte) (builder, error) { return cdb.ParseReportTaskManagement(c) },
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const big = uint64(0x0102030405060708)

var golden = []struct {
	parser, wire string
	want         builder
}{
	{"ReadWrite", "08 1f1234 00 00", cdb.ReadWrite{Opcode: scsi.OpRead6, LBA: 0x1f1234, Blocks: 256}},
	{"ReadWrite", "0a 000001 ff 00", cdb.ReadWrite{Opcode: scsi.OpWrite6, LBA: 1, Blocks: 255}},
	{"ReadWrite", "28 38 01020304 1f 0008 00", cdb.ReadWrite{Opcode: scsi.OpRead10, LBA: 0x01020304, Blocks: 8, Protect: 1, DPO: true, FUA: true, Group: 31}},
	{"ReadWrite", "2a 08 ffffffff 00 ffff 00", cdb.ReadWrite{Opcode: scsi.OpWrite10, LBA: math.MaxUint32, Blocks: 65535, FUA: true}},
	{"ReadWrite", "a8 10 01020304 00010000 01 00", cdb.ReadWrite{Opcode: scsi.OpRead12, LBA: 0x01020304, Blocks: 65536, DPO: true, Group: 1}},
	{"ReadWrite", "aa e0 01020304 00000000 00 00", cdb.ReadWrite{Opcode: scsi.OpWrite12, LBA: 0x01020304, Protect: 7}},
	{"ReadWrite", "88 00 0102030405060708 00000100 00 00", cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: big, Blocks: 256}},
	{"ReadWrite", "8a 08 ffffffffffffffff ffffffff 3f 00", cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: math.MaxUint64, Blocks: math.MaxUint32, FUA: true, Group: 63}},
	{"ReadWrite", "8b 00 0000000000000001 00000002 00 00", cdb.ReadWrite{Opcode: scsi.OpORWrite16, LBA: 1, Blocks: 2}},
	{"Verify", "2f 12 00000001 00 0002 00", cdb.Verify{Opcode: scsi.OpVerify10, LBA: 1, Blocks: 2, DPO: true, ByteCheck: cdb.CheckAll}},
	{"Verify", "8f 06 0102030405060708 00000002 00 00", cdb.Verify{Opcode: scsi.OpVerify16, LBA: big, Blocks: 2, ByteCheck: cdb.CheckOne}},
	{"Verify", "ae 00 00000001 00000002 00 00", cdb.Verify{Opcode: scsi.OpWriteAndVerify12, LBA: 1, Blocks: 2}},
	{"Cache", "35 02 00000000 00 0000 00", cdb.Cache{Opcode: scsi.OpSynchronizeCache10, Immed: true}},
	{"Cache", "90 00 0102030405060708 00000001 00 00", cdb.Cache{Opcode: scsi.OpPreFetch16, LBA: big, Blocks: 1}},
	{"WriteSame", "41 18 00000001 00 0002 00", cdb.WriteSame{Opcode: scsi.OpWriteSame10, LBA: 1, Blocks: 2, Anchor: true, Unmap: true}},
	{"WriteSame", "93 09 0102030405060708 00000002 00 00", cdb.WriteSame{Opcode: scsi.OpWriteSame16, LBA: big, Blocks: 2, Unmap: true, NoData: true}},
	{"CompareAndWrite", "89 08 0102030405060708 000000 02 00 00", cdb.CompareAndWrite{LBA: big, Blocks: 2, FUA: true}},
	{"Unmap", "42 01 00000000 00 0018 00", cdb.Unmap{Anchor: true, Length: 24}},
	{"GetLBAStatus", "9e 12 0102030405060708 00000020 01 00", cdb.GetLBAStatus{LBA: big, Allocation: 32, Report: 1}},
	{"ReadCapacity", "25 00 00000000 0000 00 00", cdb.ReadCapacity{Opcode: scsi.OpReadCapacity10, Allocation: 8}},
	{"ReadCapacity", "9e 10 0000000000000000 00000020 00 00", cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: 32}},
	{"Inquiry", "12 01 83 00ff 00", cdb.Inquiry{VPD: true, Page: 0x83, Allocation: 255}},
	{"ReportLUNs", "a0 00 02 000000 00001000 00 00", cdb.ReportLUNs{Select: cdb.SelectAll, Allocation: 4096}},
	{"RequestSense", "03 01 0000 fc 00", cdb.RequestSense{Descriptor: true, Allocation: 252}},
	{"ModeSense", "1a 08 3f 00 04 00", cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: 0x3f, Allocation: 4}},
	{"ModeSense", "5a 10 4a 01 000000 0200 00", cdb.ModeSense{Opcode: scsi.OpModeSense10, LongLBA: true, Control: cdb.PageChangeable, Page: 0x0a, Subpage: 1, Allocation: 512}},
	{"ModeSelect", "15 11 0000 18 00", cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Save: true, Length: 24}},
	{"ModeSelect", "55 10 0000000000 0100 00", cdb.ModeSelect{Opcode: scsi.OpModeSelect10, PF: true, Length: 256}},
	{"LogSense", "4d 00 4d ff 00 0001 0200 00", cdb.LogSense{Control: cdb.LogCumulative, Page: 0x0d, Subpage: 0xff, Pointer: 1, Allocation: 512}},
	{"LogSelect", "4c 02 c0 00 000000 0000 00", cdb.LogSelect{Reset: true, Control: cdb.LogDefaultCumulative}},
	{"PersistentIn", "5e 03 0000000000 1000 00", cdb.PersistentIn{Action: scsi.ActionReadFullStatus, Allocation: 4096}},
	{"PersistentOut", "5f 01 05 0000 00000018 00", cdb.PersistentOut{Action: scsi.ActionReserve, Type: scsi.WriteExclusiveRegistrantsOnly, Length: 24}},
	{"Reserve", "16 16 07 0010 00", cdb.Reserve{Opcode: scsi.OpReserve6, ThirdParty: true, ThirdPartyID: 3, ID: 7, Length: 16}},
	{"Reserve", "57 12 00 09 000000 0008 00", cdb.Reserve{Opcode: scsi.OpRelease10, ThirdParty: true, LongID: true, ThirdPartyID: 9, Length: 8}},
	{"StartStop", "1b 01 00 02 37 00", cdb.StartStop{Immed: true, Modifier: 2, Condition: 3, NoFlush: true, LoadEject: true, Start: true}},
	{"Prevent", "1e 000000 01 00", cdb.Prevent{Mode: 1}},
	{"SendDiagnostic", "1d 37 00 0102 00", cdb.SendDiagnostic{Code: 1, PF: true, SelfTest: true, DeviceOffline: true, UnitOffline: true, Length: 0x102}},
	{"MaintenanceOut", "a4 0a 00000000 00000008 00 00", cdb.MaintenanceOut{Action: scsi.ActionSetTargetPortGroups, Length: 8}},
	{"ReportOpcodes", "a3 0c 82 9e 0010 00000200 00 00", cdb.ReportOpcodes{Timeouts: true, Options: cdb.ReportAction, Opcode: scsi.OpServiceActionIn16, Action: scsi.ActionReadCapacity16, Allocation: 512}},
	{"ReadAttribute", "8c 01 0102 00 03 00 04 0806 00000200 01 00", cdb.ReadAttribute{Action: scsi.ActionAttributeList, Element: 0x102, Volume: 3, Partition: 4, First: 0x806, Allocation: 512, Cache: true}},
	{"WriteAttribute", "8d 01 000000 02 00 01 0000 00000019 00 00", cdb.WriteAttribute{Through: true, Volume: 2, Partition: 1, Length: 25}},
	{"ReportDensity", "44 03 0000000000 1000 00", cdb.ReportDensity{MediumType: true, Media: true, Allocation: 4096}},
	{"Buffer", "3c 2a 01 010203 040506 00", cdb.Buffer{Opcode: scsi.OpReadBuffer, Mode: cdb.BufferEcho, Specific: 1, ID: 1, Offset: 0x10203, Length: 0x40506}},
	{"Buffer", "3b 0a 00 000000 000100 00", cdb.Buffer{Opcode: scsi.OpWriteBuffer, Mode: cdb.BufferEcho, Length: 256}},
	{"ReceiveDiagnostic", "1c 01 40 0102 00", cdb.ReceiveDiagnostic{PCV: true, Page: 0x40, Allocation: 0x102}},
	{"ReportTimestamp", "a3 0f 00000000 0000000c 00 00", cdb.ReportTimestamp{Allocation: 12}},
	{"SecurityProtocol", "a2 20 0010 80 00 00002000 00 00", cdb.SecurityProtocol{Opcode: scsi.OpSecurityProtocolIn, Protocol: cdb.ProtocolDataEncryption, Specific: 0x10, Inc512: true, Length: 8192}},
	{"SecurityProtocol", "b5 20 0010 00 00 00000034 00 00", cdb.SecurityProtocol{Opcode: scsi.OpSecurityProtocolOut, Protocol: cdb.ProtocolDataEncryption, Specific: 0x10, Length: 52}},
	{"ReportTaskManagement", "a3 0d 80 000000 00000010 00 00", cdb.ReportTaskManagement{Extended: true, Allocation: 16}},
}

func TestCommandsOnTheWire(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range golden {
		seen[g.parser] = true
		wire := unhex(t, g.wire)
		got, err := parsers[g.parser](append(wire, 0xff, 0xff, 0xff))
		if err != nil || got != g.want {
			t.Errorf("%s %s:\n got %+v, %v\nwant %+v", g.parser, g.wire, got, err, g.want)
		}
		if back := g.want.Append(nil); !bytes.Equal(back, wire) {
			t.Errorf("%s: built %x, want %x", g.parser, back, wire)
		}
		if n, ok := cdb.FullLength(wire); n != len(wire) || !ok {
			t.Errorf("%s: length %d, %v", g.wire, n, ok)
		}
		for n := range wire {
			if _, err := parsers[g.parser](wire[:n]); err == nil {
				t.Errorf("%s: accepted %d of %d bytes", g.wire, n, len(wire))
			}
		}
		action, _ := cdb.Action(wire)
		usage := cdb.UsageOf(scsi.Opcode(wire[0]), action)
		if len(usage) != len(wire) || usage[0] != wire[0] {
			t.Errorf("%s: usage %x", g.wire, usage)
		}
	}
	for name := range parsers {
		if !seen[name] {
			t.Errorf("%s has no example", name)
		}
	}
}

func TestCheckUsage(t *testing.T) {
	u := cdb.UsageOf(scsi.OpRead10, 0)
	if err := cdb.CheckUsage(unhex(t, "28f8ffffffff3fffff00"), u); err != nil {
		t.Error(err)
	}
	for wire, want := range map[string]scsi.Sense{
		"28060000000000000100": scsi.InvalidFieldInCDB(1, 2),
		"28000000000080000100": scsi.InvalidFieldInCDB(6, 7),
		"28000000000000000104": scsi.InvalidFieldInCDB(9, 2),
		"2800000000":           scsi.InvalidFieldInCDB(5, -1),
	} {
		if err := cdb.CheckUsage(unhex(t, wire), u); err != want {
			t.Errorf("%s: %v, want %v", wire, err, want)
		}
	}
	if u := cdb.UsageOf(scsi.OpServiceActionIn16, 0x1f); u != "" {
		t.Errorf("usage of an unknown service action: %x", u)
	}
}

func TestLengths(t *testing.T) {
	for op, want := range map[scsi.Opcode]int{0x00: 6, 0x1f: 6, 0x20: 10, 0x5f: 10, 0x7e: 0, 0x7f: 0, 0x80: 16, 0x9f: 16, 0xa0: 12, 0xbf: 12, 0xc0: 0, 0xff: 0} {
		if got := cdb.Length(op); got != want {
			t.Errorf("%v: %d, want %d", op, got, want)
		}
	}
	c := append([]byte{0x7f, 4, 0, 0, 0, 0, 0, 0x18, 0, 9}, make([]byte, 22)...)
	if n, ok := cdb.FullLength(c); n != 32 || !ok {
		t.Errorf("variable length: %d, %v", n, ok)
	}
	if _, ok := cdb.FullLength(c[:31]); ok {
		t.Error("31 bytes of 32 accepted")
	}
	if a, ok := cdb.Action(c); a != scsi.ActionRead32 || !ok {
		t.Errorf("action %v, %v", a, ok)
	}
	if cdb.Control(c) != cdb.ControlNACA || cdb.Control([]byte{0, 0, 0, 0, 0, 1}) != 1 || cdb.Control(nil) != 0 {
		t.Error("control")
	}
}

func TestRanges(t *testing.T) {
	const top = math.MaxUint64
	for _, c := range []struct {
		lba, n, capacity uint64
		ok               bool
	}{
		{0, 0, 0, true}, {0, 1, 0, false}, {10, 0, 10, true}, {11, 0, 10, false}, {9, 1, 10, true}, {9, 2, 10, false},
		{top, 1, 10, false}, {1, top, 10, false}, {top, top, top, false}, {top, 0, top, true}, {0, top, top, true},
	} {
		if got := cdb.RangeOK(c.lba, c.n, c.capacity); got != c.ok {
			t.Errorf("RangeOK(%d, %d, %d) = %v", c.lba, c.n, c.capacity, got)
		}
	}
	if n, ok := cdb.Extent(4, 0, 10); n != 6 || !ok {
		t.Errorf("rest %d, %v", n, ok)
	}
	if _, ok := cdb.Extent(11, 0, 10); ok {
		t.Error("rest past the end")
	}
	if n, ok := cdb.Extent(4, 7, 10); n != 7 || ok {
		t.Errorf("range %d, %v", n, ok)
	}
}

func TestHotParsersAllocateNothing(t *testing.T) {
	c := cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: 1, Blocks: 8}.Append(nil)
	u := cdb.UsageOf(scsi.OpWrite16, 0)
	if n := testing.AllocsPerRun(100, func() {
		if r, err := cdb.ParseReadWrite(c); err != nil || r.Blocks != 8 || cdb.CheckUsage(c, u) != nil {
			t.Fatal(r, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCDB(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(f, g.wire))
	}
	f.Add([]byte{0x7f})
	f.Fuzz(func(t *testing.T, c []byte) {
		cdb.Action(c)
		cdb.Control(c)
		for name, parse := range parsers {
			got, err := parse(c)
			if err != nil {
				if s := (scsi.Sense{}); !errors.As(err, &s) || s.Key != scsi.KeyIllegalRequest {
					t.Fatalf("%s: %v is no sense", name, err)
				}
				continue
			}
			back, err := parse(got.Append(nil))
			if err != nil || back != got {
				t.Fatalf("%s: %+v becomes %+v, %v", name, got, back, err)
			}
		}
	})
}
