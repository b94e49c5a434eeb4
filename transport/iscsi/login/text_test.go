package login

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseText(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []Pair
	}{
		{"", nil},
		{"\x00\x00", nil},
		{"A=b\x00", []Pair{{"A", "b"}}},
		{"A=b\x00\x00\x00", []Pair{{"A", "b"}}},
		{"SendTargets=\x00X#y=a=b,c\x00iSCSIProtocolLevel=2\x00", []Pair{{"SendTargets", ""}, {"X#y", "a=b,c"}, {"iSCSIProtocolLevel", "2"}}},
		{"X-com.example_a+b@c-d=ü\x00", []Pair{{"X-com.example_a+b@c-d", "ü"}}},
		{"A=" + strings.Repeat("v", 255) + "," + strings.Repeat("w", 255) + "\x00", []Pair{{"A", strings.Repeat("v", 255) + "," + strings.Repeat("w", 255)}}},
		{strings.Repeat("K", 63) + "=\x00", []Pair{{strings.Repeat("K", 63), ""}}},
	} {
		got, err := ParseText([]byte(c.in))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.in, got, err)
		}
	}
}

// Some initiators do not end their last pair (docs/design/generosity.md).
func TestLastPairWithoutZero(t *testing.T) {
	pairs, err := ParseText([]byte("A=b\x00SendTargets=All"))
	if want := []Pair{{"A", "b"}, {"SendTargets", "All"}}; err != nil || !slices.Equal(pairs, want) {
		t.Errorf("%v %v", pairs, err)
	}
}

func TestParseTextRefused(t *testing.T) {
	for in, want := range map[string]string{
		"Ab\x00":                                 "no key=value",
		"=b\x00":                                 "0 bytes",
		"\x00A=b\x00":                            "no key=value",
		"A=b\x00\x00C=d\x00":                     "no key=value",
		"a=b\x00":                                "capital",
		"A b=c\x00":                              "forbidden",
		"A#b=c\x00":                              "forbidden",
		"A\x1b[2J=c\x00":                         "forbidden",
		strings.Repeat("K", 64) + "=\x00":        "64 bytes",
		"A=" + strings.Repeat("v", 256) + "\x00": "256 bytes",
		"A=0x" + strings.Repeat("v", 2049) + "\x00": "2051 bytes",
		"A=" + strings.Repeat("v,", 4097) + "\x00":  "8194 bytes",
		strings.Repeat("A=b\x00", MaxKeys+1):        "more than 256 keys",
		strings.Repeat("\x00", MaxText+1):           "65537 bytes",
		strings.Repeat("x", MaxText):                "no key=value",
		strings.Repeat("x", MaxText-1) + "\x00":     "no key=value",
	} {
		_, err := ParseText([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", quote(in), err, want)
		}
		if err != nil && (len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\x00\x1b\n")) {
			t.Errorf("%s: error %q is unfit for a log", quote(in), err)
		}
	}
}

func TestCollector(t *testing.T) {
	var c Collector
	if text, ok, err := c.Add([]byte("A=b\x00"), false); !ok || err != nil || string(text) != "A=b\x00" {
		t.Errorf("%q, %v, %v", text, ok, err)
	}
	for _, p := range []string{"A=", "", "bc"} {
		if text, ok, err := c.Add([]byte(p), true); ok || err != nil || text != nil {
			t.Errorf("%q, %v, %v", text, ok, err)
		}
	}
	if text, ok, err := c.Add([]byte("d\x00"), false); !ok || err != nil || string(text) != "A=bcd\x00" {
		t.Errorf("%q, %v, %v", text, ok, err)
	}
	for range MaxText / 8192 {
		if _, _, err := c.Add(make([]byte, 8192), true); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := c.Add([]byte{0}, false); err == nil {
		t.Error("no bound")
	}
	if text, ok, err := c.Add([]byte("A=b\x00"), false); !ok || err != nil || string(text) != "A=b\x00" {
		t.Errorf("after a text that was too long: %q, %v, %v", text, ok, err)
	}
}

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Pair {
			return Pair{
				rapid.StringMatching(`[A-Z][A-Za-z0-9.+@_-]{0,62}`).Draw(t, "key"),
				rapid.StringMatching(`[^\x00,]{0,40}(,[a-z]{0,9}){0,3}`).Draw(t, "value"),
			}
		}), 0, 20).Draw(t, "pairs")
		text := AppendPairs(nil, pairs)
		got, err := ParseText(text)
		if err != nil || !slices.Equal(got, pairs) {
			t.Fatalf("%v became %v, %v", pairs, got, err)
		}
		var c Collector
		for rest := text; ; {
			n := rapid.IntRange(0, len(rest)).Draw(t, "piece")
			whole, done, err := c.Add(rest[:n], n < len(rest))
			if err != nil || done != (n == len(rest)) {
				t.Fatalf("%v, %v", done, err)
			}
			if rest = rest[n:]; done {
				if !bytes.Equal(whole, text) {
					t.Fatalf("%q became %q", text, whole)
				}
				return
			}
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add([]byte("InitiatorName=iqn.2026-11.io.example:a\x00AuthMethod=CHAP,None\x00"))
	f.Add([]byte("\x00\x00="))
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs, err := ParseText(b)
		if err != nil {
			return
		}
		if len(pairs) > MaxKeys {
			t.Fatalf("%d keys", len(pairs))
		}
		again, err := ParseText(AppendPairs(nil, pairs))
		if err != nil || !slices.Equal(pairs, again) {
			t.Fatalf("%v became %v, %v", pairs, again, err)
		}
		for _, p := range pairs {
			_, _ = ParseNumber(p.Value)
			if b, err := ParseBinary(p.Value, 64); err == nil && len(b) > 64 {
				t.Fatalf("%d bytes decoded", len(b))
			}
			if n, err := NormalizeName(p.Value); err == nil {
				if m, err := NormalizeName(n); err != nil || m != n {
					t.Fatalf("%q is not stable: %q, %v", n, m, err)
				}
			}
		}
	})
}
