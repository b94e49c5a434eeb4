package iser_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const zeros8 = "0000000000000000"

var headers = map[string]struct {
	wire string
	h    iser.Header
}{
	"a login":    {"10000000" + "00000000" + zeros8 + "00000000" + zeros8, iser.Header{Kind: iser.Control}},
	"an INQUIRY": {"14000000" + "00000000" + zeros8 + "a360a001" + "ffff8880065c0900", iser.Header{Kind: iser.Control, ReadValid: true, Read: rdma.Remote{Key: 0xa360a001, Addr: 0xffff8880065c0900}}},
	"a WRITE":    {"18000000" + "329eb10e" + "ffff8880138ad000" + "00000000" + zeros8, iser.Header{Kind: iser.Control, WriteValid: true, Write: rdma.Remote{Key: 0x329eb10e, Addr: 0xffff8880138ad000}}},
	"both":       {"1c000000" + "00000001" + "0000000000000002" + "00000003" + "0000000000000004", iser.Header{Kind: iser.Control, WriteValid: true, Write: rdma.Remote{Key: 1, Addr: 2}, ReadValid: true, Read: rdma.Remote{Key: 3, Addr: 4}}},
	"Hello":      {"20aa0080" + zeros8 + zeros8 + zeros8, iser.Header{Kind: iser.Hello, MaxVersion: 10, Version: 10, Reads: 128}},
	"HelloReply": {"30aa0010" + zeros8 + zeros8 + zeros8, iser.Header{Kind: iser.HelloReply, MaxVersion: 10, Version: 10, Reads: 16}},
	"a refusal":  {"31aa0000" + zeros8 + zeros8 + zeros8, iser.Header{Kind: iser.HelloReply, MaxVersion: 10, Version: 10, Reject: true}},
}

func TestHeader(t *testing.T) {
	for name, x := range headers {
		wire := unhex(t, x.wire)
		if got, err := iser.ParseHeader(wire); err != nil || got != x.h {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if got := x.h.Append([]byte("before")); string(got[:6]) != "before" || !bytes.Equal(got[6:], wire) {
			t.Errorf("%s: %x", name, got)
		}
	}
	// Tags that are not declared valid are no tags.
	b := unhex(t, headers["both"].wire)
	b[0] = 0x10
	if got, err := iser.ParseHeader(b); err != nil || got != (iser.Header{Kind: iser.Control}) {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range iser.HeaderLen {
		if _, err := iser.ParseHeader(b[:n]); err == nil {
			t.Errorf("%d bytes are a header", n)
		}
	}
	for k := range 16 {
		b[0] = byte(k << 4)
		if _, err := iser.ParseHeader(b); (err == nil) != (k >= 1 && k <= 3) {
			t.Errorf("opcode %d: %v", k, err)
		}
	}
}

// FuzzHeader: what is parsed and made again says the same.
func FuzzHeader(f *testing.F) {
	for _, x := range headers {
		f.Add(unhex(f, x.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := iser.ParseHeader(b)
		if err != nil {
			return
		}
		again, err := iser.ParseHeader(h.Append(nil))
		if err != nil || again != h {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}

func TestPrivate(t *testing.T) {
	for wire, want := range map[string]iser.Private{
		"80000000": {NoZeroBase: true},
		"c0000000": {NoZeroBase: true, NoInvalidate: true},
		"00000000": {},
		"40000000": {NoInvalidate: true},
	} {
		b := unhex(t, wire)
		if got := iser.ParsePrivate(b); got != want {
			t.Errorf("%s: %+v", wire, got)
		}
		if got := want.Append(nil); !bytes.Equal(got, b) {
			t.Errorf("%+v: %x", want, got)
		}
		if got := iser.ParsePrivate(append(b, 1, 2, 3)); got != want { // what is behind it is not ours
			t.Errorf("%s and more: %+v", wire, got)
		}
	}
	for n := range 4 {
		if got := iser.ParsePrivate(make([]byte, n)); got != (iser.Private{NoZeroBase: true, NoInvalidate: true}) {
			t.Errorf("%d bytes: %+v", n, got)
		}
	}
}
