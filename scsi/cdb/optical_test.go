package cdb_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// opticalParsers are those of optical drives: some of their operation codes are other commands elsewhere.
var opticalParsers = map[string]func([]byte) (builder, error){
	"GetConfiguration":     func(c []byte) (builder, error) { return cdb.ParseGetConfiguration(c) },
	"ReadTOC":              func(c []byte) (builder, error) { return cdb.ParseReadTOC(c) },
	"GetEventStatus":       func(c []byte) (builder, error) { return cdb.ParseGetEventStatus(c) },
	"ReadDiscInformation":  func(c []byte) (builder, error) { return cdb.ParseReadDiscInformation(c) },
	"ReadTrackInformation": func(c []byte) (builder, error) { return cdb.ParseReadTrackInformation(c) },
	"ReadDiscStructure":    func(c []byte) (builder, error) { return cdb.ParseReadDiscStructure(c) },
	"ReadFormatCapacities": func(c []byte) (builder, error) { return cdb.ParseReadFormatCapacities(c) },
	"FormatUnit":           func(c []byte) (builder, error) { return cdb.ParseFormatUnit(c) },
	"ReadCD":               func(c []byte) (builder, error) { return cdb.ParseReadCD(c) },
	"MechanismStatus":      func(c []byte) (builder, error) { return cdb.ParseMechanismStatus(c) },
	"Seek":                 func(c []byte) (builder, error) { return cdb.ParseSeek(c) },
	"ReadBufferCapacity":   func(c []byte) (builder, error) { return cdb.ParseReadBufferCapacity(c) },
	"GetPerformance":       func(c []byte) (builder, error) { return cdb.ParseGetPerformance(c) },
	"SetStreaming":         func(c []byte) (builder, error) { return cdb.ParseSetStreaming(c) },
	"SetCDSpeed":           func(c []byte) (builder, error) { return cdb.ParseSetCDSpeed(c) },
	"CloseTrackSession":    func(c []byte) (builder, error) { return cdb.ParseCloseTrackSession(c) },
	"SendOPC":              func(c []byte) (builder, error) { return cdb.ParseSendOPC(c) },
	"ReportKey":            func(c []byte) (builder, error) { return cdb.ParseReportKey(c) },
	"StartStop":            func(c []byte) (builder, error) { return cdb.ParseStartStop(c) },
	"ReadWrite":            func(c []byte) (builder, error) { return cdb.ParseReadWrite(c) },
	"Verify":               func(c []byte) (builder, error) { return cdb.ParseVerify(c) },
	"Cache":                func(c []byte) (builder, error) { return cdb.ParseCache(c) },
	"ReadCapacity":         func(c []byte) (builder, error) { return cdb.ParseReadCapacity(c) },
}

var opticalGolden = []struct {
	parser, wire string
	want         builder
}{
	{"GetConfiguration", "46 02 0107 000000 0010 00", cdb.GetConfiguration{Which: cdb.OneFeature, First: 0x107, Allocation: 16}},
	{"ReadTOC", "43 02 02 000000 01 0324 00", cdb.ReadTOC{MSF: true, Format: cdb.TOCFull, Track: 1, Allocation: 804}},
	{"GetEventStatus", "4a 01 0000 10 0000 0008 00", cdb.GetEventStatus{Polled: true, Classes: cdb.EventsMedia, Allocation: 8}},
	{"ReadDiscInformation", "51 01 00000000 00 0022 00", cdb.ReadDiscInformation{Type: cdb.DiscTrackResources, Allocation: 34}},
	{"ReadTrackInformation", "52 05 000000ff 00 0024 00", cdb.ReadTrackInformation{Open: true, Type: cdb.TrackByNumber, Address: 0xff, Allocation: 36}},
	{"ReadDiscStructure", "ad 01 01020304 01 00 1000 c0 00", cdb.ReadDiscStructure{Media: cdb.StructureBD, Address: 0x01020304, Layer: 1, Allocation: 4096, Grant: 3}},
	{"ReadFormatCapacities", "23 00 00000000 00 00fc 00", cdb.ReadFormatCapacities{Allocation: 252}},
	{"FormatUnit", "04 11 000000 00", cdb.FormatUnit{Data: true, Code: 1}},
	{"ReadCD", "be 0a ffffff6a 000102 f8 01 00", cdb.ReadCD{Opcode: scsi.OpReadCD, Sector: cdb.SectorMode1, DAP: true, LBA: 0xffffff6a, Blocks: 0x102,
		Parts: cdb.PartSync | cdb.PartSubheader | cdb.PartHeader | cdb.PartUser | cdb.PartECC, Subchannel: 1}},
	{"ReadCD", "b9 00 00 000200 000300 10 00 00", cdb.ReadCD{Opcode: scsi.OpReadCDMSF, Start: 0x000200, End: 0x000300, Parts: cdb.PartUser}},
	{"MechanismStatus", "bd 00 000000000000 0008 00 00", cdb.MechanismStatus{Allocation: 8}},
	{"Seek", "2b 00 01020304 00 0000 00", cdb.Seek{LBA: 0x01020304}},
	{"ReadBufferCapacity", "5c 01 00000000 00 000c 00", cdb.ReadBufferCapacity{Blocks: true, Allocation: 12}},
	{"GetPerformance", "ac 14 00000010 0000 0005 00 00", cdb.GetPerformance{Data: 2<<3 | cdb.PerformanceWrite, LBA: 16, Maximum: 5}},
	{"GetPerformance", "ac 00 00000000 0000 0010 03 00", cdb.GetPerformance{Maximum: 16, Type: cdb.PerformanceWriteSpeeds}},
	{"SetStreaming", "b6 00 000000000000 00 001c 00", cdb.SetStreaming{Length: cdb.StreamListLen}},
	{"SetCDSpeed", "bb 01 ffff 0b13 000000000000", cdb.SetCDSpeed{Rotation: 1, Read: 0xffff, Write: 2835}},
	{"CloseTrackSession", "5b 01 02 00 0001 000000 00", cdb.CloseTrackSession{Immed: true, Function: 2, Track: 1}},
	{"SendOPC", "54 01 02 00000000 0008 00", cdb.SendOPC{Calibrate: true, Exclude: 2, Length: 8}},
	{"ReportKey", "a4 00 00000000 00 00 0008 c8 00", cdb.ReportKey{Allocation: 8, Grant: 3, Format: cdb.KeyRPC}},
	{"StartStop", "1b 01 00 01 02 00", cdb.StartStop{Immed: true, Modifier: 1, LoadEject: true}},
	{"ReadWrite", "28 18 00000010 00 0002 00", cdb.ReadWrite{Opcode: scsi.OpRead10, LBA: 16, Blocks: 2, DPO: true, FUA: true}},
	{"ReadWrite", "2a 08 00000010 00 0002 00", cdb.ReadWrite{Opcode: scsi.OpWrite10, LBA: 16, Blocks: 2, FUA: true}},
	{"ReadWrite", "a8 00 00000010 00000002 00 00", cdb.ReadWrite{Opcode: scsi.OpRead12, LBA: 16, Blocks: 2}},
	{"ReadWrite", "aa 00 00000010 00000002 00 00", cdb.ReadWrite{Opcode: scsi.OpWrite12, LBA: 16, Blocks: 2}},
	{"Verify", "2e 02 00000010 00 0002 00", cdb.Verify{Opcode: scsi.OpWriteAndVerify10, LBA: 16, Blocks: 2, ByteCheck: cdb.CheckAll}},
	{"Verify", "2f 10 00000010 00 0002 00", cdb.Verify{Opcode: scsi.OpVerify10, LBA: 16, Blocks: 2, DPO: true}},
	{"Cache", "35 02 00000000 00 0000 00", cdb.Cache{Opcode: scsi.OpSynchronizeCache10, Immed: true}},
	{"ReadCapacity", "25 00 00000000 0000 00 00", cdb.ReadCapacity{Opcode: scsi.OpReadCapacity10, Allocation: 8}},
}

func TestOpticalCommandsOnTheWire(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range opticalGolden {
		seen[g.parser] = true
		wire := unhex(t, g.wire)
		parse := opticalParsers[g.parser]
		got, err := parse(append(wire, 0xff, 0xff))
		if err != nil || got != g.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", g.wire, got, err, g.want)
		}
		if back := g.want.Append(nil); !bytes.Equal(back, wire) {
			t.Errorf("%s: built %x, want %x", g.parser, back, wire)
		}
		for n := range wire {
			if _, err := parse(wire[:n]); err == nil {
				t.Errorf("%s: accepted %d of %d bytes", g.wire, n, len(wire))
			}
		}
		usage := cdb.OpticalUsageOf(scsi.Opcode(wire[0]))
		if len(usage) != len(wire) || usage[0] != wire[0] || cdb.CheckUsage(wire, usage) != nil {
			t.Errorf("%s: usage %x", g.wire, usage)
		}
		if name := scsi.CommandNameFor(scsi.TypeOptical, scsi.Opcode(wire[0]), 0); bytes.HasPrefix([]byte(name), []byte("operation code")) {
			t.Errorf("%s has no name", g.wire)
		}
	}
	for name := range opticalParsers {
		if !seen[name] {
			t.Errorf("%s has no example", name)
		}
	}
	if u := cdb.OpticalUsageOf(0xff); u != "" {
		t.Errorf("usage of an unknown command: %x", u)
	}
}

// Hosts that are older than MMC have the format of READ TOC in CONTROL: Linux does when it asks for the last session.
func TestFormatOfTOCInControl(t *testing.T) {
	for wire, want := range map[string]uint8{
		"43000000000000000c40": cdb.TOCSessions,
		"43000000000000000c80": cdb.TOCFull,
		"43000100000000000c80": cdb.TOCSessions,
	} {
		c := unhex(t, wire)
		if got, err := cdb.ParseReadTOC(c); err != nil || got.Format != want || got.Allocation != 12 {
			t.Errorf("%s: %+v, %v", wire, got, err)
		}
		if err := cdb.CheckUsage(c, cdb.OpticalUsageOf(scsi.OpReadTOC)); err != nil {
			t.Errorf("%s: %v", wire, err)
		}
	}
}

func TestOpticalLists(t *testing.T) {
	f := cdb.FormatList{Options: cdb.FormatOptionsValid | cdb.FormatImmed, Type: 0x26, SubType: 1, Blocks: 0x230540, Parameter: 0x10203}
	wire := f.Append(nil)
	if want := unhex(t, "00 82 0008 00230540 99 010203"); !bytes.Equal(wire, want) {
		t.Errorf("built %x", wire)
	}
	if got, err := cdb.ParseFormatList(wire); err != nil || got != f {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := cdb.ParseFormatList(wire[:11]); err != scsi.ParameterListLengthError() {
		t.Error(err)
	}
	wire[3] = 16
	if _, err := cdb.ParseFormatList(wire); err != scsi.InvalidFieldInParameterList(2, -1) {
		t.Error(err)
	}
	s := cdb.StreamList{Options: cdb.StreamDefault, First: 1, Last: 2, ReadSize: 3, ReadTime: 4, WriteSize: 5, WriteTime: 6}
	wire = s.Append(nil)
	if want := unhex(t, "04 000000 00000001 00000002 00000003 00000004 00000005 00000006"); !bytes.Equal(wire, want) {
		t.Errorf("built %x", wire)
	}
	if got, err := cdb.ParseStreamList(wire); err != nil || got != s {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := cdb.ParseStreamList(wire[:27]); err != scsi.ParameterListLengthError() {
		t.Error(err)
	}
}

func FuzzOpticalCDB(f *testing.F) {
	for _, g := range opticalGolden {
		f.Add(unhex(f, g.wire))
	}
	f.Fuzz(func(t *testing.T, c []byte) {
		for name, parse := range opticalParsers {
			got, err := parse(c)
			if err != nil {
				if s := (scsi.Sense{}); !errors.As(err, &s) || s.Key != scsi.KeyIllegalRequest {
					t.Fatalf("%s: %v is no sense", name, err)
				}
				continue
			}
			if back, err := parse(got.Append(nil)); err != nil || back != got {
				t.Fatalf("%s: %+v becomes %+v, %v", name, got, back, err)
			}
		}
		if l, err := cdb.ParseFormatList(c); err == nil {
			if back, err := cdb.ParseFormatList(l.Append(nil)); err != nil || back != l {
				t.Fatalf("%+v becomes %+v, %v", l, back, err)
			}
		}
		if l, err := cdb.ParseStreamList(c); err == nil {
			if back, err := cdb.ParseStreamList(l.Append(nil)); err != nil || back != l {
				t.Fatalf("%+v becomes %+v, %v", l, back, err)
			}
		}
	})
}
