package pdu

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// header is a BHS from hexadecimal with spaces; zeros follow.
func header(t testing.TB, s string) *BHS {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil || len(b) > HeaderLen {
		t.Fatalf("bad header %q: %v", s, err)
	}
	var h BHS
	copy(h[:], b)
	return &h
}

type wireElement interface{ Put(*BHS) }

// checkWire holds x against the bytes of the wire in both directions.
func checkWire[T interface {
	comparable
	wireElement
}](t *testing.T, parse func(*BHS) (T, error), x T, wire string) {
	t.Helper()
	want := header(t, wire)
	got, err := parse(want)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	if got != x {
		t.Errorf("parsed %+v\nwant %+v", got, x)
	}
	// Put must leave nothing of what was there before.
	h := BHS(bytes.Repeat([]byte{0xa5}, HeaderLen))
	x.Put(&h)
	if h != *want {
		t.Errorf("put\n%x\nwant\n%x", h[:], want[:])
	}
}

// checkRefused expects the header to be refused for the given reason.
func checkRefused[T any](t *testing.T, parse func(*BHS) (T, error), wire string, reason RejectReason) {
	t.Helper()
	_, err := parse(header(t, wire))
	if err == nil {
		t.Errorf("%s: accepted", wire)
		return
	}
	if got := ReasonOf(err); got != reason {
		t.Errorf("%s: %v: reason %v, want %v", wire, err, got, reason)
	}
	if !strings.Contains(err.Error(), ": ") {
		t.Errorf("%s: error %q does not say what is wrong", wire, err)
	}
}

// fuzzWire checks that parse never panics and that what it accepts survives
// the way out and back.
func fuzzWire[T interface {
	comparable
	wireElement
}](f *testing.F, op Opcode, parse func(*BHS) (T, error), seeds ...string) {
	for _, s := range seeds {
		f.Add(header(f, s)[:])
	}
	f.Add(bytes.Repeat([]byte{0xff}, HeaderLen))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h BHS
		copy(h[:], b)
		if _, err := parse(&h); err != nil && err.Error() == "" {
			t.Error("an error without a word")
		}
		h[0] = h[0]&0xc0 | byte(op)
		x, err := parse(&h)
		var out BHS
		x.Put(&out)
		if err != nil {
			return
		}
		if got := out.Opcode(); got != op {
			t.Fatalf("put %v", got)
		}
		back, err := parse(&out)
		if err != nil {
			t.Fatalf("%+v: put, then refused: %v", x, err)
		}
		if back != x {
			t.Fatalf("%+v became %+v", x, back)
		}
	})
}
