package optical

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The discs of tests: of each profile one.
var (
	none  = shape{}
	cd    = shapeOf(332_800, false) // 74 minutes
	dvd   = shapeOf(2_000_000, false)
	dual  = shapeOf(4_000_000, false)
	bd    = shapeOf(12_000_000, false)
	dvdrw = shapeOf(2_295_104, true)
	bdre  = shapeOf(11_826_176, true)
)

func TestProfilesBySize(t *testing.T) {
	for _, c := range []struct {
		bytes    int64
		writable bool
		want     string
	}{
		{0, false, ""}, {2048, false, "CD-ROM"}, {2048, true, "DVD+RW"},
		{912_384_000, false, "CD-ROM"}, {912_384_000 + 2048, false, "DVD-ROM"}, // 99 minutes
		{4_700_372_992, false, "DVD-ROM"}, {4_700_372_992, true, "DVD+RW"}, {4_700_372_992 + 2048, true, "BD-RE"},
		{8_547_991_552, false, "DVD-ROM"}, {8_547_991_552 + 2048, false, "BD-ROM"},
		{128 << 30, false, "BD-ROM"}, {128 << 30, true, "BD-RE"},
	} {
		s := shapeOf(uint64(c.bytes/BlockSize), c.writable)
		if got := s.profile.String(); got != c.want || int64(s.blocks)*BlockSize != c.bytes {
			t.Errorf("%d bytes, writable %v: %q with %d blocks, want %q", c.bytes, c.writable, got, s.blocks, c.want)
		}
	}
	if s := shapeOf(1<<40, false); s.blocks != 1<<32-1 {
		t.Errorf("%d blocks", s.blocks)
	}
}

// Times of blocks (MMC-6 table 709, ECMA-130 22.3.4.2): 150 frames before block 0.
func TestTimes(t *testing.T) {
	for lba, want := range map[uint32]page.TOCAddress{
		0: 0x000200, 16: 0x000210, 74: 0x00024a, 75: 0x000300, 4350: 0x010000, 332_850: 0x4a0000,
		mostOfCD: 0x630200, 449_849: 0x633b4a, // the last that a CD can say, 99:59:74
		449_850: 0x640000, 1_151_849: 0xff3b4a, 1_151_850: 0xff3b4a, 1<<32 - 1: 0xff3b4a,
	} {
		if got := msf(lba); got != want {
			t.Errorf("block %d is at %06x, want %06x", lba, got, want)
		}
	}
	for lba := uint32(0); lba < mostOfCD; lba += 1237 { // and back, as READ CD MSF does
		if n, ok := frames(uint32(msf(lba))); !ok || n != uint64(lba)+leadIn {
			t.Fatalf("block %d is frame %d, %v", lba, n, ok)
		}
	}
}

func TestTablesOfContents(t *testing.T) {
	for _, c := range []struct {
		name string
		disc shape
		cdb  cdb.ReadTOC
		want string
	}{
		{"tracks", cd, cdb.ReadTOC{}, "0012 01 01 00 14 01 00 00000000 00 14 aa 00 00051400"},
		{"tracks in time", cd, cdb.ReadTOC{MSF: true, Track: 1}, "0012 01 01 00 14 01 00 00000200 00 14 aa 00 0049 3b19"},
		{"the lead-out", cd, cdb.ReadTOC{Track: 0xaa}, "000a 01 01 00 14 aa 00 00051400"},
		{"sessions", cd, cdb.ReadTOC{Format: cdb.TOCSessions}, "000a 01 01 00 14 01 00 00000000"},
		{"sessions in time", cd, cdb.ReadTOC{MSF: true, Format: cdb.TOCSessions}, "000a 01 01 00 14 01 00 00000200"},
		{"all", cd, cdb.ReadTOC{MSF: true, Format: cdb.TOCFull, Track: 1},
			"002e 01 01 01 14 00 a0 000000 00 01 00 00 01 14 00 a1 000000 00 01 00 00 01 14 00 a2 000000 00 493b19 01 14 00 01 000000 00 000200"},
		{"a DVD", dvd, cdb.ReadTOC{}, "0012 01 01 00 14 01 00 00000000 00 14 aa 00 001e8480"},
		{"a DVD in time", dvd, cdb.ReadTOC{MSF: true}, "0012 01 01 00 14 01 00 00000200 00 14 aa 00 00ff3b4a"},
	} {
		got, err := c.disc.toc(c.cdb)
		if err != nil || !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%s: %v\n got %x\nwant %s", c.name, err, got, c.want)
		}
	}
	for _, c := range []struct {
		cdb  cdb.ReadTOC
		want scsi.Sense
	}{
		{cdb.ReadTOC{Track: 2}, scsi.InvalidFieldInCDB(6, -1)},
		{cdb.ReadTOC{Track: 0xab}, scsi.InvalidFieldInCDB(6, -1)},
		{cdb.ReadTOC{Format: cdb.TOCFull, Track: 2}, scsi.InvalidFieldInCDB(6, -1)},
		{cdb.ReadTOC{Format: cdb.TOCPMA}, scsi.InvalidFieldInCDB(2, 3)},
		{cdb.ReadTOC{Format: cdb.TOCATIP}, scsi.InvalidFieldInCDB(2, 3)},
		{cdb.ReadTOC{Format: cdb.TOCText}, scsi.InvalidFieldInCDB(2, 3)},
	} {
		if b, err := cd.toc(c.cdb); err != c.want || b != nil {
			t.Errorf("%+v: %v, %x", c.cdb, err, b)
		}
	}
}

// The first disc is that of QEMU's drive: the same bytes but for addresses that there are none of.
func TestInformation(t *testing.T) {
	for _, c := range []struct {
		disc shape
		want string
	}{
		{cd, "0020 0e 01 01 01 01 20 00 00 00 00 00000000 ffffffff ffffffff 0000000000000000 00 00"},
		{dvd, "0020 0e 01 01 01 01 20 00 00 00 00 00000000 00000000 00000000 0000000000000000 00 00"},
		{bd, "0020 0e 01 01 01 01 20 00 00 00 00 00000000 00000000 00000000 0000000000000000 00 00"},
		{dvdrw, "0020 1e 01 01 01 01 23 00 00 00 00 00000000 00000000 00000000 0000000000000000 00 00"},
		{bdre, "0020 1e 01 01 01 01 20 00 00 00 00 00000000 00000000 00000000 0000000000000000 00 00"},
	} {
		got, err := c.disc.information(cdb.ReadDiscInformation{})
		if err != nil || !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%v: %v\n got %x\nwant %s", c.disc.profile, err, got, c.want)
		}
	}
	if _, err := cd.information(cdb.ReadDiscInformation{Type: cdb.DiscTrackResources}); err != scsi.InvalidFieldInCDB(1, 2) {
		t.Error(err)
	}
}

func TestTracks(t *testing.T) {
	for _, c := range []struct {
		disc shape
		cdb  cdb.ReadTrackInformation
		want string
		err  error
	}{
		{cd, cdb.ReadTrackInformation{Type: cdb.TrackByNumber, Address: 1}, "002e 01 01 00 04 01 02 00000000 00000000 00000000 00000000 00051400 000513ff 00 00 0000" + "00000000 00000000 00000000", nil},
		{dvdrw, cdb.ReadTrackInformation{Address: 2_295_103}, "002e 01 01 00 04 31 02 00000000 00000000 00000000 00000010 00230540 0023053f 00 00 0000" + "00000000 00000000 00000000", nil},
		{bd, cdb.ReadTrackInformation{Type: cdb.TrackBySession, Address: 1}, "002e 01 01 00 04 01 02 00000000 00000000 00000000 00000020 00b71b00 00b71aff 00 00 0000" + "00000000 00000000 00000000", nil},
		{cd, cdb.ReadTrackInformation{Address: 332_800}, "", scsi.LBAOutOfRange()},
		{cd, cdb.ReadTrackInformation{Type: cdb.TrackByNumber, Address: 2}, "", scsi.InvalidFieldInCDB(2, -1)},
		{cd, cdb.ReadTrackInformation{Type: cdb.TrackByNumber}, "", scsi.InvalidFieldInCDB(2, -1)},
		{cd, cdb.ReadTrackInformation{Type: cdb.TrackByNumber, Address: 0xff}, "", scsi.InvalidFieldInCDB(2, -1)},
		{cd, cdb.ReadTrackInformation{Type: cdb.TrackBySession, Address: 2}, "", scsi.InvalidFieldInCDB(2, -1)},
		{cd, cdb.ReadTrackInformation{Type: 3, Address: 1}, "", scsi.InvalidFieldInCDB(1, 1)},
		{cd, cdb.ReadTrackInformation{Open: true, Type: cdb.TrackByNumber, Address: 1}, "", scsi.InvalidFieldInCDB(1, 2)},
	} {
		got, err := c.disc.track(c.cdb)
		if err != c.err || !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%v, %+v: %v\n got %x\nwant %s", c.disc.profile, c.cdb, err, got, c.want)
		}
	}
}

func TestFormatsOfDiscs(t *testing.T) {
	for _, c := range []struct {
		disc shape
		want string
	}{
		{none, "000000 08 00230540 03 000800"},
		{cd, "000000 08 00051400 02 000800"},
		{dvdrw, "000000 10 00230540 02 000800 00230540 98 000000"},
		{bdre, "000000 20 00b47400 02 000800 00b47400 00 000800 00b47400 c0 000000 00b47400 c4 000000"},
	} {
		if got := c.disc.formats(); !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%v:\n got %x\nwant %s", c.disc.profile, got, c.want)
		}
	}
}

func TestPerformances(t *testing.T) {
	nominal := cdb.GetPerformance{Data: 0x10, Maximum: 8}
	with := func(change func(g *cdb.GetPerformance)) cdb.GetPerformance { g := nominal; change(&g); return g }
	for _, c := range []struct {
		name string
		disc shape
		cdb  cdb.GetPerformance
		want string
		err  error
	}{
		{"nominal", cd, nominal, "00000014 00 000000 00000000 00002113 000513ff 00002113", nil},
		{"writing", dvdrw, with(func(g *cdb.GetPerformance) { g.Data |= cdb.PerformanceWrite }), "00000014 02 000000 00000000 00005690 0023053f 00005690", nil},
		{"writing what cannot be", dvd, with(func(g *cdb.GetPerformance) { g.Data |= cdb.PerformanceWrite }), "00000004 02 000000", nil},
		{"no room", cd, with(func(g *cdb.GetPerformance) { g.Maximum = 0 }), "00000004 00 000000", nil},
		{"no disc", none, nominal, "00000004 00 000000", nil},
		{"exceptions", cd, with(func(g *cdb.GetPerformance) { g.Data |= 2 }), "00000004 01 000000", nil},
		{"another tolerance", cd, cdb.GetPerformance{Maximum: 8}, "", scsi.InvalidFieldInCDB(1, 4)},
		{"reserved", cd, cdb.GetPerformance{Data: 0x13, Maximum: 8}, "", scsi.InvalidFieldInCDB(1, 4)},
		{"behind the end", cd, with(func(g *cdb.GetPerformance) { g.LBA = 332_800 }), "", scsi.LBAOutOfRange()},
		{"write speeds", bdre, cdb.GetPerformance{Type: cdb.PerformanceWriteSpeeds, Maximum: 8}, "00000014 00000000 02 000000 00b473ff 0000d2c2 0000d2c2", nil},
		{"no write speeds", bd, cdb.GetPerformance{Type: cdb.PerformanceWriteSpeeds, Maximum: 8}, "00000004 00000000", nil},
		{"write speeds of a kind", bdre, cdb.GetPerformance{Data: 1, Type: cdb.PerformanceWriteSpeeds}, "", scsi.InvalidFieldInCDB(1, 4)},
		{"defects", bdre, cdb.GetPerformance{Type: cdb.PerformanceDefects, Maximum: 8}, "", scsi.InvalidFieldInCDB(10, -1)},
	} {
		got, err := c.disc.performance(c.cdb)
		if err != c.err || !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%s: %v\n got %x\nwant %s", c.name, err, got, c.want)
		}
	}
}

func TestStructures(t *testing.T) {
	get := func(s shape, c cdb.ReadDiscStructure) ([]byte, error) { return s.structure(c, true) }
	for _, c := range []struct {
		name string
		disc shape
		cdb  cdb.ReadDiscStructure
		want string // of the first bytes
		n    int
		err  error
	}{
		{"DVD-ROM", dvd, cdb.ReadDiscStructure{}, "0802 0000 01 02 01 00 00030000 0021847f 00000000 00", 2052, nil},
		{"of two layers", dual, cdb.ReadDiscStructure{Layer: 1}, "0802 0000 01 02 31 10 00030000 00fcffff 0021847f 00", 2052, nil},
		{"DVD+RW", dvdrw, cdb.ReadDiscStructure{}, "0802 0000 92 0f 04 00 00030000 0026053f 00000000 00", 2052, nil},
		{"copyright", dvd, cdb.ReadDiscStructure{Format: 1}, "0006 0000 00 00 0000", 8, nil},
		{"manufacturer", dvd, cdb.ReadDiscStructure{Format: 4}, "0802 0000 00", 2052, nil},
		{"protection", dvdrw, cdb.ReadDiscStructure{Format: 0xc0}, "0006 0000 01 000000", 8, nil},
		{"of a ROM", dvd, cdb.ReadDiscStructure{Format: 0xc0}, "", 0, scsi.InvalidFieldInCDB(7, -1)},
		{"BD-ROM", bd, cdb.ReadDiscStructure{Media: 1}, "1002 0000 4449 01 01 0000 70 00 42444f 01", 4100, nil},
		{"BD-RE", bdre, cdb.ReadDiscStructure{Media: 1}, "1002 0000 4449 01 01 0000 70 00 424457 12", 4100, nil},
		{"cartridge", bdre, cdb.ReadDiscStructure{Media: 1, Format: 9}, "0006 0000 00000000", 8, nil},
		{"spares", bdre, cdb.ReadDiscStructure{Media: 1, Format: 10}, "000e 0000 00000000 00000000 00000000", 16, nil},
		{"no spares", bd, cdb.ReadDiscStructure{Media: 1, Format: 10}, "", 0, scsi.InvalidFieldInCDB(7, -1)},
		{"list", cd, cdb.ReadDiscStructure{Format: 0xff}, "0016 0000 00 40 0804 01 40 0008 04 40 0804 c0 40 0008 ff 40 0018", 24, nil},
		{"of a CD", cd, cdb.ReadDiscStructure{}, "", 0, scsi.IllegalRequest(scsi.ASCIncompatibleFormat)},
		{"of no disc", none, cdb.ReadDiscStructure{}, "", 0, scsi.IllegalRequest(scsi.ASCIncompatibleFormat)},
		{"BD's of a DVD", dvd, cdb.ReadDiscStructure{Media: 1}, "", 0, scsi.IllegalRequest(scsi.ASCIncompatibleFormat)},
		{"DVD's of a BD", bd, cdb.ReadDiscStructure{}, "", 0, scsi.IllegalRequest(scsi.ASCIncompatibleFormat)},
		{"media type", dvd, cdb.ReadDiscStructure{Media: 2}, "", 0, scsi.InvalidFieldInCDB(1, 3)},
		{"layer", dvd, cdb.ReadDiscStructure{Layer: 1}, "", 0, scsi.InvalidFieldInCDB(6, -1)},
		{"format", dvd, cdb.ReadDiscStructure{Format: 2}, "", 0, scsi.InvalidFieldInCDB(7, -1)},
	} {
		got, err := get(c.disc, c.cdb)
		if err != c.err || len(got) != c.n || !bytes.HasPrefix(got, unhex(t, c.want)) {
			t.Errorf("%s: %v, %d bytes\n got %x\nwant %s", c.name, err, len(got), got[:min(len(got), 24)], c.want)
		}
	}
	// Every structure that the list has can be read, with the length that it says.
	for _, s := range []shape{dvdrw, bdre} {
		media := uint8(cdb.StructureDVD)
		if s.profile.isBD() {
			media = cdb.StructureBD
		}
		for _, e := range s.structures(media) {
			got, err := get(s, cdb.ReadDiscStructure{Media: media, Format: e.Format})
			if err != nil || len(got) != int(e.Length) {
				t.Errorf("%v, structure %02x: %d bytes of %d, %v", s.profile, e.Format, len(got), e.Length, err)
			}
		}
	}
}

// The features that MMC-6 5.4 makes mandatory for its profiles.
func TestFeaturesOfProfiles(t *testing.T) {
	always := []uint16{0x0000, 0x0001, 0x0002, 0x0003, 0x0100, 0x0105}
	for _, c := range []struct {
		disc shape
		more []uint16
	}{
		{none, nil},
		{cd, []uint16{0x0010, 0x001e}},
		{dvd, []uint16{0x0010, 0x001f, 0x0107}},
		{bd, []uint16{0x0010, 0x0040, 0x0107}},
		{dvdrw, []uint16{0x0010, 0x001f, 0x0020, 0x0023, 0x002a, 0x0107}},
		{bdre, []uint16{0x0010, 0x0020, 0x0023, 0x0024, 0x0040, 0x0041, 0x0107}},
	} {
		want := append(slices.Clone(always), c.more...)
		want = append(want, 0x0108) // of the drive
		slices.Sort(want)
		b, err := c.disc.configuration(cdb.GetConfiguration{Which: cdb.CurrentFeatures}, "S1")
		if err != nil {
			t.Fatal(err)
		}
		current, all, err := page.ParseFeatures(b)
		if err != nil || current != uint16(c.disc.profile) {
			t.Errorf("%v: profile %04x, %v", c.disc.profile, current, err)
		}
		var got []uint16
		for _, f := range all {
			got = append(got, f.Code)
			if !f.Current {
				t.Errorf("%v: %04x is not current", c.disc.profile, f.Code)
			}
			if f.Persistent != (slices.Contains(always, f.Code) || f.Code == 0x0108) {
				t.Errorf("%v: %04x is persistent: %v", c.disc.profile, f.Code, f.Persistent)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: features %04x, want %04x", c.disc.profile, got, want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	codes := func(c cdb.GetConfiguration) []uint16 {
		b, err := dvd.configuration(c, "S1")
		if err != nil {
			t.Fatal(err)
		}
		_, all, err := page.ParseFeatures(b)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint16
		for _, f := range all {
			got = append(got, f.Code)
		}
		return got
	}
	for _, c := range []struct {
		cdb  cdb.GetConfiguration
		want []uint16
	}{
		{cdb.GetConfiguration{First: 0x0100}, []uint16{0x0100, 0x0105, 0x0107, 0x0108}},
		{cdb.GetConfiguration{First: 0x0108, Which: cdb.CurrentFeatures}, []uint16{0x0108}},
		{cdb.GetConfiguration{First: 0x001f, Which: cdb.OneFeature}, []uint16{0x001f}},
		{cdb.GetConfiguration{First: 0x001e, Which: cdb.OneFeature}, []uint16{0x001e}}, // there, and not current
		{cdb.GetConfiguration{First: 0x001d, Which: cdb.OneFeature}, nil},
		{cdb.GetConfiguration{First: 0xffff}, nil},
	} {
		if got := codes(c.cdb); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %04x, want %04x", c.cdb, got, c.want)
		}
	}
	if all := codes(cdb.GetConfiguration{}); len(all) != len(featureTable) || !slices.IsSorted(all) {
		t.Errorf("%04x", all)
	}
	if _, err := dvd.configuration(cdb.GetConfiguration{Which: 3}, ""); err != scsi.InvalidFieldInCDB(1, 1) {
		t.Error(err)
	}
	// The last block of the random writable feature is that of the disc.
	b, _ := dvdrw.configuration(cdb.GetConfiguration{Which: cdb.OneFeature, First: 0x20}, "")
	if want := unhex(t, "00000014 0000 001a 0020 05 0c 0023053f 00000800 0010 01 00"); !bytes.Equal(b, want) {
		t.Errorf("%x", b)
	}
}

// Each command that a feature promises is in the table of the drive, or of all device types.
func TestFeaturesHaveTheirCommands(t *testing.T) {
	have := map[scsi.Opcode]bool{scsi.OpInquiry: true, scsi.OpRequestSense: true, scsi.OpModeSelect10: true, scsi.OpModeSense10: true}
	for _, c := range new(Drive).commands() {
		have[c.Op] = true
	}
	for _, f := range featureTable {
		for _, op := range f.commands {
			if !have[op] {
				t.Errorf("feature %04x promises %s, which there is not", f.code, scsi.CommandNameFor(scsi.TypeOptical, op, 0))
			}
		}
	}
}
