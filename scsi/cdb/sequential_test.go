package cdb_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// sequential are the parsers of commands of sequential-access devices.
var sequential = map[string]func([]byte) (builder, error){
	"Transfer":        func(c []byte) (builder, error) { return cdb.ParseTransfer(c) },
	"Verify6":         func(c []byte) (builder, error) { return cdb.ParseVerify6(c) },
	"WriteFilemarks":  func(c []byte) (builder, error) { return cdb.ParseWriteFilemarks(c) },
	"Erase":           func(c []byte) (builder, error) { return cdb.ParseErase(c) },
	"FormatMedium":    func(c []byte) (builder, error) { return cdb.ParseFormatMedium(c) },
	"SetCapacity":     func(c []byte) (builder, error) { return cdb.ParseSetCapacity(c) },
	"Space":           func(c []byte) (builder, error) { return cdb.ParseSpace(c) },
	"Locate":          func(c []byte) (builder, error) { return cdb.ParseLocate(c) },
	"ReadPosition":    func(c []byte) (builder, error) { return cdb.ParseReadPosition(c) },
	"Rewind":          func(c []byte) (builder, error) { return cdb.ParseRewind(c) },
	"LoadUnload":      func(c []byte) (builder, error) { return cdb.ParseLoadUnload(c) },
	"ReadBlockLimits": func(c []byte) (builder, error) { return cdb.ParseReadBlockLimits(c) },
	"AllowOverwrite":  func(c []byte) (builder, error) { return cdb.ParseAllowOverwrite(c) },
}

var sequentialGolden = []struct {
	parser, wire string
	want         builder
}{
	{"Transfer", "08 02 100000 00", cdb.Transfer{Opcode: scsi.OpRead6, SILI: true, Length: 1 << 20}},
	{"Transfer", "0f 07 ffffff 00", cdb.Transfer{Opcode: scsi.OpReadReverse6, SILI: true, Fixed: true, Order: true, Length: 1<<24 - 1}},
	{"Transfer", "0a 01 00000a 00", cdb.Transfer{Opcode: scsi.OpWrite6, Fixed: true, Length: 10}},
	{"Transfer", "14 00 000200 00", cdb.Transfer{Opcode: scsi.OpRecoverBufferedData, Length: 512}},
	{"Verify6", "13 18 000001 00", cdb.Verify6{Protection: true, ByFilemarks: true, Length: 1}},
	{"Verify6", "13 21 000000 00", cdb.Verify6{ToEnd: true, Fixed: true}},
	{"WriteFilemarks", "10 01 000002 00", cdb.WriteFilemarks{Immed: true, Count: 2}},
	{"Erase", "19 03 000000 00", cdb.Erase{Immed: true, Long: true}},
	{"FormatMedium", "04 01 02 0000 00", cdb.FormatMedium{Immed: true, Format: 2}},
	{"FormatMedium", "04 02 01 0010 00", cdb.FormatMedium{Verify: true, Format: 1, Length: 16}},
	{"SetCapacity", "0b 01 00 8000 00", cdb.SetCapacity{Immed: true, Proportion: 0x8000}},
	{"Space", "11 01 ffffff 00", cdb.Space{Opcode: scsi.OpSpace6, Code: cdb.SpaceFilemarks, Count: -1}},
	{"Space", "11 00 7fffff 00", cdb.Space{Opcode: scsi.OpSpace6, Count: 1<<23 - 1}},
	{"Space", "91 01 0000 fffffffffffffffe 0000 0000", cdb.Space{Opcode: scsi.OpSpace16, Code: cdb.SpaceFilemarks, Count: -2}},
	{"Locate", "2b 07 00 01020304 00 01 00", cdb.Locate{Opcode: scsi.OpLocate10, Immed: true, Change: true, Device: true, Partition: 1, Identifier: 0x01020304}},
	{"Locate", "92 08 00 00 0000000000000003 0000 0000", cdb.Locate{Opcode: scsi.OpLocate16, Type: cdb.LocateFile, Identifier: 3}},
	{"Locate", "92 1b 01 03 0102030405060708 0000 0000", cdb.Locate{Opcode: scsi.OpLocate16, Type: cdb.LocateEndOfData, Immed: true, Change: true, Explicit: true, Partition: 3, Identifier: big}},
	{"ReadPosition", "34 08 0000000000 0020 00", cdb.ReadPosition{Action: cdb.PositionExtended, Allocation: 32}},
	{"Rewind", "01 01 000000 00", cdb.Rewind{Immed: true}},
	{"LoadUnload", "1b 01 0000 0f 00", cdb.LoadUnload{Immed: true, Hold: true, AtEnd: true, Retension: true, Load: true}},
	{"LoadUnload", "1b 00 0000 08 00", cdb.LoadUnload{Hold: true}},
	{"ReadBlockLimits", "05 01 000000 00", cdb.ReadBlockLimits{MaxObject: true}},
	{"AllowOverwrite", "82 00 01 02 0102030405060708 00000000", cdb.AllowOverwrite{Allow: cdb.OverwriteHere, Partition: 2, Object: big}},
}

func TestSequentialCommandsOnTheWire(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range sequentialGolden {
		seen[g.parser] = true
		wire := unhex(t, g.wire)
		got, err := sequential[g.parser](append(wire, 0xff, 0xff, 0xff))
		if err != nil || got != g.want {
			t.Errorf("%s %s:\n got %+v, %v\nwant %+v", g.parser, g.wire, got, err, g.want)
		}
		if back := g.want.Append(nil); !bytes.Equal(back, wire) {
			t.Errorf("%s: built %x, want %x", g.parser, back, wire)
		}
		for n := range wire {
			if _, err := sequential[g.parser](wire[:n]); err == nil {
				t.Errorf("%s: accepted %d of %d bytes", g.wire, n, len(wire))
			}
		}
		if err := cdb.CheckUsage(wire, cdb.SequentialUsageOf(scsi.Opcode(wire[0]))); err != nil {
			t.Errorf("%s: usage %v", g.wire, err)
		}
		if u := cdb.SequentialUsageOf(scsi.Opcode(wire[0])); len(u) != len(wire) || u[0] != wire[0] {
			t.Errorf("%s: usage %x", g.wire, u)
		}
	}
	for name := range sequential {
		if !seen[name] {
			t.Errorf("%s has no example", name)
		}
	}
	if cdb.SequentialUsageOf(scsi.OpInquiry) != "" {
		t.Error("INQUIRY is no command of their own")
	}
}

func FuzzSequentialCDB(f *testing.F) {
	for _, g := range sequentialGolden {
		f.Add(unhex(f, g.wire))
	}
	f.Fuzz(func(t *testing.T, c []byte) {
		for name, parse := range sequential {
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
