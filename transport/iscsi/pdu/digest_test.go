package pdu

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The examples of RFC 7143 appendix A.4 (the same as RFC 3720 B.4), in the order of the wire.
func TestDigestVectors(t *testing.T) {
	up := make([]byte, 32)
	down := make([]byte, 32)
	for i := range up {
		up[i], down[i] = byte(i), byte(31-i)
	}
	read, err := hex.DecodeString(strings.ReplaceAll("01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000", " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"zeros", make([]byte, 32), "aa36918a"},
		{"ones", bytes.Repeat([]byte{0xff}, 32), "43aba862"},
		{"incrementing", up, "4e79dd46"},
		{"decrementing", down, "5cdb3f11"},
		{"a READ(10) command", read, "563a96d9"},
	} {
		var b [4]byte
		d := DataDigest(c.data)
		d.Put(b[:])
		if got := hex.EncodeToString(b[:]); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if !d.Matches(b[:]) {
			t.Errorf("%s: does not match itself", c.name)
		}
		b[2] ^= 1
		if d.Matches(b[:]) {
			t.Errorf("%s: matches another", c.name)
		}
	}
	var h BHS
	copy(h[:], read)
	if HeaderDigest(&h, nil) != DataDigest(read) || HeaderDigest(&h, []byte{1, 2, 3, 4}) != DataDigest(append(read, 1, 2, 3, 4)) {
		t.Error("header digest differs")
	}
}

func TestDigestInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		d := Digest(0)
		for rest := data; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			d = d.Add(rest[:n])
			rest = rest[n:]
		}
		padded := append(append([]byte(nil), data...), make([]byte, Padded(len(data))-len(data))...)
		if got, want := d.AddPadding(len(data)), Digest(0).Add(padded); got != want {
			t.Fatalf("%#x, want %#x", got, want)
		}
	})
}
