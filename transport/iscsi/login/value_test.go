package login

import (
	"bytes"
	"strings"
	"testing"
)

func TestParseNumber(t *testing.T) {
	for s, want := range map[string]uint64{
		"0": 0, "1": 1, "65536": 65536, "0x0": 0, "0xfF": 255, "0X10": 16, "0x0010": 16,
		"18446744073709551615": 1<<64 - 1, "0xffffffffffffffff": 1<<64 - 1,
	} {
		if got, err := ParseNumber(s); got != want || err != nil {
			t.Errorf("%s: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "0x", "01", "+1", "-1", "1_0", "0x_1", "0x-1", " 1", "1 ", "1k", "0b1", "1~2", "18446744073709551616",
		"Yes", strings.Repeat("9", 200), "0x0x1", "0x+1",
	} {
		if got, err := ParseNumber(s); err == nil {
			t.Errorf("%q: %d", s, got)
		}
	}
}

func TestParseBool(t *testing.T) {
	for s, want := range map[string]bool{"Yes": true, "No": false} {
		if got, err := ParseBool(s); got != want || err != nil || FormatBool(got) != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "yes", "NO", "1", "Yes,No", "Yes "} {
		if _, err := ParseBool(s); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
}

func TestParseBinary(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  []byte
	}{
		{"0x00", 1, []byte{0}},
		{"0xABcd", 2, []byte{0xab, 0xcd}},
		{"0Xabc", 2, []byte{0x0a, 0xbc}},
		{"0bqw==", 1, []byte{0xab}},
		{"0Bqw", 1, []byte{0xab}},
		{"0bAAEC", 3, []byte{0, 1, 2}},
		{"0b+/+/", 3, []byte{0xfb, 0xff, 0xbf}},
	} {
		got, err := ParseBinary(c.in, c.limit)
		if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, %v", c.in, got, err)
		}
	}
	for _, c := range []struct {
		in    string
		limit int
	}{
		{"", 9}, {"0x", 9}, {"0b", 9}, {"abcd", 9}, {"12", 9}, {"0xgg", 9}, {"0x123", 1}, {"0x1234", 1},
		{"0bAAEC", 2}, {"0bA", 9}, {"0bA===", 9}, {"0b====", 9}, {"0bAA\nEC", 9}, {"0bA-_C", 9}, {"0bqw=", 9}, {"0bq=w=", 9},
		{"0x" + strings.Repeat("0", 1<<20), 1024},
	} {
		if got, err := ParseBinary(c.in, c.limit); err == nil {
			t.Errorf("%s: %x", quote(c.in), got)
		}
	}
	if got := FormatBinary([]byte{0, 0xff}); got != "0x00ff" {
		t.Error(got)
	}
}
