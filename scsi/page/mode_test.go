package page_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

var cachePage = page.Caching{WriteCache: true}

func TestModePages(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"01", page.ErrorRecovery{AutoWriteReallocation: true, AutoReadReallocation: true, ReadRetries: 1, WriteRetries: 2, TimeLimit: 3}.Append(nil), "01 0a c0 01 00000000 02 00 0003"},
		{"08", page.Caching{WriteCache: true, NoReadCache: true, NoReadAhead: true, ForceSequential: true, NoNonVolatile: true, NoPrefetchOver: 1, MinPrefetch: 2, MaxPrefetch: 3, MaxPrefetchCeil: 4, CacheSegments: 5, CacheSegmentBytes: 6}.Append(nil),
			"08 12 05 00 0001 0002 0003 0004 a1 05 0006 00000000"},
		{"0A", page.Control{DescriptorSense: true, NoLogSave: true, QueueAlgorithm: 1, Interlock: 3, WriteProtect: true, TaskAbortedStatus: true, BusyTimeout: 0xffff, SelfTestTime: 30}.Append(nil), "0a 0a 06 10 38 40 0000 ffff 001e"},
		{"1C", page.Exceptions{Disabled: true, Method: 6, Interval: 1, Reports: 2}.Append(nil), "1c 0a 08 06 00000001 00000002"},
		{"block", page.BlockDescriptor{Blocks: 1 << 32, BlockSize: 4096}.Append(nil), "ffffffff 00001000"},
		{"long block", page.BlockDescriptor{Blocks: 1 << 32, BlockSize: 4096}.AppendLong(nil), "0000000100000000 00000000 00001000"},
		{"mode 6", page.AppendMode6(nil, page.ModeHeader{Device: page.ModeDPOFUA}, []byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{9}), "0c 00 10 08 0102030405060708 09"},
		{"mode 10", page.AppendMode10(nil, page.ModeHeader{Device: page.ModeWriteProtected}, true, nil, []byte{9}), "0007 00 80 01 00 0000 09"},
		{"log 00", page.AppendSupportedLogs(nil, 0x2f, 0, 0x0d), "00 00 0003 00 0d 2f"},
		{"log 00/FF", page.AppendSupportedSublogs(nil, page.LogCode{}, page.LogCode{Subpage: 0xff}), "40 ff 0004 0000 00ff"},
		{"log 0F/FF", page.AppendSupportedSubpages(nil, 0x0f, 0, 2, 0xff), "4f ff 0006 0f00 0f02 0fff"},
		{"log 2F", page.AppendExceptionsLog(nil, scsi.ASCThresholdReached, 255), "2f 00 0008 0000 03 04 3807 ff 00"},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, c.got, want)
		}
	}
}

func TestParseModeSelect(t *testing.T) {
	body := cachePage.Append(page.Control{}.Append(nil))
	block := page.BlockDescriptor{Blocks: 10, BlockSize: 512}
	sub := unhex(t, "4a 01 0002 0102")
	for _, c := range []struct {
		name   string
		list   []byte
		ten    bool
		block  bool
		pages  int
		offset int // of the last page
	}{
		{"empty", nil, false, false, 0, 0},
		{"6", page.AppendMode6(nil, page.ModeHeader{}, nil, body), false, false, 2, 16},
		{"6 with block", page.AppendMode6(nil, page.ModeHeader{}, block.Append(nil), body), false, true, 2, 24},
		{"10 with long block", page.AppendMode10(nil, page.ModeHeader{}, true, block.AppendLong(nil), append(body, sub...)), true, true, 3, 8 + 16 + 32},
	} {
		l, err := page.ParseModeSelect(c.list, c.ten)
		if err != nil || l.HasBlock != c.block || c.block && l.Block != block {
			t.Errorf("%s: %+v, %v", c.name, l, err)
		}
		var last page.ModePage
		n := 0
		for p := range l.Pages() {
			last, n = p, n+1
		}
		if n != c.pages || last.Offset != c.offset {
			t.Errorf("%s: %d pages, last %+v", c.name, n, last)
		}
		if n == 3 && (last.Code != 0x0a || last.Subpage != 1) {
			t.Errorf("%s: subpage %+v", c.name, last)
		}
	}
	for _, c := range []struct {
		list string
		ten  bool
		want scsi.Sense
	}{
		{"000000", false, scsi.ParameterListLengthError()},
		{"00000000000000", true, scsi.ParameterListLengthError()},
		{"00000008 00000000", false, scsi.ParameterListLengthError()},
		{"00000010 0000000000000000 0000000000000000", false, scsi.InvalidFieldInParameterList(3, -1)},
		{"00000000 08", false, scsi.ParameterListLengthError()},
		{"00000000 0812 00", false, scsi.ParameterListLengthError()},
		{"00000000 4a01 00", false, scsi.ParameterListLengthError()},
	} {
		if _, err := page.ParseModeSelect(unhex(t, c.list), c.ten); err != c.want {
			t.Errorf("%s: %v, want %v", c.list, err, c.want)
		}
	}
}

func TestCheckChangeable(t *testing.T) {
	current, mask := cachePage.Append(nil), page.Caching{WriteCache: true}.Append(nil)
	first := func(c page.Caching, change func([]byte)) error {
		b := c.Append(nil)
		change(b)
		l, err := page.ParseModeSelect(page.AppendMode6(nil, page.ModeHeader{}, nil, b), false)
		if err != nil {
			t.Fatal(err)
		}
		for p := range l.Pages() {
			return p.CheckChangeable(current, mask)
		}
		return errors.New("no page")
	}
	same := func([]byte) {}
	if err := first(page.Caching{}, same); err != nil {
		t.Errorf("WCE off: %v", err)
	}
	if err := first(cachePage, func(b []byte) { b[0] |= 0x80 }); err != nil {
		t.Errorf("PS: %v", err)
	}
	if err := first(page.Caching{WriteCache: true, NoReadCache: true}, same); err != scsi.InvalidFieldInParameterList(4+2, 0) {
		t.Errorf("RCD: %v", err)
	}
	if err := first(page.Caching{WriteCache: true, NoReadAhead: true}, same); err != scsi.InvalidFieldInParameterList(4+12, 5) {
		t.Errorf("DRA: %v", err)
	}
	short := page.ModePage{Code: 8, Data: []byte{8, 0}, Offset: 4}
	if err := short.CheckChangeable(current, mask); err != scsi.InvalidFieldInParameterList(5, -1) {
		t.Errorf("short: %v", err)
	}
}

func FuzzParseModeSelect(f *testing.F) {
	f.Add(page.AppendMode6(nil, page.ModeHeader{}, nil, cachePage.Append(nil)), false)
	f.Add(page.AppendMode10(nil, page.ModeHeader{}, true, page.BlockDescriptor{Blocks: 1}.AppendLong(nil), page.Control{}.Append(nil)), true)
	f.Fuzz(func(t *testing.T, b []byte, ten bool) {
		l, err := page.ParseModeSelect(b, ten)
		if err != nil {
			if s := (scsi.Sense{}); !errors.As(err, &s) {
				t.Fatal(err)
			}
			return
		}
		end := -1
		for p := range l.Pages() {
			if !bytes.Equal(b[p.Offset:p.Offset+len(p.Data)], p.Data) {
				t.Fatalf("page at %d is not %x", p.Offset, p.Data)
			}
			if c, ok := page.ParseCaching(p.Data); ok {
				if back, _ := page.ParseCaching(c.Append(nil)); back != c {
					t.Fatalf("%+v becomes %+v", c, back)
				}
			}
			if c, ok := page.ParseControl(p.Data); ok {
				if back, _ := page.ParseControl(c.Append(nil)); back != c {
					t.Fatalf("%+v becomes %+v", c, back)
				}
			}
			if err := p.CheckChangeable(p.Data, p.Data); err != nil {
				t.Fatal(err)
			}
			end = p.Offset + len(p.Data)
		}
		if end >= 0 && end != len(b) {
			t.Fatalf("pages end at %d of %d", end, len(b))
		}
	})
}
