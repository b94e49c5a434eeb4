package kind

import (
	"strings"
	"testing"
)

func TestInitiators(t *testing.T) {
	for _, name := range []string{
		"iqn.1993-08.org.debian:01:abc-def", "iqn.2008-11.org.linux-kvm:my vm", "iqn.1991-05.com.microsoft:host_1.dom.local",
		"iqn.libiscsi.unittest.initiator", "eui.01234", "eui.02004567a425678d", "naa.xyz", "iqn.2026-11.io.x:ünï", "iqn." + strings.Repeat("a", 219),
	} {
		if err := checkInitiator(name); err != nil {
			t.Errorf("checkInitiator(%q): %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"": "begins with", "me": "begins with", "foo.bar": "begins with", " iqn.a": "begins with", "IQN.2026-11.io.x:d": "iqn.2026-11.io.x:d", "iqn.a,iqn.b": "by itself",
		"iqn.a\nb": `'\n'`, "iqn.a\u202e": `'\u202e'`, "iqn.a\xff": "UTF-8", "iqn.a ": "blank", "iqn." + strings.Repeat("a", 220): "223",
	} {
		if err := checkInitiator(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkInitiator(%q) = %v, want an error with %q", name, err, want)
		}
	}
}
