package kind

import (
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// Who may log in can be on a list.
func TestInitiators(t *testing.T) {
	for name, want := range map[string]string{
		"iqn.1993-08.org.debian:01:abc-def": "", "iqn.2008-11.org.linux-kvm:my vm": "", "iqn.1991-05.com.microsoft:host_1.dom.local": "",
		"iqn.libiscsi.unittest.initiator": "", "eui.01234": "", "naa.xyz": "", "iqn.2026-11.io.x:ünï": "", "idefix": "", "foo.bar": "", "iqn.a ": "",
		"IQN.1991-05.com.microsoft:WIN_SRV01": "iqn.1991-05.com.microsoft:win_srv01", "eui.02004567A425678D": "eui.02004567a425678d",
		"iqn." + strings.Repeat("a", 219): "",
	} {
		if want == "" {
			want = name
		}
		got, err := initiatorName(name)
		if err != nil || got != want {
			t.Errorf("initiatorName(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"": "no name", "iqn.a,iqn.b": "by itself", "iqn.a\nb": `'\n'`, "iqn.a\u202e": `'\u202e'`, "iqn.a\xff": "UTF-8", "iqn." + strings.Repeat("a", 220): "223",
	} {
		if got, err := initiatorName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("initiatorName(%q) = %q, %v, want an error with %q", name, got, err, want)
		}
	}
}

func FuzzInitiatorName(f *testing.F) {
	for _, s := range []string{"iqn.2026-11.t:a", "IQN.A_b", "me", "a,b", "\xff", "\u0130"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		listed, err := initiatorName(name)
		login, refused := scsi.InitiatorName(name)
		if (err == nil) != (refused == nil) || listed != login {
			t.Fatalf("%q logs in as %q (%v) and is listed as %q (%v)", name, login, refused, listed, err)
		}
	})
}
