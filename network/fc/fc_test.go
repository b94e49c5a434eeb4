package fc

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHeader(t *testing.T) {
	for wire, want := range map[string]Header{
		"06010001 00010101 08290000 00000000 0010ffff 00000000": {
			RCtl: RCtlCommand, D: 0x010001, S: 0x010101, Type: TypeFCP, FCtl: FCtlRequest, OX: 0x10, RX: NoID,
		},
		"01020304 7f050607 08880008 99010203 12345678 89abcdef": {
			RCtl: RCtlData, D: 0x020304, CSCtl: 0x7f, S: 0x050607, Type: TypeFCP, FCtl: FCtlResponder | FCtlEndSequence | FCtlRelativeOffset,
			SeqID: 0x99, DFCtl: 1, SeqCnt: 0x0203, OX: 0x1234, RX: 0x5678, Parameter: 0x89abcdef,
		},
		"23010101 00fffffe 01990000 00000000 0000ffff 00000000": {
			RCtl: RCtlELSReply, D: 0x010101, S: FabricPort, Type: TypeELS, FCtl: FCtlReply, RX: NoID,
		},
	} {
		b := unhex(t, wire)
		h, err := ParseHeader(append(b, 1, 2, 3))
		if err != nil || h != want {
			t.Errorf("%+v, %v\nwant %+v", h, err, want)
		}
		if got := h.Append([]byte{7}); !bytes.Equal(got[1:], b) {
			t.Errorf("%x, want %x", got[1:], b)
		}
		if _, err := ParseHeader(b[:HeaderLen-1]); err != ErrShort {
			t.Error(err)
		}
		if s := h.String(); !strings.Contains(s, "OX_ID") {
			t.Error(s)
		}
	}
	h := Header{D: 0xff123456, S: 0xff123456, FCtl: 0xff000001}
	if b := h.Append(nil); b[0] != 0 || b[4] != 0 || b[8] != 0 {
		t.Errorf("more than 24 bits are in %x", b)
	}
}

func TestCRC(t *testing.T) {
	for wire, want := range map[string]string{
		"06010001 00010101 08290000 00000000 0010ffff 00000000" + strings.Repeat("00", 32): "e42d3dd8",
		"07010101 00010001 08980000 01000000 00108001 00000000" + strings.Repeat("00", 24): "c180ef67",
		"81010001 00010101 00090000 00000000 00108001 00000000":                            "14789ee6",
	} {
		b := unhex(t, wire)
		var got [CRCLen]byte
		CRC(0).Add(b).Put(got[:])
		if hex.EncodeToString(got[:]) != want {
			t.Errorf("%x, want %s", got, want)
		}
		for at := range b { // in two pieces
			if c := CRC(0).Add(b[:at]).Add(b[at:]); c != CRCAt(got[:]) {
				t.Errorf("cut at %d: %x", at, c)
			}
		}
		if c := CRC(crc32.ChecksumIEEE(b)); c != CRCAt(got[:]) {
			t.Errorf("%x", c)
		}
	}
}

// TestNoAllocation: what runs for each frame allocates nothing.
func TestNoAllocation(t *testing.T) {
	b := unhex(t, "06010001 00010101 08290000 00000000 0010ffff 00000000")
	out := make([]byte, HeaderLen+CRCLen)
	if n := testing.AllocsPerRun(100, func() {
		h, err := ParseHeader(b)
		if err != nil {
			panic(err)
		}
		h.Put(out)
		CRC(0).Add(out[:HeaderLen]).Add(b).Put(out[HeaderLen:])
		if _, err := ParseHeader(b[:1]); err == nil {
			panic("one byte is a header")
		}
		_ = h.Append(out[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNames(t *testing.T) {
	const want = Name(0x2000001b21000001)
	for _, s := range []string{
		"20:00:00:1b:21:00:00:01", "20:00:00:1B:21:00:00:01", "naa.2000001b21000001", "NAA.2000001B21000001",
		"0x2000001b21000001", "2000001b21000001", "naa.20:00:00:1b:21:00:00:01",
	} {
		if n, err := ParseName(s); err != nil || n != want {
			t.Errorf("%q: %v, %v", s, n, err)
		}
	}
	for _, s := range []string{
		"", "naa.", "0x", "20:00:00:1b:21:00:00", "20:00:00:1b:21:00:00:0", "20:00:00:1b:21:00:00:01:", "20-00-00-1b-21-00-00-01",
		"2000001b2100000", "2000001b210000011", "2000001b2100000g", "20:00:00:1b:21:00:00:0g", "2:000:00:1b:21:00:00:01", "0xnaa.2000001b21000001",
		"+000001b21000001", "::::::::::::::::::::::::", "20:00:00:1b:21:00:00::1",
	} {
		if n, err := ParseName(s); err == nil {
			t.Errorf("%q is %v", s, n)
		}
	}
	var x struct {
		N Name
		I ID
	}
	x.N, x.I = want, 0x010203
	b, err := json.Marshal(x)
	if err != nil || string(b) != `{"N":"20:00:00:1b:21:00:00:01","I":"0x010203"}` {
		t.Errorf("%s, %v", b, err)
	}
	y := x
	y.N, y.I = 0, 0
	if err := json.Unmarshal(b, &y); err != nil || y != x {
		t.Errorf("%+v, %v", y, err)
	}
}

func TestIDs(t *testing.T) {
	for _, s := range []string{"0x010203", "010203", "01.02.03", "01:02:03", "0X010203"} {
		if i, err := ParseID(s); err != nil || i != 0x010203 {
			t.Errorf("%q: %v, %v", s, i, err)
		}
	}
	for _, s := range []string{"", "0x", "1", "01.02.3", "01.02:03", "0x0102030", "0x1000000", "01.02.03.", "-10203", "0x01020g", "01_02_03", "1_0203"} {
		if i, err := ParseID(s); err == nil {
			t.Errorf("%q is %v", s, i)
		}
	}
	i := ID(0x010203)
	if i.String() != "0x010203" || i.Domain() != 1 || i.Area() != 2 || i.Port() != 3 || i.WellKnown() || !FabricPort.WellKnown() {
		t.Errorf("%v: %d %d %d", i, i.Domain(), i.Area(), i.Port())
	}
	var b [3]byte
	if i.Put24(b[:]); ID24(b[:]) != i || b != [3]byte{1, 2, 3} {
		t.Errorf("%x", b)
	}
}

func TestDelimiters(t *testing.T) {
	for d, want := range map[SOF]struct {
		name          string
		first, class3 bool
	}{SOFi3: {"SOFi3", true, true}, SOFn3: {"SOFn3", false, true}, SOFi2: {"SOFi2", true, false}, SOFn2: {"SOFn2", false, false}, SOFf: {"SOFf", false, false}, 0: {"SOF 00h", false, false}} {
		if d.String() != want.name || d.First() != want.first || d.Class3() != want.class3 {
			t.Errorf("%v", d)
		}
	}
	for d, want := range map[EOF]struct {
		name        string
		last, valid bool
	}{EOFn: {"EOFn", false, true}, EOFt: {"EOFt", true, true}, EOFni: {"EOFni", false, false}, EOFa: {"EOFa", false, false}, 1: {"EOF 01h", false, false}} {
		if d.String() != want.name || d.Last() != want.last || d.Valid() != want.valid {
			t.Errorf("%v", d)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(make([]byte, HeaderLen))
	f.Add(unhex(f, "01020304 7f050607 08880008 99010203 12345678 89abcdef"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			if len(b) >= HeaderLen {
				t.Fatal(err)
			}
			return
		}
		if got := h.Append(nil); !bytes.Equal(got, b[:HeaderLen]) {
			t.Fatalf("%x became %x", b, got)
		}
		_ = h.String()
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"20:00:00:1b:21:00:00:01", "naa.2000001b21000001", "0x010203", "01.02.03"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseName(s); err == nil {
			if m, err := ParseName(n.String()); err != nil || m != n {
				t.Fatalf("%q is %v, and that is %v, %v", s, n, m, err)
			}
		}
		if i, err := ParseID(s); err == nil {
			if j, err := ParseID(i.String()); err != nil || j != i {
				t.Fatalf("%q is %v, and that is %v, %v", s, i, j, err)
			}
		}
	})
}
