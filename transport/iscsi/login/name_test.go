package login

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestInitiatorName has the names of initiators in the field, of which RFC 7143 section 4.2.7 allows
// few, and those that nobody may have.
func TestInitiatorName(t *testing.T) {
	for in, want := range map[string]string{
		"iqn.2026-11.t:a":                            "iqn.2026-11.t:a",
		"iqn.libiscsi.unittest.initiator":            "iqn.libiscsi.unittest.initiator",
		"iqn.2008-11.org.linux-kvm":                  "iqn.2008-11.org.linux-kvm",
		"iqn.2008-11.org.linux-kvm:my vm":            "iqn.2008-11.org.linux-kvm:my vm",
		"iqn.2008-11.org.linux-kvm:my_vm":            "iqn.2008-11.org.linux-kvm:my_vm",
		"iqn.2008-11.org.linux-kvm:vm(1)":            "iqn.2008-11.org.linux-kvm:vm(1)",
		"iqn.1991-05.com.microsoft:HOST_1.dom.local": "iqn.1991-05.com.microsoft:host_1.dom.local",
		"IQN.2026-11.T:A":                            "iqn.2026-11.t:a",
		"eui.0123456789ABCDEF":                       "eui.0123456789abcdef",
		"eui.01234":                                  "eui.01234",
		"naa.0123456789ABCDEF":                       "naa.0123456789abcdef",
		"naa.xyz":                                    "naa.xyz",
		"iqn.2026-11.t":                              "iqn.2026-11.t",
		"iqn.2026-13.t:a":                            "iqn.2026-13.t:a",
		"iqn.2026-11.t:" + strings.Repeat("x", 209):  "iqn.2026-11.t:" + strings.Repeat("x", 209),
		"iqn.2026-11.t:ünï":                          "iqn.2026-11.t:ünï",
		"idefix":                                     "idefix",
		"IdefixInitiator":                            "idefixinitiator",
		"iqn.2010-04.org.ipxe:4c4c4544-0042":         "iqn.2010-04.org.ipxe:4c4c4544-0042",
		"iqn.1998-01.com.vmware:esxi-host/1":         "iqn.1998-01.com.vmware:esxi-host/1",
		"iqn.2000-09.org.etherboot:UNKNOWN":          "iqn.2000-09.org.etherboot:unknown",
	} {
		if got, err := InitiatorName(in); got != want || err != nil {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "iqn.2026-11.t:a\nb", "iqn.2026-11.t:a\x00", "iqn.2026-11.t:\x1b[2J", "iqn.2026-11.t:\x7f", "iqn.2026-11.t:\u0085", "iqn.2026-11.t:\u202egpj",
		"iqn.2026-11.t:a\u200b", "iqn.2026-11.t:a\u00a0", "iqn.2026-11.t:\xff", "iqn.2026-11.t:a,i,0x00023d000001",
		"iqn.2026-11.t:" + strings.Repeat("x", 210), "iqn.2026-11.t:" + strings.Repeat("Ⱥ", 104),
	} {
		if got, err := InitiatorName(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestOtherInitiators has pairs of names that look alike, or that some way to normalise would make
// equal. Each name of a pair is another initiator's, whichever of them an access list has.
func TestOtherInitiators(t *testing.T) {
	for _, pair := range [][2]string{
		{"iqn.2026-11.t:ki", "iqn.2026-11.t:\u212ai"},     // the sign of kelvin
		{"iqn.2026-11.t:ki", "iqn.2026-11.t:k\u0130"},     // the Turkish capital I with a dot
		{"iqn.2026-11.t:ki", "iqn.2026-11.t:k\u0131"},     // the Turkish small i without one
		{"iqn.2026-11.t:s", "iqn.2026-11.t:\u017f"},       // the long s
		{"iqn.2026-11.t:a", "iqn.2026-11.t:\uff41"},       // the wide a
		{"iqn.2026-11.t:a", "iqn.2026-11.t:\u0430"},       // the Cyrillic a
		{"iqn.2026-11.t:\u00e9", "iqn.2026-11.t:e\u0301"}, // e with an accent, in one character and in two
		{"iqn.2026-11.t:stra\u00dfe", "iqn.2026-11.t:strasse"},
		{"iqn.2026-11.t:a", "iqn.2026-11.t:a "},
		{"iqn.2026-11.t:a", " iqn.2026-11.t:a"},
		{"iqn.2026-11.t:a b", "iqn.2026-11.t:a  b"},
		{"iqn.2026-11.t:a-b", "iqn.2026-11.t:a_b"},
	} {
		a, err := InitiatorName(pair[0])
		b, err2 := InitiatorName(pair[1])
		if err != nil || err2 != nil || a == b {
			t.Errorf("%+q is %+q %v, and %+q is %+q %v", pair[0], a, err, pair[1], b, err2)
		}
	}
}

func TestNormalizeName(t *testing.T) {
	for in, want := range map[string]string{
		"iqn.2026-11.io.lunette:Disk.1":        "iqn.2026-11.io.lunette:disk.1",
		"IQN.1991-05.com.microsoft:HOST":       "iqn.1991-05.com.microsoft:host",
		"iqn.2008-11.org.linux-kvm":            "iqn.2008-11.org.linux-kvm",
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
		"iqn.2026-11.io.a\n", "iqn.2026-11.io.a/b", "iqn.2026-11.io.a\xff", "iqn.2026-11.io.a\u202e", "iqn.2026-11.io.a,b", "iqn.2026-11.io.a:b_c",
		"\u0130qn.2026-11.io.a", "iqn.2026-11.io." + strings.Repeat("a", 209),
	} {
		if got, err := NormalizeName(s); err == nil {
			t.Errorf("%q: %q", s, got)
		}
	}
	if _, err := NormalizeName("iqn.2026-11.io." + strings.Repeat("a", 208)); err != nil {
		t.Error(err)
	}
}

// FuzzInitiatorName checks what access lists and logs stand on: a name in the form for comparing
// stays as it is, has nothing that cannot be printed, differs from what came in no more than in the
// case of letters, and is that of NormalizeName whenever there is one. A name without a normal form
// is never compared as one that has it.
func FuzzInitiatorName(f *testing.F) {
	for _, s := range []string{
		"iqn.2026-11.t:a", "IQN.2026-11.T:A", "iqn.2008-11.org.linux-kvm:my vm", "eui.0123456789ABCDEF", "naa.xyz", "iqn.2026-11.t:\u212a\u0130", "a,b", "\xff", "Ⱥ",
		"iqn.2026-11.t:\u1e9e\u01c5", "\u0345",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		normal, bad := NormalizeName(s)
		name, err := InitiatorName(s)
		if err != nil {
			if bad == nil {
				t.Fatalf("%q has the normal form %q and is refused: %v", s, normal, err)
			}
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("%q: the error %q has control characters", s, err)
			}
			return
		}
		if bad == nil && name != normal {
			t.Fatalf("%q is compared as %q and has the normal form %q", s, name, normal)
		}
		if again, err := NormalizeName(name); (err == nil) != (bad == nil) || err == nil && again != name {
			t.Fatalf("%q (%v) is compared as %q (%q, %v)", s, bad, name, again, err)
		}
		if again, err := InitiatorName(name); err != nil || again != name {
			t.Fatalf("%q is compared as %q, and that as %q: %v", s, name, again, err)
		}
		if len(name) > MaxNameLen || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == ',' }) {
			t.Fatalf("%q is compared as %q", s, name)
		}
		if utf8.RuneCountInString(name) != utf8.RuneCountInString(s) || !strings.EqualFold(name, s) {
			t.Fatalf("%q is compared as %q", s, name)
		}
	})
}
