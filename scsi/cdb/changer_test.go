package cdb_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// changerParsers are those of medium changers: some of their operation codes are other commands elsewhere.
var changerParsers = map[string]func([]byte) (builder, error){
	"ElementRange":                func(c []byte) (builder, error) { return cdb.ParseElementRange(c) },
	"ImportExport":                func(c []byte) (builder, error) { return cdb.ParseImportExport(c) },
	"PositionToElement":           func(c []byte) (builder, error) { return cdb.ParsePositionToElement(c) },
	"MoveMedium":                  func(c []byte) (builder, error) { return cdb.ParseMoveMedium(c) },
	"ExchangeMedium":              func(c []byte) (builder, error) { return cdb.ParseExchangeMedium(c) },
	"ReadElementStatus":           func(c []byte) (builder, error) { return cdb.ParseReadElementStatus(c) },
	"RequestVolumeElementAddress": func(c []byte) (builder, error) { return cdb.ParseRequestVolumeElementAddress(c) },
	"SendVolumeTag":               func(c []byte) (builder, error) { return cdb.ParseSendVolumeTag(c) },
}

var changerGolden = []struct {
	parser, wire string
	usage        cdb.Usage // "": that of the table
	want         builder
}{
	{"ElementRange", "37 03 0102 0000 0304 00 00", cdb.UsageInitializeElementStatusWithRange,
		cdb.ElementRange{Opcode: scsi.OpInitializeElementStatusWithRange, Fast: true, Range: true, Start: 0x102, Count: 0x304}},
	{"ElementRange", "e7 01 0102 0000 0304 00 00", cdb.UsageInitializeElementStatusVendor,
		cdb.ElementRange{Opcode: scsi.OpInitializeElementStatusVendor, Range: true, Start: 0x102, Count: 0x304}},
	{"ImportExport", "1b 00 0301 01 00", cdb.UsageImportExportElement, cdb.ImportExport{Element: 0x301, Action: cdb.CloseElement}},
	{"PositionToElement", "2b 00 0001 0401 0000 00 00", cdb.UsagePositionToElement, cdb.PositionToElement{Transport: 1, Destination: 0x401}},
	{"MoveMedium", "a5 00 0001 0401 0101 0000 00 00", "", cdb.MoveMedium{Transport: 1, Source: 0x401, Destination: 0x101}},
	{"ExchangeMedium", "a6 00 0001 0401 0101 0402 00 00", "", cdb.ExchangeMedium{Transport: 1, Source: 0x401, First: 0x101, Second: 0x402}},
	{"ReadElementStatus", "b8 12 0400 0028 01 010203 00 00", "",
		cdb.ReadElementStatus{Tags: true, Type: 2, Start: 0x400, Count: 40, Identifiers: true, Allocation: 0x10203}},
	{"ReadElementStatus", "b8 00 0000 ffff 02 ffffff 00 00", "", cdb.ReadElementStatus{Count: 65535, Current: true, Allocation: 0xffffff}},
	{"RequestVolumeElementAddress", "b5 14 0102 0003 00 001000 00 00", cdb.UsageRequestVolumeElementAddress,
		cdb.RequestVolumeElementAddress{Tags: true, Type: 4, Start: 0x102, Count: 3, Allocation: 4096}},
	{"SendVolumeTag", "b6 02 0102 00 05 0000 0028 00 00", "",
		cdb.SendVolumeTag{Type: 2, Start: 0x102, Action: cdb.SearchPrimaryTags | cdb.SearchAnySequence, Length: 40}},
}

func TestChangerCommandsOnTheWire(t *testing.T) {
	for _, g := range changerGolden {
		wire := unhex(t, g.wire)
		parse := changerParsers[g.parser]
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
		usage := g.usage
		if usage == "" {
			usage = cdb.UsageOf(scsi.Opcode(wire[0]), 0)
		}
		if len(usage) != len(wire) || cdb.CheckUsage(wire, usage) != nil {
			t.Errorf("%s: usage %x", g.wire, usage)
		}
	}
}

func TestSearches(t *testing.T) {
	for action, want := range map[uint8]bool{0: true, 1: true, 2: true, 3: false, 4: true, 5: true, 6: true, 7: false, 8: false, 0x1f: false} {
		if got := (cdb.SendVolumeTag{Action: action}).Searches(); got != want {
			t.Errorf("action %#x: %v", action, got)
		}
	}
}

func TestVolumeTagTemplate(t *testing.T) {
	for _, c := range []struct {
		template, tag string
		want          bool
	}{
		{"LUN001L8", "LUN001L8", true}, {"LUN001L8", "LUN001L9", false}, {"LUN", "LUN001L8", false}, {"LUN001L8", "LUN", false},
		{"*", "LUN001L8", true}, {"*", "", false}, {"", "", false}, {"", "A", false}, {"LUN*", "LUN001L8", true}, {"*L8", "LUN001L8", true},
		{"*L9", "LUN001L8", false}, {"LUN???L8", "LUN001L8", true}, {"LUN??L8", "LUN001L8", false}, {"L*0?L8*", "LUN001L8", true},
		{"**?*", "A", true}, {"?", "A", true}, {"??", "A", false}, {"A*", "A", true}, {"*A*B*C", "xxAyyBzzC", true}, {"*A*B*C", "xxAyyCzzB", false},
		{strings.Repeat("*a", 16), strings.Repeat("a", 31) + "b", false},
	} {
		got, err := cdb.ParseVolumeTagTemplate(cdb.VolumeTagTemplate{Volume: c.template}.Append(nil))
		if err != nil || got.Volume != c.template {
			t.Errorf("%q comes back as %+v, %v", c.template, got, err)
		}
		if got.Matches(c.tag) != c.want {
			t.Errorf("%q matches %q: %v", c.template, c.tag, !c.want)
		}
	}
	whole := cdb.VolumeTagTemplate{Volume: "A", Min: 1, Max: 2}.Append(nil)
	for n := range 60 {
		list := append(whole[:min(n, len(whole)):min(n, len(whole))], make([]byte, max(n-len(whole), 0))...)
		if _, err := cdb.ParseVolumeTagTemplate(list); (err == nil) != (n == 40) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for at, value := range map[int]byte{3: 0x80, 5: 0x1f, 31: 0x7f, 35: 3} {
		bad := bytes.Clone(whole)
		bad[at] = value
		want := at
		if at == 35 {
			want = 38
		}
		if _, err := cdb.ParseVolumeTagTemplate(bad); err != scsi.InvalidFieldInParameterList(want, -1) {
			t.Errorf("byte %d is %#x: %v", at, value, err)
		}
	}
}

func FuzzChangerCDB(f *testing.F) {
	for _, g := range changerGolden {
		f.Add(unhex(f, g.wire))
	}
	f.Fuzz(func(t *testing.T, c []byte) {
		for name, parse := range changerParsers {
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
	})
}

func FuzzVolumeTagTemplate(f *testing.F) {
	f.Add(cdb.VolumeTagTemplate{Volume: "LUN*L?", Max: 3}.Append(nil), "LUN001L8")
	f.Fuzz(func(t *testing.T, list []byte, tag string) {
		got, err := cdb.ParseVolumeTagTemplate(list)
		if err != nil {
			return
		}
		if back, err := cdb.ParseVolumeTagTemplate(got.Append(nil)); err != nil || back != got {
			t.Fatalf("%+v becomes %+v, %v", got, back, err)
		}
		got.Matches(tag[:min(len(tag), 32)])
	})
}
