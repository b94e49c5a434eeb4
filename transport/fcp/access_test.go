package fcp

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/internal/wildcard"
	"github.com/lunette-io/lunette/network/fc"
)

// Who may log in is named in whichever notation, in whole or by a pattern.
func TestAccess(t *testing.T) {
	const me fc.Name = 0x2000_00_1b_21_01_02_03
	for list, want := range map[string]bool{
		"":                                  true,
		"20:00:00:1b:21:01:02:03":           true,
		"20:00:00:1B:21:01:02:03":           true,
		"20-00-00-1b-21-01-02-03":           true,
		"0x2000001b21010203":                true,
		"naa.2000001b21010203":              true,
		"2000001b21010203":                  true,
		"20:00:00:1b:21:01:02:04":           false,
		"20:00:00:1b:21:01:02:04 2000001b*": true,
		"20:00:00:1b:*":                     true,
		"*:02:03":                           true,
		"20:0?:00:1b:21:01:02:03":           true,
		"20:1?:00:1b:21:01:02:03":           false,
		"*":                                 true,
		"21*":                               false,
	} {
		a, err := parseAccess(strings.Fields(list))
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		if got := a.admits(me); got != want {
			t.Errorf("%q lets %v in: %v", list, me, got)
		}
	}
	for _, text := range []string{"", "20:00", "iqn.2026-11.io.x:a", "20:00:00:1b:21:01:02:03:04", "20:00:00:1b:21:01:02:0g", "??", strings.Repeat("?", 17) + "*"} {
		if p, err := Pattern(text); err == nil {
			t.Errorf("%q is a pattern, %q", text, p)
		}
	}
}

// Each notation of a name is the name, and a pattern that fits it.
func TestNotations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := fc.Name(rapid.Uint64().Draw(t, "name"))
		all := Notations(n)
		if all[0] != n.String() {
			t.Errorf("the first is %s, not %v", all[0], n)
		}
		for _, text := range all {
			p, err := Pattern(strings.ToUpper(text[:2]) + text[2:])
			if err != nil || p != fmt.Sprintf("%016x", uint64(n)) || !wildcard.Matches(text, text) {
				t.Errorf("%s is %q: %v", text, p, err)
			}
		}
	})
}

// Derived names have the right form, and are as many as there are nodes and tags.
func TestNames(t *testing.T) {
	seen := make(map[fc.Name]string)
	for _, node := range []fc.Name{NodeName("a"), NodeName("b"), 0x2abc_020000000001, 0x500601601234abcd, 0x500601601234abce} {
		for _, tag := range []int{1, 2, maxTag, maxTag + 1, maxTag + 2, 65535} {
			p, what := PortName(node, tag), fmt.Sprint(node, " at ", tag)
			if p>>60 != naaExtended || p>>40&1 != 0 || p != PortName(node, tag) {
				t.Errorf("%s is %v", what, p)
			}
			if other, ok := seen[p]; ok {
				t.Errorf("%s is %v, as %s", what, p, other)
			}
			seen[p] = what
		}
	}
	if n := NodeName("a"); n>>48 != naaIEEE<<12 || n>>40&3 != 2 {
		t.Errorf("the node is %v", n)
	}
	if p := PortName(0x1000_021122334455, 3); p != 0x2003_021122334455 {
		t.Errorf("the port is %v", p)
	}
}

// FuzzPattern: what is a pattern stays one, and fits no more than names.
func FuzzPattern(f *testing.F) {
	for _, text := range []string{"20:00:00:1b:21:01:02:03", "naa.2*", "??:*", "0x", "WWPN:20*", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Pattern(text)
		if err != nil {
			return
		}
		if again, err := Pattern(p); err != nil || again != p {
			t.Errorf("%q is %q, and that is %q: %v", text, p, again, err)
		}
	})
}
