package page_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi/page"
)

func TestElementDescriptorOnTheWire(t *testing.T) {
	slot := page.ElementDescriptor{Address: 0x401, Flags: page.ElementFull | page.ElementAccess, Medium: page.MediumData, Tag: "LUN001L8"}
	drive := page.ElementDescriptor{
		Address: 0x101, Flags: page.ElementFull | page.ElementAccess | page.ElementProblem, Problem: 0x3003, Medium: page.MediumWORM,
		Source: 0x402, SourceValid: true, Disabled: true,
		Identifier: page.Designator{CodeSet: page.CodeASCII, Type: page.DesignatorVendorSpecific, Data: []byte("SN1")},
	}
	for _, c := range []struct {
		d      page.ElementDescriptor
		tags   bool
		length int
		want   string
	}{
		{slot, false, 0, "0401 09 00 0000 000000 01 0000 00000000"},
		{slot, true, 0, "0401 09 00 0000 000000 01 0000" + hex.EncodeToString([]byte("LUN001L8"+strings.Repeat(" ", 24))) + "00000000 00000000"},
		{drive, false, 20, "0101 0d 00 3003 000000 8c 0402 02000003 534e31 00"},
		{page.ElementDescriptor{Address: 1}, true, 0, "0001 00 00 0000 000000 00 0000" + strings.Repeat("00", 36) + "00000000"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(c.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.d.Append(nil, c.tags, c.length); !bytes.Equal(got, want) {
			t.Errorf("%+v:\n got %x\nwant %x", c.d, got, want)
		}
	}
}

func elementStatus() []byte {
	d := page.ElementDescriptor{Address: 5, Flags: page.ElementFull, Tag: "A"}
	b := page.ElementHeader{First: 5, Count: 2, Action: 4, Bytes: 8 + 52 + 8 + 16}.Append(nil)
	b = d.Append(page.ElementPage{Type: 2, Tags: true, Length: 52, Bytes: 52}.Append(b), true, 0)
	d.Tag, d.Address = "", 6
	return d.Append(page.ElementPage{Type: 4, Length: 16, Bytes: 16}.Append(b), false, 0)
}

func TestParseElementStatus(t *testing.T) {
	b := elementStatus()
	got, err := page.ParseElementStatus(b)
	want := page.ElementStatus{
		Header: page.ElementHeader{First: 5, Count: 2, Action: 4, Bytes: 84},
		Elements: []page.ElementOf{
			{Type: 2, ElementDescriptor: page.ElementDescriptor{Address: 5, Flags: 1, Tag: "A"}},
			{Type: 4, ElementDescriptor: page.ElementDescriptor{Address: 6, Flags: 1}},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for n := range b {
		if _, err := page.ParseElementStatus(b[:n]); !errors.Is(err, page.ErrElementStatus) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	for at, value := range map[int]byte{3: 1, 7: 83, 11: 51, 15: 51, 15 + 60: 20} {
		bad := bytes.Clone(b)
		bad[at] = value
		if _, err := page.ParseElementStatus(bad); !errors.Is(err, page.ErrElementStatus) {
			t.Errorf("byte %d is %d: %v", at, value, err)
		}
	}
}

func FuzzElementStatus(f *testing.F) {
	f.Add(elementStatus())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := page.ParseElementStatus(b)
		if err == nil && len(s.Elements) > len(b)/page.ElementDescriptorLen {
			t.Fatalf("%d elements in %d bytes", len(s.Elements), len(b))
		}
	})
}

func TestChangerModePages(t *testing.T) {
	for want, got := range map[string][]byte{
		"1d12 0001 0001 0401 0028 0301 0004 0101 0002 0000": page.ElementAddresses{
			Transports: page.ElementsOf{First: 1, Count: 1}, Storage: page.ElementsOf{First: 0x401, Count: 40},
			ImportExport: page.ElementsOf{First: 0x301, Count: 4}, Drives: page.ElementsOf{First: 0x101, Count: 2},
		}.Append(nil),
		"1e02 0000": page.AppendTransportGeometry(nil, 1),
		"1f12 0e00 000e0e0e 00000000 000e0e0e 00000000": page.ChangerCapabilities{
			Stores: page.BitDrive | page.BitMail | page.BitStorage, Moves: [4]byte{0, 0xe, 0xe, 0xe}, Exchanges: [4]byte{0, 0xe, 0xe, 0xe},
		}.Append(nil),
	} {
		if hex.EncodeToString(got) != strings.ReplaceAll(want, " ", "") || page.ModePageLen(got) != len(got) {
			t.Errorf("got %x, want %s", got, want)
		}
	}
}
