package changer_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// filled is a library with something of everything.
func filled() *inventory {
	inv := newInventory(2, 2, 4)
	inv.put(0x401, "LUN001L8")
	inv.put(0x402, "CLN001L8").Cleaning = true
	inv.put(0x403, "WRM001LY").WORM = true
	inv.put(0x404, "").Full = true // unlabelled
	inv.put(0x301, "LUN002L8").Imported = true
	d := inv.put(0x101, "LUN003L8")
	d.Source, d.SourceValid, d.Access = 0x401, true, false
	inv.at(0x102).Problem, inv.at(0x102).Disabled = 0x8304, true
	return inv
}

// TestStatusBytes: each byte of READ ELEMENT STATUS, for each combination of VOLTAG and DVCID.
func TestStatusBytes(t *testing.T) {
	b := newBench(t, filled())
	tag := func(s string) string { return fmt.Sprintf("%x", s+strings.Repeat(" ", 32-len(s))) + "00000000" }
	none := strings.Repeat("00", 36)
	id := func(n int) string {
		return "02010022" + fmt.Sprintf("%x", fmt.Sprintf("IBM     ULT3580-TD8     DRV000000%d", n))
	}
	for _, c := range []struct {
		kind      uint8
		tags, ids bool
		want      string
	}{
		{1, false, false, "0001 0001 00 000018  01 00 0010 00 000010  0001 00 00 0000 000000 00 0000 00000000"},
		{1, true, true, "0001 0001 00 00003c  01 80 0034 00 000034  0001 00 00 0000 000000 00 0000" + none + "00000000"},
		{2, false, false, "0401 0004 00 000048  02 00 0010 00 000040" +
			"0401 09 00 0000 000000 01 0000 00000000  0402 09 00 0000 000000 02 0000 00000000" +
			"0403 09 00 0000 000000 04 0000 00000000  0404 09 00 0000 000000 01 0000 00000000"},
		{2, true, false, "0401 0004 00 0000d8  02 80 0034 00 0000d0" +
			"0401 09 00 0000 000000 01 0000" + tag("LUN001L8") + "00000000  0402 09 00 0000 000000 02 0000" + tag("CLN001L8") + "00000000" +
			"0403 09 00 0000 000000 04 0000" + tag("WRM001LY") + "00000000  0404 09 00 0000 000000 01 0000" + none + "00000000"},
		{3, false, true, "0301 0002 00 000028  03 00 0010 00 000020  0301 3b 00 0000 000000 01 0000 00000000  0302 38 00 0000 000000 00 0000 00000000"},
		{4, false, false, "0101 0002 00 000028  04 00 0010 00 000020  0101 01 00 0000 000000 81 0401 00000000  0102 0c 00 8304 000000 08 0000 00000000"},
		{4, true, false, "0101 0002 00 000070  04 80 0034 00 000068  0101 01 00 0000 000000 81 0401" + tag("LUN003L8") + "00000000" +
			"0102 0c 00 8304 000000 08 0000" + none + "00000000"},
		{4, false, true, "0101 0002 00 00006c  04 00 0032 00 000064  0101 01 00 0000 000000 81 0401" + id(0) + "0102 0c 00 8304 000000 08 0000" + id(1)},
		{4, true, true, "0101 0002 00 0000b4  04 80 0056 00 0000ac  0101 01 00 0000 000000 81 0401" + tag("LUN003L8") + id(0) +
			"0102 0c 00 8304 000000 08 0000" + none + id(1)},
	} {
		r := cdb.ReadElementStatus{Type: c.kind, Tags: c.tags, Identifiers: c.ids, Count: 0xffff, Allocation: 4096}
		want := strings.ReplaceAll(c.want, " ", "")
		for _, r.Current = range []bool{false, true} {
			whole := b.good(r.Append(nil), nil, 4096)
			if got := fmt.Sprintf("%x", whole); got != want {
				t.Errorf("%+v:\n got %s\nwant %s", r, got, want)
			}
			for _, n := range []int{0, 1, 7, 8, 12, 16, 17, len(whole) - 1, len(whole)} { // lengths stay, data is cut
				short := r
				short.Allocation = uint32(n)
				if got := b.good(short.Append(nil), nil, 4096); !bytes.Equal(got, whole[:n]) {
					t.Errorf("%d bytes of %+v: %x", n, r, got)
				}
			}
		}
	}
	b.fails(cdb.ReadElementStatus{Type: 5, Count: 1, Allocation: 255}.Append(nil), nil, scsi.InvalidFieldInCDB(1, 3))
}

// TestRanges: type 0 has a page for each run of a type, in order of addresses; a start need not be an address; a count is that of
// all types.
func TestRanges(t *testing.T) {
	b := newBench(t, filled())
	addresses := func(s page.ElementStatus) (all []string) {
		for _, e := range s.Elements {
			all = append(all, fmt.Sprintf("%d:%x", e.Type, e.Address))
		}
		return all
	}
	for _, c := range []struct {
		kind         uint8
		start, count uint16
		want         string
	}{
		{0, 0, 0xffff, "1:1 4:101 4:102 3:301 3:302 2:401 2:402 2:403 2:404"},
		{0, 0, 4, "1:1 4:101 4:102 3:301"},
		{0, 0x102, 3, "4:102 3:301 3:302"},
		{0, 0x103, 2, "3:301 3:302"}, // there is no such address
		{2, 0, 2, "2:401 2:402"},
		{2, 0x403, 0xffff, "2:403 2:404"},
		{4, 0x200, 5, ""},
		{0, 0xffff, 5, ""},
		{0, 0, 0, ""},
	} {
		s := b.status(cdb.ReadElementStatus{Type: c.kind, Start: c.start, Count: c.count, Tags: true})
		if got := strings.Join(addresses(s), " "); got != c.want {
			t.Errorf("type %d from %x, %d: %s, want %s", c.kind, c.start, c.count, got, c.want)
		}
		if len(s.Elements) > 0 && s.Header.First != s.Elements[0].Address {
			t.Errorf("first %x", s.Header.First)
		}
	}
}

// TestIdentifiers: those of makers' libraries.
func TestIdentifiers(t *testing.T) {
	b := newBench(t, newInventory(1, 0, 1), func(c *changer.Config) {
		c.Model.Identifier, c.Model.IdentifierLength, c.Model.IdentifierAlways = "serial", 20, true
	})
	for _, r := range []cdb.ReadElementStatus{{Type: 4, Count: 9}, {Type: 4, Count: 9, Tags: true, Identifiers: true}} {
		e := b.status(r).Elements[0]
		if d := e.Identifier; d.Type != page.DesignatorVendorSpecific || d.CodeSet != page.CodeASCII || string(d.Data) != "DRV0000000          " {
			t.Errorf("%+v", d)
		}
	}
}

// TestTags: SEND VOLUME TAG and REQUEST VOLUME ELEMENT ADDRESS.
func TestTags(t *testing.T) {
	b := newBench(t, filled())
	send := func(action uint8, template cdb.VolumeTagTemplate, change ...func(*cdb.SendVolumeTag)) ([]byte, []byte) {
		c := cdb.SendVolumeTag{Action: action, Length: cdb.VolumeTagTemplateLen}
		for _, f := range change {
			f(&c)
		}
		return c.Append(nil), template.Append(nil)
	}
	request := func(r cdb.RequestVolumeElementAddress) string {
		t.Helper()
		r.Allocation = 4096
		s, err := page.ParseElementStatus(b.good(r.Append(nil), nil, 4096))
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, e := range s.Elements {
			all = append(all, fmt.Sprintf("%x%s", e.Address, e.Tag))
		}
		return fmt.Sprintf("%d %s", s.Header.Action, strings.Join(all, " "))
	}
	b.fails(cdb.RequestVolumeElementAddress{Count: 9, Allocation: 255}.Append(nil), nil, scsi.IllegalRequest(scsi.ASCCommandSequenceError))
	all := cdb.RequestVolumeElementAddress{Count: 9}
	for _, c := range []struct {
		action   uint8
		template string
		want     string
	}{
		{cdb.SearchAnySequence, "LUN*", "4 101 301 401"}, {cdb.SearchPrimaryTags, "LUN00?L8", "1 101 301 401"}, {0, "*", "0 101 301 401 402 403"},
		{0, "CLN001L8", "0 402"}, {0, "NONE", "0 "}, {cdb.SearchAlternateTags, "*", "2 "}, {cdb.SearchAnySequence | cdb.SearchAlternateTags, "*", "6 "},
	} {
		x, list := send(c.action, cdb.VolumeTagTemplate{Volume: c.template})
		b.good(x, list, 0)
		if got := request(all); got != c.want {
			t.Errorf("action %d, %q: %q, want %q", c.action, c.template, got, c.want)
		}
	}
	b.good2(send(0, cdb.VolumeTagTemplate{Volume: "*", Min: 1, Max: 3}))
	if got := request(all); got != "0 " {
		t.Errorf("sequence numbers: %s", got)
	}
	b.good2(send(cdb.SearchAnySequence, cdb.VolumeTagTemplate{Volume: "*", Min: 1, Max: 3}, func(c *cdb.SendVolumeTag) { c.Type, c.Start = 2, 0x402 }))
	if got := request(cdb.RequestVolumeElementAddress{Tags: true, Count: 9}); got != "4 402CLN001L8 403WRM001LY" {
		t.Error(got)
	}
	if got := request(cdb.RequestVolumeElementAddress{Type: 2, Start: 0x403, Count: 1}); got != "4 403" {
		t.Error(got)
	}
	// What the other nexus looks for is its own.
	if r, _ := b.do(b.other, all.Append(nil), nil, 255); r.Sense.ASC != scsi.ASCCommandSequenceError {
		t.Error(r.Sense)
	}
	for _, action := range []uint8{3, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0x1f} {
		x, list := send(action, cdb.VolumeTagTemplate{})
		b.fails(x, list, scsi.InvalidFieldInCDB(5, 4))
	}
	x, list := send(0, cdb.VolumeTagTemplate{}, func(c *cdb.SendVolumeTag) { c.Type = 5 })
	b.fails(x, list, scsi.InvalidFieldInCDB(1, 3))
	for _, n := range []uint16{0, 1, 39, 41} {
		b.fails(cdb.SendVolumeTag{Length: n}.Append(nil), make([]byte, n), scsi.ParameterListLengthError())
	}
	bad := make([]byte, 40)
	bad[3] = 0x80
	b.fails(cdb.SendVolumeTag{Length: 40}.Append(nil), bad, scsi.InvalidFieldInParameterList(3, -1))
}

func (b *bench) good2(c, out []byte) {
	b.Helper()
	b.good(c, out, 0)
}

// TestEveryAddress: 65535 elements are answered, exactly, and a short allocation costs no more than that.
func TestEveryAddress(t *testing.T) {
	inv := &inventory{elements: []changer.Element{{Address: 0, Type: changer.Transport}}}
	for i := 1; i < 65536; i++ {
		e := changer.Element{Address: uint16(i), Type: changer.Storage, Access: true, Full: true, Barcode: fmt.Sprintf("B%05dL8", i)}
		if i%2 == 0 { // pages of one element each
			e.Type, e.Drive = changer.Drive, &changer.Identifier{Vendor: "V", Product: "P", Serial: fmt.Sprint(i)}
		}
		inv.elements = append(inv.elements, e)
	}
	b := newBench(t, inv)
	start := time.Now()
	s := b.status(cdb.ReadElementStatus{Count: 0xffff, Tags: true, Identifiers: true})
	t.Logf("all of it: %v", time.Since(start))
	if s.Header.Count != 65535 || s.Elements[65534].Tag != "B65534L8" {
		t.Errorf("%+v", s.Header)
	}
	short := b.good(cdb.ReadElementStatus{Count: 0xffff, Tags: true, Identifiers: true, Allocation: 8}.Append(nil), nil, 8)
	if binary.BigEndian.Uint16(short[2:]) != 65535 || binary.BigEndian.Uint32(short[4:]) != s.Header.Bytes {
		t.Errorf("%x", short)
	}
	b.good(cdb.SendVolumeTag{Length: 40}.Append(nil), cdb.VolumeTagTemplate{Volume: "*7*L8"}.Append(nil), 0)
	found := b.good(cdb.RequestVolumeElementAddress{Type: 2, Count: 0xffff, Allocation: wholeStatus}.Append(nil), nil, wholeStatus)
	if a, err := page.ParseElementStatus(found); err != nil || len(a.Elements) < 5000 {
		t.Error(len(a.Elements), err)
	}
	sense := b.good(cdb.LogSense{Control: cdb.LogCumulative, Page: page.LogElementStatistics, Allocation: 65535}.Append(nil), nil, 65535)
	if int(binary.BigEndian.Uint16(sense[2:])) != len(sense)-4 || len(sense) != 4 {
		t.Errorf("%d bytes of statistics of elements that nothing has happened to", len(sense))
	}
	b.good(cdb.MoveMedium{Source: 1, Destination: 1}.Append(nil), nil, 0)
}
