package page_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/scsi/page"
)

func TestOpticalData(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"features", page.AppendFeatures(nil, page.ProfileCDROM, page.ProfileList(page.ProfileCDROM, page.ProfileDVDROM, page.ProfileCDROM), page.CoreFeature(page.InterfaceSCSI, true)),
			"0000001c 0000 0008 0000 03 08 0010 00 00 0008 01 00 0001 0b 08 00000001 01 000000"},
		{"0002", page.MorphingFeature(true).Append(nil), "0002 07 04 02 000000"},
		{"0003", page.RemovableMediumFeature(page.LoadingTray, true, true, true).Append(nil), "0003 0b 04 39 000000"},
		{"0010", page.RandomReadableFeature(16, true).Append(nil), "0010 00 08 00000800 0010 01 00"},
		{"001E", page.CDReadFeature().Append(nil), "001e 08 04 00000000"},
		{"001F", page.DVDReadFeature(true).Append(nil), "001f 04 04 01 00 01 00"},
		{"0020", page.RandomWritableFeature(0x23053f, 16, true).Append(nil), "0020 04 0c 0023053f 00000800 0010 01 00"},
		{"0023", page.FormattableFeature(true).Append(nil), "0023 04 08 08 000000 00 000000"},
		{"0024", page.DefectManagementFeature().Append(nil), "0024 00 04 00000000"},
		{"002A", page.DVDPlusRWFeature(true, true, true).Append(nil), "002a 00 04 01 03 0000"},
		{"0040", page.BDReadFeature([4]uint16{2, 4}, [4]uint16{8}, [4]uint16{0, 0, 0, 1}).Append(nil),
			"0040 00 1c 00000000 0002 0004 0000 0000 0008 0000 0000 0000 0000 0000 0000 0001"},
		{"0041", page.BDWriteFeature([4]uint16{2, 4}, [4]uint16{8}).Append(nil), "0041 00 18 00000000 0002 0004 0000 0000 0008 0000 0000 0000 00000000"},
		{"0100", page.PowerManagementFeature().Append(nil), "0100 03 00"},
		{"0105", page.TimeoutFeature().Append(nil), "0105 07 04 00000000"},
		{"0107", page.RealTime{BufferCapacity: true, SetCDSpeed: true, Page2A: true, WriteSpeeds: true, StreamWriting: true}.Feature().Append(nil), "0107 10 04 1f 000000"},
		{"0108", page.SerialNumberFeature("S1234").Append(nil), "0108 03 08 5331323334202020"},

		{"TOC", page.AppendTOC(nil, 1, 1, page.TOCTrack{Control: page.TrackData, Number: 1}, page.TOCTrack{Control: page.TrackData, Number: page.LeadOutTrack, Start: 0x12345}),
			"0012 01 01 00 14 01 00 00000000 00 14 aa 00 00012345"},
		{"sessions", page.AppendSessions(nil, 1, 1, page.TOCTrack{Control: page.TrackData, Number: 1, Start: 0x200}), "000a 01 01 00 14 01 00 00000200"},
		{"full TOC", page.AppendFullTOC(nil, 1, 1, page.TOCEntry{Session: 1, Control: page.TrackData, Point: page.PointLeadOut, At: 0x4a0b0c}, page.TOCEntry{Session: 1, Control: page.TrackData, Point: 1, At: 0x200}),
			"0018 01 01 01 14 00 a2 000000 00 4a0b0c 01 14 00 01 000000 00 000200"},

		{"event", page.Event{Class: page.EventMedia, Code: page.MediaNew, Status: page.MediaPresent}.Append(nil, 0x56), "0006 04 56 02 02 0000"},
		{"operational event", page.Event{Class: page.EventOperational, Code: page.OperationalChanged, Report: 1}.Append(nil, 0x56), "0006 01 56 02 00 0001"},
		{"no event", page.AppendNoEvent(nil, 0x56), "0002 80 56"},

		{"disc information", page.DiscInformation{Session: page.SessionWhole, Status: page.DiscComplete, First: 1, Sessions: 1, FirstOfLast: 1, LastOfLast: 1, Unrestricted: true,
			LastLeadIn: 0xffffffff, LastLeadOut: 0xfffffffe}.Append(nil),
			"0020 0e 01 01 01 01 20 00 00 00 00 00000000 ffffffff fffffffe" + zeros(8) + "00 00"},
		{"disc information in full", page.DiscInformation{Erasable: true, Status: page.DiscOther, First: 1, Sessions: 0x102, FirstOfLast: 0x304, LastOfLast: 0x506, Background: 3,
			Kind: page.DiscKindXA, Identified: true, Identity: 7, CodeValid: true, Application: 9}.Append(nil),
			"0020 13 01 02 04 06 93 20 01 03 05 00000007 00000000 00000000" + zeros(8) + "09 00"},
		{"track information", page.TrackInformation{Track: 1, Session: 1, Mode: 4, DataMode: page.DataMode1, Size: 0x1234, LastRecorded: 0x1233, LastValid: true}.Append(nil),
			"002e 01 01 00 04 01 02 00000000 00000000 00000000 00000000 00001234 00001233 00 00 0000 00000000 00000000 00000000"},

		{"structure", page.AppendStructure(nil, page.AppendDVDCopyright(nil)), "0006 0000 00000000"},
		{"structures", page.AppendStructureList(nil, page.StructureEntry{Format: page.StructureManufacturing, Length: 0x804}), "04 40 0804"},
		{"DVD-ROM", page.DVDPhysical{Version: 1, MaximumRate: 2, Layers: 1, Layer: page.LayerROM, Blocks: 0x230540}.Append(nil)[:17],
			"01 02 01 00 00030000 0026053f 00000000 00"},
		{"DVD of two layers", page.DVDPhysical{Version: 1, MaximumRate: 2, Layers: 2, Opposite: true, Layer: page.LayerROM, Linear: 1, Blocks: 0x300, FirstLayer: 0x200}.Append(nil)[:17],
			"01 02 31 10 00030000 00fcfeff 000301ff 00"},
		{"BD", page.AppendBDInformation(nil, "BDW", 1, 2)[:13], "4449 01 01 00 00 70 00 424457 12 00"},
		{"spare area", page.AppendBDSpareArea(nil, 1, 2), "00000000 00000001 00000002"},
		{"write protection", page.AppendWriteProtection(nil, true), "01 000000"},

		{"mechanism", page.Mechanism{State: page.MechanismActive, Open: true, LBA: 0x10203}.Append(nil), "00 70 010203 00 0000"},
		{"buffer capacity", page.AppendBufferCapacity(nil, true, 0x400, 0x300), "000a 00 01 00000400 00000300"},
		{"performance", page.AppendPerformance(nil, true, page.Performance{First: 0, FirstSpeed: 22160, Last: 0x230540, LastSpeed: 22160}),
			"00000014 02 000000 00000000 00005690 00230540 00005690"},
		{"exceptions", page.AppendNoExceptions(nil, false), "00000004 01 000000"},
		{"write speeds", page.AppendWriteSpeeds(nil, page.WriteSpeed{Rotation: 1, Exact: true, Last: 15, Read: 22160, Write: 11080}), "00000014 00 000000 0a 000000 0000000f 00005690 00002b48"},
		{"formats", page.FormatCapacities{Blocks: 0x230540, Kind: page.CapacityFormatted, Block: 2048, All: []page.FormatCapacity{{Blocks: 0x230540, Type: page.FormatDVDPlusRW, Parameter: 1}}}.Append(nil),
			"000000 10 00230540 02 000800 00230540 98 000001"},

		{"1A", page.PowerCondition{Idle: true, Standby: true, IdleTimer: 1, StandbyTimer: 2}.Append(nil), "1a 0a 00 03 00000001 00000002"},
		{"1D", page.Timeout{Group3Enable: true, Enable: true, Unavailable: true, WriteProtected: true, Group1: 1, Group2: 2, Group3: 3}.Append(nil), "1d 0a 0000 0f 00 0001 0002 0003"},
		{"2A", page.Capabilities{ReadCDR: true, ReadCDRW: true, ReadDVDROM: true, ReadDVDR: true, ReadDVDRAM: true, Mode2Form1: true, MultiSession: true, Loading: page.LoadingTray,
			Eject: true, Lock: true, MaxRead: 8467, ReadSpeed: 8467, BufferKB: 2048, MaxWrite: 1, WriteSpeed: 2, CopyManagement: 1, Rotation: 1, WriteSpeeds: []uint16{3, 4}}.Append(nil),
			"2a 26 3b 00 50 00 29 00 2113 0000 0800 2113 0000 0001 0002 0001 000000 01 0002 0002 0000 0003 0000 0004"},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, c.got, want)
		}
	}
	for name, n := range map[string]int{
		"physical": len(page.DVDPhysical{Layers: 1, Blocks: 1}.Append(nil)) - page.DVDPhysicalLen, "manufacturing": len(page.AppendDVDManufacturing(nil)) - 2048,
		"BD": len(page.AppendBDInformation([]byte{1}, "BDO", 0, 1)) - page.BDInformationLen - 1, "2A": len(page.Capabilities{WriteSpeeds: make([]uint16, 99)}.Append(nil)) - 232,
		"serial": len(page.SerialNumberFeature(string(make([]byte, 300))).Data) - 252, "formats": len(page.FormatCapacities{All: make([]page.FormatCapacity, 99)}.Append(nil)) - 252,
	} {
		if n != 0 {
			t.Errorf("%s: %d bytes too many", name, n)
		}
	}
}

// The page of QEMU 8 and of SCSI-3 drives, which end before the rotation control.
func TestOlderCapabilities(t *testing.T) {
	old := unhex(t, "2a 12 3b 00 71 00 29 00 2113 0000 0800 2113 0000 0000")
	c, ok := page.ParseCapabilities(old)
	if !ok || !c.ReadDVDROM || c.MaxRead != 8467 || c.BufferKB != 2048 || !c.Lock || c.WriteSpeeds != nil {
		t.Errorf("%+v, %v", c, ok)
	}
	for n := range old {
		if _, ok := page.ParseCapabilities(old[:n]); ok {
			t.Errorf("accepted %d bytes", n)
		}
	}
}

// opticalParsers read what a drive says, and build it again.
var opticalParsers = map[string]func(b []byte) (got any, again []byte, ok bool){
	"features": func(b []byte) (any, []byte, bool) {
		current, all, err := page.ParseFeatures(b)
		return [2]any{current, all}, page.AppendFeatures(nil, current, all...), err == nil
	},
	"TOC": func(b []byte) (any, []byte, bool) {
		v, err := page.ParseTOC(b)
		return v, page.AppendTOC(nil, v.First, v.Last, v.Tracks...), err == nil
	},
	"full TOC": func(b []byte) (any, []byte, bool) {
		first, last, all, err := page.ParseFullTOC(b)
		return [3]any{first, last, all}, page.AppendFullTOC(nil, first, last, all...), err == nil
	},
	"event": func(b []byte) (any, []byte, bool) {
		e, classes, any, err := page.ParseEvent(b)
		if !any {
			return e, page.AppendNoEvent(nil, classes), err == nil
		}
		return e, e.Append(nil, classes), err == nil
	},
	"disc information": func(b []byte) (any, []byte, bool) {
		v, err := page.ParseDiscInformation(b)
		return v, v.Append(nil), err == nil
	},
	"track information": func(b []byte) (any, []byte, bool) {
		v, err := page.ParseTrackInformation(b)
		return v, v.Append(nil), err == nil
	},
	"performance": func(b []byte) (any, []byte, bool) {
		v, write, err := page.ParsePerformance(b)
		return v, page.AppendPerformance(nil, write, v...), err == nil
	},
	"write speeds": func(b []byte) (any, []byte, bool) {
		v, err := page.ParseWriteSpeeds(b)
		return v, page.AppendWriteSpeeds(nil, v...), err == nil
	},
	"formats": func(b []byte) (any, []byte, bool) {
		v, err := page.ParseFormatCapacities(b)
		if len(v.All) > 30 {
			return v, nil, false
		}
		return v, v.Append(nil), err == nil
	},
	"1A": func(b []byte) (any, []byte, bool) {
		v, ok := page.ParsePowerCondition(b)
		return v, v.Append(nil), ok
	},
	"1D": func(b []byte) (any, []byte, bool) {
		v, ok := page.ParseTimeout(b)
		return v, v.Append(nil), ok
	},
	"2A": func(b []byte) (any, []byte, bool) {
		v, ok := page.ParseCapabilities(b)
		return v, v.Append(nil), ok
	},
}

func FuzzOpticalPages(f *testing.F) {
	f.Add(page.AppendFeatures(nil, 8, page.ProfileList(8, 8), page.CoreFeature(1, true)))
	f.Add(page.AppendTOC(nil, 1, 1, page.TOCTrack{Number: 1}))
	f.Add(page.AppendFullTOC(nil, 1, 1, page.TOCEntry{Point: 1}))
	f.Add(page.Event{Class: 4, Code: 2, Status: 2}.Append(nil, 0x56))
	f.Add(page.AppendNoEvent(nil, 0x56))
	f.Add(page.DiscInformation{First: 1}.Append(nil))
	f.Add(page.TrackInformation{Track: 1}.Append(nil))
	f.Add(page.AppendPerformance(nil, true, page.Performance{Last: 1}))
	f.Add(page.AppendWriteSpeeds(nil, page.WriteSpeed{Last: 1}))
	f.Add(page.FormatCapacities{All: make([]page.FormatCapacity, 2)}.Append(nil))
	f.Add(page.PowerCondition{}.Append(nil))
	f.Add(page.Timeout{}.Append(nil))
	f.Add(page.Capabilities{WriteSpeeds: []uint16{1}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, parse := range opticalParsers {
			got, again, ok := parse(b)
			if !ok {
				continue
			}
			back, _, ok := parse(again)
			if !ok || !reflect.DeepEqual(back, got) {
				t.Fatalf("%s: %+v becomes %+v, %v", name, got, back, ok)
			}
		}
	})
}
