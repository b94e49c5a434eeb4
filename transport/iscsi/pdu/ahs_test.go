package pdu

import (
	"bytes"
	"testing"
)

func TestAHS(t *testing.T) {
	long := make([]byte, 16) // bytes 16..31 of a 32-byte CDB
	for i := range long {
		long[i] = byte(i + 16)
	}
	for _, c := range []struct {
		name string
		a    AHS
		wire []byte
	}{
		{"none", AHS{}, nil},
		{"32-byte CDB", AHS{ExtendedCDB: long}, append([]byte{0, 17, 1, 0}, long...)},
		{"17-byte CDB", AHS{ExtendedCDB: []byte{9}}, []byte{0, 2, 1, 0, 9, 0, 0, 0}},
		{"bidirectional", AHS{HasBidiRead: true, BidiReadLength: 0x1000}, []byte{0, 5, 2, 0, 0, 0, 0x10, 0}},
		{
			"both", AHS{ExtendedCDB: []byte{1, 2, 3, 4, 5}, HasBidiRead: true, BidiReadLength: 7},
			[]byte{0, 6, 1, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 7},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.a.Append(nil); !bytes.Equal(got, c.wire) {
				t.Errorf("appended %x, want %x", got, c.wire)
			}
			got, err := ParseAHS(c.wire)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.ExtendedCDB, c.a.ExtendedCDB) || got.HasBidiRead != c.a.HasBidiRead || got.BidiReadLength != c.a.BidiReadLength {
				t.Errorf("parsed %+v, want %+v", got, c.a)
			}
		})
	}
}

func TestBadAHS(t *testing.T) {
	for _, b := range [][]byte{
		{0, 1, 1},
		{0, 0, 1, 0},
		{0xff, 0xff, 1, 0},
		{0, 6, 1, 0, 1, 2, 3, 4},             // longer than there is
		{0, 1, 1, 0},                         // empty CDB
		{0, 4, 2, 0, 0, 0, 0, 0},             // 3-byte length
		{0, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0}, // 5-byte length
		{0, 1, 0, 0},                         // reserved type
		{0, 1, 3, 0},                         // unknown type
		{0, 2, 1, 0, 1, 0, 0, 0, 0, 2, 1, 0, 1, 0, 0, 0}, // twice
		{0, 5, 2, 0, 0, 0, 0, 1, 0, 5, 2, 0, 0, 0, 0, 1}, // twice
	} {
		if a, err := ParseAHS(b); err == nil {
			t.Errorf("%x: accepted as %+v", b, a)
		} else if ReasonOf(err) != RejectInvalidField {
			t.Errorf("%x: reason %v", b, ReasonOf(err))
		}
	}
}

func FuzzAHS(f *testing.F) {
	f.Add([]byte{0, 6, 1, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 7})
	f.Add([]byte{0, 17, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAHS(b)
		if err != nil {
			return
		}
		wire := a.Append(nil)
		if len(wire) != len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(wire))
		}
		back, err := ParseAHS(wire)
		if err != nil || !bytes.Equal(back.ExtendedCDB, a.ExtendedCDB) || back.BidiReadLength != a.BidiReadLength {
			t.Fatalf("%+v became %+v, %v", a, back, err)
		}
	})
}
