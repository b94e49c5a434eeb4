package model

import (
	"strings"
	"testing"
)

// The identifiers of a target follow from its name, and tell it from all others.
func TestSRPIdentifiers(t *testing.T) {
	seen := make(map[string]string)
	for _, name := range []string{"iqn.2026-11.io.lunette:a", "iqn.2026-11.io.lunette:b", "iqn.2026-11.io.lunette:c"} {
		var s, again SRP
		s.fill(name)
		again.fill(name)
		if s.Port() != again.Port() || len(s.Port()) != 34 {
			t.Errorf("%s is %s, and then %s", name, s.Port(), again.Port())
		}
		for _, half := range []string{s.IDExt, s.IOCGUID} {
			if other, ok := seen[half]; ok {
				t.Errorf("%s and %s are both %s", name, other, half)
			}
			seen[half] = name
			if local := strings.ContainsRune("26ae", rune(half[1])); !local {
				t.Errorf("%s of %s is not locally administered, and of one port", half, name)
			}
		}
	}
	given := SRP{IDExt: "0xABCDEF0123456789", IOCGUID: "fedcba9876543210"}
	if given.fill("iqn.2026-11.io.lunette:a"); given.Port() != "0xabcdef0123456789fedcba9876543210" {
		t.Errorf("what is given has become %s", given.Port())
	}
}

// What a target asks of iSCSI initiators is not left out for those of SRP.
func TestSRPIsNoWayRound(t *testing.T) {
	doc := func(change func(*Target)) *Document {
		d := &Document{Version: 1, Units: []Unit{{Name: "a", Store: Plugin{Kind: "memory"}.With("size", "1M")}},
			Targets: []Target{{Name: "iqn.2026-11.io.lunette:a", LUNs: []LUN{{0, "a"}}}},
			Portals: []Portal{DefaultPortal(), {Transport: "srp", Provider: "iwarp", Host: "127.0.0.1", NoPort: true}}}
		change(&d.Targets[0])
		return d
	}
	ports := []string{"0x00000000000000000000000000000001"}
	for name, test := range map[string]struct {
		change func(*Target)
		want   string
	}{
		"open":                {func(*Target) {}, ""},
		"CHAP":                {func(t *Target) { t.Auth.Users = []User{{"me", "f"}} }, "asks for CHAP, which SRP does not have"},
		"CHAP and ports":      {func(t *Target) { t.Auth.Users = []User{{"me", "f"}}; t.SRP.Initiators = ports }, ""},
		"names":               {func(t *Target) { t.Initiators = []string{t.Name} }, "by their iSCSI names, which SRP does not have"},
		"names and ports":     {func(t *Target) { t.Initiators = []string{t.Name}; t.SRP.Initiators = ports }, ""},
		"ports without names": {func(t *Target) { t.SRP.Initiators = ports }, ""},
	} {
		err := doc(test.change).Validate(testSchema)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	two := doc(func(t *Target) { t.SRP.IDExt, t.SRP.IOCGUID = "0000000000000001", "0000000000000002" })
	two.Targets = append(two.Targets, two.Targets[0])
	two.Targets[1].Name = "iqn.2026-11.io.lunette:b"
	if err := two.Validate(testSchema); err == nil || !strings.Contains(err.Error(), "targets[1].srp: the target iqn.2026-11.io.lunette:a has the same id-ext and ioc-guid") {
		t.Errorf("two targets with one port: %v", err)
	}
}
