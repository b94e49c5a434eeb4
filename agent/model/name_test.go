package model

import (
	"strings"
	"testing"
	"unicode"
)

func TestTargetName(t *testing.T) {
	for _, name := range []string{
		"iqn.2026-11.io.lunette:disk", "iqn.1993-08.org.debian:01:abc-def", "iqn.2001-04.com.example", "eui.02004567a425678d",
		"naa.52004567ba64678d", "naa.62004567ba64678d0123456789abcdef", "iqn.2001-04.com.acme:a:b:c", "iqn.2026-11.io.lunette:füße",
	} {
		if got, err := TargetName(name); err != nil || got != name {
			t.Errorf("TargetName(%q) = %q, %v", name, got, err)
		}
	}
	if got, err := TargetName("IQN.2026-11.io.X:Disk"); err != nil || got != "iqn.2026-11.io.x:disk" {
		t.Errorf("capitals: %q, %v", got, err)
	}
	for name, want := range map[string]string{
		"": "no type", "disk": "no type", "iqn.": "date", "iqn.2026-13.io.x:d": "date", "iqn.26-11.io.x:d": "date",
		"iqn.2026-11": "date", "iqn.2026-11..x:d": "domain", "iqn.2026-11.io.x:a b": "' '", "IQN.2026-11.io.x:My_Disk": `"iqn.2026-11.io.x:my-disk" would do`,
		"iqn.2026-11.io.x:a/b": "'/'", "eui.1234": "16", "naa.1234": "32", "foo.bar": "\"foo\"", "iqn.2026-11.:d": "domain",
		"iqn.2026-11.io.x:" + strings.Repeat("a", 223): "223",
		"iqn.2026-11.io.x:\x1b":                        `'\x1b'`, "iqn.2026-11.io.x:\xff": "UTF-8", "iqn.2026-11.io.x:a,b": "','",
	} {
		if got, err := TargetName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("TargetName(%q) = %q, %v, want an error with %q", name, got, err, want)
		}
	}
}

// What a message proposes is taken, and one name is one name however it is written.
func FuzzTargetName(f *testing.F) {
	for _, s := range []string{"iqn.2026-11.io.lunette:My_Disk", "eui.02004567A425678D", "iqn.2026-13.x", "naa.", "iqn.2026-11.io.x:\xff", "iqn.2026-11.i\u0130"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		normal, err := TargetName(name)
		if err == nil {
			if again, err := TargetName(normal); err != nil || again != normal {
				t.Fatalf("%q is %q, which is %q, %v", name, normal, again, err)
			}
			return
		}
		if like := alike(name); like != "" {
			if got, err := TargetName(like); err != nil || got != like {
				t.Fatalf("%q would do for %q: %q, %v", like, name, got, err)
			}
		}
		if strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Fatalf("%q: the error %q has control characters", name, err)
		}
	})
}

func TestPlainName(t *testing.T) {
	for path, want := range map[string]string{
		"disk.img": "disk", "/srv/My Disk (1).qcow.raw": "my-disk-1-.qcow", "/dev/loop0": "loop0", ".hidden": "hidden", "ü.img": "disk", "": "disk", "/": "disk", "a": "a",
	} {
		got := PlainName(path)
		if want != got {
			t.Errorf("PlainName(%q) = %q, want %q", path, got, want)
		}
	}
}

func FuzzPlainName(f *testing.F) {
	f.Add("disk.img")
	f.Add("/a/B c--.x")
	f.Fuzz(func(t *testing.T, path string) {
		name := NamePrefix + PlainName(path)
		if got, err := TargetName(name); err != nil || got != name {
			t.Fatal(got, err)
		}
	})
}

func TestParsePortal(t *testing.T) {
	ParsePortal := testSchema.ParsePortal
	for text, want := range map[string]string{
		"127.0.0.1:3260": "iscsi+tcp://127.0.0.1:3260", "127.0.0.1": "iscsi+tcp://127.0.0.1:3260", "[::1]": "iscsi+tcp://[::1]:3260",
		"[::]:0": "iscsi+tcp://[::]:0", "localhost:1": "iscsi+tcp://localhost:1", "nas": "iscsi+tcp://nas:3260",
		"iser+iwarp://10.0.0.1": "iser+iwarp://10.0.0.1:3260", "srp+iwarp://[::1]": "srp+iwarp://[::1]:5555",
		"iscsi+tcp://10.0.0.1:99": "iscsi+tcp://10.0.0.1:99", "iser+roce://[fd80::1]:1": "iser+roce://[fd80::1]:1",
		"[fe80::1%eth0]:3261": "iscsi+tcp://[fe80::1%eth0]:3261", "[fe80::1%eth0]": "iscsi+tcp://[fe80::1%eth0]:3260", "[FE80::1%br-lan.7]:1": "iscsi+tcp://[fe80::1%br-lan.7]:1",
		"iser+iwarp://[fe80::1%2]": "iser+iwarp://[fe80::1%2]:3260", "[::ffff:192.0.2.1]:1": "iscsi+tcp://[::ffff:192.0.2.1]:1",
	} {
		p, err := ParsePortal(text)
		if err != nil || p.String() != want {
			t.Errorf("ParsePortal(%q) = %v, %v, want %v", text, p, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "no address", ":3260": "no address", "::1": "brackets", "[127.0.0.1]:1": "without brackets", "1.2.3:1": "neither", "h:99999": "65535",
		"h:http": "65535", "iscsi://h:1": "TRANSPORT+PROVIDER", "a b:1": "neither", "[::1": "brackets", "+tcp://h:1": "TRANSPORT",
		"[fe80::1]:1": "write [fe80::1%DEVICE]", "[fe80::1]": "%eth0", "[fd00::1%eth0]:1": "leave %eth0 out", "[fe80::1%a b]:1": "not the name of a network device",
		"[fe80::1%0123456789abcdef]": "network device", "[fe80::1%]:1": "not an IPv6 address", "fe80::1%eth0": "brackets", "fe80::1%eth0:3260": "brackets", "[nas]:1": "not an IPv6 address",
		"[::1]x": "brackets", "[fe80::1%a]b]:1": "network device", "[::1]:": "65535", "[fe80::1%\x1b]": "network device", "h:": "65535",
	} {
		if p, err := ParsePortal(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePortal(%q) = %v, %v, want an error with %q", text, p, err, want)
		}
	}
	for text, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "[::1]": true, "localhost": true, "0.0.0.0": false, "[::]": false, "nas": false} {
		p, err := ParsePortal(text)
		if err != nil || p.Address.Local != want {
			t.Errorf("%q: loopback %v, want %v (%v)", text, p.Address.Local, want, err)
		}
	}
}

func FuzzParsePortal(f *testing.F) {
	for _, seed := range []string{"tube+room:///run/a.sock", "tube+room:////a//./b/../c", "pipe+room://a", "127.0.0.1:3260", "[::1]:1", "iscsi+tcp://h:2", "::", "[]", "[fe80::1%eth0]:1", "[fe80::1%e]:1]:2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := testSchema.ParsePortal(text)
		if err != nil {
			return
		}
		if again, err := testSchema.ParsePortal(p.String()); err != nil || again.String() != p.String() || again.Address != p.Address {
			t.Fatalf("%q is %v, read again %v, %v", text, p, again, err)
		}
	})
}
