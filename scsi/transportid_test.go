package scsi

import "testing"

// Names are compared without regard to the case of letters, and nothing else is made equal.
func TestFoldISCSIName(t *testing.T) {
	for in, want := range map[string]string{
		"IQN.2026-11.T:A": "iqn.2026-11.t:a", "iqn.2026-11.t:ÜNÏ": "iqn.2026-11.t:ünï", "iqn.2026-11.t:\u212a\u0130": "iqn.2026-11.t:\u212a\u0130", "a B": "a b", "": "",
	} {
		if got := FoldISCSIName(in); got != want || FoldISCSIName(got) != got {
			t.Errorf("%q: %q instead of %q", in, got, want)
		}
	}
	if ISCSIPort("iqn.2026-11.t:\u212a", [6]byte{}) == ISCSIPort("iqn.2026-11.t:k", [6]byte{}) {
		t.Error("the sign of kelvin is a k")
	}
}
