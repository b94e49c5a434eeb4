package message

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
)

// little skips the vectors of a test, which are those of a little-endian host.
func little(t testing.TB) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("SKIPPED: the vectors are of a little-endian host, and this one is not")
	}
}

// An element is a payload, parsed.
type element interface{ Append([]byte) []byte }

// number, memReg and memTable are payloads with no type of their own.
type (
	number   uint64
	memReg   Region
	memTable []Region
)

func (n number) Append(b []byte) []byte   { return AppendNumber(b, uint64(n)) }
func (r memReg) Append(b []byte) []byte   { return AppendMemReg(b, Region(r)) }
func (r memTable) Append(b []byte) []byte { return AppendMemTable(b, r) }

// parse reads the payload of a message of the type r.
func parse(r Request, b []byte) (element, error) {
	switch r {
	case SetMemTable:
		t, err := ParseMemTable(nil, b)
		return memTable(t), err
	case AddMemReg, RemMemReg:
		t, err := ParseMemReg(r, b)
		return memReg(t), err
	case SetVringNum, SetVringBase, GetVringBase, SetVringEnable:
		return ParseVringState(r, b)
	case SetVringAddr:
		return ParseVringAddr(b)
	case SetVringKick, SetVringCall, SetVringErr:
		return ParseVringFile(r, b)
	case GetConfig, SetConfig:
		return ParseConfig(r, b)
	case GetInflightFD, SetInflightFD:
		return ParseInflight(r, b)
	}
	n, err := ParseNumber(r, b)
	return number(n), err
}

const (
	seenRegion   = "guest:0000000000000000 size:0000001000000000 user:000020a9207f0000 offset:0000000000000000"
	madeRegion   = "guest:0000000001000000 size:0000004000000000 user:0000000000010000 offset:0000200000000000"
	seenTable    = "n:01000000 pad:00000000 " + seenRegion
	madeTable    = "n:02000000 pad:00000000 " + seenRegion + " " + madeRegion
	madeReg      = "pad:0000000000000000 " + madeRegion
	seenAddr     = "index:02000000 flags:00000000 desc:0000f0a9207f0000 used:0020f0a9207f0000 avail:0010f0a9207f0000 log:0000000000000000"
	seenConfig   = "offset:00000000 size:24000000 flags:00000000 bytes:00*36"
	madeConfig   = "offset:14000000 size:04000000 flags:01000000 bytes:60000000"
	seenInflight = "size:0000000000000000 offset:0000000000000000 queues:0300 size:8000 pad:00000000"
	madeInflight = "size:0010000000000000 offset:0000000100000000 queues:0300 size:0004"
)

var vectors = []struct {
	request Request
	bytes   string
	want    element
}{
	{GetFeatures, "n:0600004101000000", number(0x141000006)},
	{SetVringNum, "index:02000000 n:80000000", VringState{2, 128}},
	{SetVringAddr, seenAddr, VringAddr{Index: 2, Desc: 0x7f20a9f00000, Used: 0x7f20a9f02000, Avail: 0x7f20a9f01000}},
	{SetVringKick, "n:0200000000000000", VringFile{2, false}},
	{SetVringErr, "n:ff01000000000000", VringFile{255, true}},
	{SetMemTable, seenTable, memTable{{0, 0x10000000, 0x7f20a9200000, 0}}},
	{SetMemTable, madeTable, memTable{{0, 0x10000000, 0x7f20a9200000, 0}, {0x100000000, 0x40000000, 0x10000000000, 0x200000}}},
	{AddMemReg, madeReg, memReg{0x100000000, 0x40000000, 0x10000000000, 0x200000}},
	{GetConfig, seenConfig, Config{0, false, make([]byte, 36)}},
	{SetConfig, madeConfig, Config{20, true, []byte{0x60, 0, 0, 0}}},
	{GetInflightFD, seenInflight, Inflight{0, 0, 3, 128, true}},
	{SetInflightFD, madeInflight, Inflight{0x1000, 0x1000000, 3, 1024, false}},
}

// TestVectors: payloads are read as they are written, and written as they are read.
func TestVectors(t *testing.T) {
	little(t)
	for _, v := range vectors {
		b := golden.Bytes(t, v.bytes)
		got, err := parse(v.request, b)
		if err != nil || !reflect.DeepEqual(got, v.want) {
			t.Errorf("%v %s: %+v, %v, want %+v", v.request, v.bytes, got, err, v.want)
			continue
		}
		if back := got.Append(nil); !bytes.Equal(back, b) {
			t.Errorf("%v: % x, want % x", v.request, back, b)
		}
	}
}

// TestLengths: a payload that is shorter or longer is refused.
func TestLengths(t *testing.T) {
	little(t)
	for _, v := range vectors {
		b := golden.Bytes(t, v.bytes)
		for n := range b {
			if x, err := parse(v.request, b[:n]); err == nil && len(x.Append(nil)) != n {
				t.Errorf("%v: %d bytes of %d are taken", v.request, n, len(b))
			}
		}
		if _, err := parse(v.request, append(b, 0)); err == nil {
			t.Errorf("%v: %d bytes are taken", v.request, len(b)+1)
		}
	}
}

// TestRefused: what has no meaning, or is more than is taken.
func TestRefused(t *testing.T) {
	little(t)
	for _, v := range []struct {
		request Request
		bytes   string
	}{
		{SetVringKick, "n:0202000000000000"},
		{SetVringCall, "n:0000000000000080"},
		{SetMemTable, "n:21000000 pad:00000000 regions:00*1056"},
		{SetMemTable, "n:ffffffff pad:00000000"},
		{GetConfig, "offset:00000000 size:01010000 flags:00000000 bytes:00*257"},
		{SetConfig, "offset:00000000 size:00000000 flags:02000000"},
		{SetConfig, "offset:00000000 size:ffffffff flags:00000000"},
	} {
		if x, err := parse(v.request, golden.Bytes(t, v.bytes)); err == nil {
			t.Errorf("%v %.60s is taken: %+v", v.request, v.bytes, x)
		}
	}
}

// TestHeader: versions and lengths.
func TestHeader(t *testing.T) {
	little(t)
	h, err := ParseHeader(golden.Bytes(t, "request:02000000 flags:09000000 size:08000000"))
	if want := (Header{SetFeatures, FlagNeedReply, 8}); h != want || err != nil {
		t.Errorf("%+v, %v, want %+v", h, err, want)
	}
	if b, want := h.Append(nil), golden.Bytes(t, "request:02000000 flags:09000000 size:08000000"); !bytes.Equal(b, want) {
		t.Errorf("% x, want % x", b, want)
	}
	for _, bad := range []string{"x:010000000000000000000000", "x:010000000200000000000000", "x:010000000100000001100000", "x:01", "x:00*13"} {
		if h, err := ParseHeader(golden.Bytes(t, bad)); err == nil {
			t.Errorf("%s is taken: %+v", bad, h)
		}
	}
}

// TestNames: each request has a name of its own.
func TestNames(t *testing.T) {
	names := make(map[string]Request)
	for r := GetFeatures; r <= RemMemReg; r++ {
		if other, twice := names[r.String()]; twice {
			t.Errorf("%d and %d are %v", r, other, r)
		}
		names[r.String()] = r
	}
	if s := Request(99).String(); s != "message 99" {
		t.Error(s)
	}
}

// FuzzPayload: no payload is a panic, and what is taken is written as it was read, but for what is not looked at.
func FuzzPayload(f *testing.F) {
	for _, v := range vectors {
		f.Add(uint32(v.request), golden.Bytes(f, v.bytes))
	}
	f.Fuzz(func(t *testing.T, r uint32, b []byte) {
		x, err := parse(Request(r), b)
		if err != nil {
			return
		}
		back := x.Append(nil)
		if len(back) != len(b) {
			t.Fatalf("%v: %d bytes of %d", Request(r), len(back), len(b))
		}
		y, err := parse(Request(r), back)
		if err != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("%v: %+v, then %+v (%v)", Request(r), x, y, err)
		}
	})
}

// FuzzHeader: a header that is taken is written as it was.
func FuzzHeader(f *testing.F) {
	f.Add(Header{SetFeatures, FlagNeedReply, 8}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("% x becomes % x", b, h.Append(nil))
		}
	})
}
