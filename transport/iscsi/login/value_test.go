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

// The names of initiators in the field, of which RFC 7143 4.2.7 allows few.
func TestInitiatorName(t *testing.T) {
	for in, want := range map[string]string{
		"iqn.2008-11.org.linux-kvm:my vm":           "iqn.2008-11.org.linux-kvm:my vm",
		"iqn.2008-11.org.linux-kvm:vm(1)":           "iqn.2008-11.org.linux-kvm:vm(1)",
		"iqn.libiscsi.unittest.initiator":           "iqn.libiscsi.unittest.initiator",
		"iqn.1998-01.com.vmware:esxi-host/1":        "iqn.1998-01.com.vmware:esxi-host/1",
		"iqn.2026-13.t:a":                           "iqn.2026-13.t:a",
		"eui.01234":                                 "eui.01234",
		"naa.xyz":                                   "naa.xyz",
		"IdefixInitiator":                           "idefixinitiator",
		"iqn.1991-05.com.microsoft:HOST_1":          "iqn.1991-05.com.microsoft:host_1",
		"iqn.2026-11.t:ünï":                         "iqn.2026-11.t:ünï",
		"iqn.2026-11.t:" + strings.Repeat("x", 209): "iqn.2026-11.t:" + strings.Repeat("x", 209),
	} {
		if got, err := InitiatorName(in); got != want || err != nil {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "iqn.2026-11.t:a\nb", "iqn.2026-11.t:\x1b[2J", "iqn.2026-11.t:\x7f", "iqn.2026-11.t:‮gpj", "iqn.2026-11.t:\xff",
		"iqn.2026-11.t:" + strings.Repeat("x", 210), "iqn.2026-11.t:a,i,0x00023d000001",
	} {
		if got, err := InitiatorName(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestNormalizeName(t *testing.T) {
	for in, want := range map[string]string{
		"iqn.2026-11.io.lunette:Disk.1":        "iqn.2026-11.io.lunette:disk.1",
		"IQN.1991-05.com.microsoft:HOST":       "iqn.1991-05.com.microsoft:host",
		"iqn.2008-11.org.linux-kvm":            "iqn.2008-11.org.linux-kvm",
		"iqn.2026-11.io.example:a_b":           "iqn.2026-11.io.example:a_b",
		"iqn.2026-11.io.example:Übung":         "iqn.2026-11.io.example:übung",
		"eui.02004567A425678D":                 "eui.02004567a425678d",
		"naa.52004567BA64678D":                 "naa.52004567ba64678d",
		"naa.62004567BA64678D0123456789ABCDEF": "naa.62004567ba64678d0123456789abcdef",
	} {
		if got, err := NormalizeName(in); got != want || err != nil {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, s := range []string{
		"", "disk", "iqn.", "iqn.2026-11.", "iqn.2026-13.io.a", "iqn.2026-00.io.a", "iqn.202-11.io.a", "iqn.2026-11:a",
		"iqn.2026-11..a", "iqn.2026-11.:a", "eui.0200", "eui.02004567A425678G", "naa.52004567BA64678D0", "iqn.2026-11.io.a b", "iqn.2026-11.io.a\x00",
		"iqn.2026-11.io.a\n", "iqn.2026-11.io.a/b", "iqn.2026-11.io.a\xff", "iqn.2026-11.io.a\u202e", "iqn.2026-11.io.a,b",
		"iqn.2026-11.io." + strings.Repeat("a", 209),
	} {
		if got, err := NormalizeName(s); err == nil {
			t.Errorf("%q: %q", s, got)
		}
	}
	if _, err := NormalizeName("iqn.2026-11.io." + strings.Repeat("a", 208)); err != nil {
		t.Error(err)
	}
}
