package model

import (
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	good := map[string]Size{
		"0": 0, "512": 512, "512B": 512, "1K": 1024, "1k": 1024, "1kB": 1000, "1KB": 1000, "1KiB": 1024,
		"10G": 10 << 30, "10GiB": 10 << 30, "10GB": 10e9, "1.5T": 3 << 39, "0.5K": 512, "2E": 2 << 60,
		"9223372036854775807": 1<<63 - 1,
	}
	for text, want := range good {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	bad := map[string]string{
		"": "not a size", "G": "not a size", "-1": "not a size", "+1": "not a size", "1.": "not a size", ".5K": "not a size",
		"1.2.3K": "not a size", "1X": "not a size", "1Gi": "not a size", "1GBs": "not a size", "10 G": "not a size", "1e3": "not a size", "0x10": "not a size",
		"0.3": "whole number", "1.0001K": "whole number", "8E": "largest", "9223372036854775808": "largest",
		strings.Repeat("9", 50): "not a size",
	}
	for text, want := range bad {
		if got, err := ParseSize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSize(%q) = %d, %v, want an error with %q", text, got, err, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"512", "10G", "1.5T", "1KiB", "7kB", "8E", "0.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseSize(text)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("ParseSize(%q) = %d", text, n)
		}
		if again, err := ParseSize(n.String()); err != nil || again != n {
			t.Fatalf("%q is %d, written %q, read %d, %v", text, n, n.String(), again, err)
		}
	})
}
