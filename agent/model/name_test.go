package model

import (
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"iqn.2026-11.io.lunette:disk", "iqn.1993-08.org.debian:01:abc-def", "iqn.2001-04.com.example", "eui.02004567a425678d",
		"naa.52004567ba64678d", "naa.62004567ba64678d0123456789abcdef", "iqn.2001-04.com.acme:a:b:c",
	} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"": "no type", "disk": "no type", "iqn.": "date", "iqn.2026-13.io.x:d": "date", "iqn.26-11.io.x:d": "date",
		"iqn.2026-11": "date", "iqn.2026-11..x:d": "domain", "iqn.2026-11.io.x:a b": "' '", "IQN.2026-11.io.x:d": "iqn.2026-11.io.x:d",
		"iqn.2026-11.io.x:a/b": "'/'", "eui.1234": "16", "naa.1234": "32", "foo.bar": "\"foo\"", "iqn.2026-11.:d": "domain",
		"iqn.2026-11.io.x:" + strings.Repeat("a", 223): "223",
	} {
		if err := CheckName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckName(%q) = %v, want an error with %q", name, err, want)
		}
	}
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
		if err := CheckName(NamePrefix + PlainName(path)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestParsePortal(t *testing.T) {
	ParsePortal := testSchema.ParsePortal
	for text, want := range map[string]string{
		"127.0.0.1:3260": "iscsi+tcp://127.0.0.1:3260", "127.0.0.1": "iscsi+tcp://127.0.0.1:3260", "[::1]": "iscsi+tcp://[::1]:3260",
		"[::]:0": "iscsi+tcp://[::]:0", "localhost:1": "iscsi+tcp://localhost:1", "nas": "iscsi+tcp://nas:3260",
		"iser+iwarp://10.0.0.1": "iser+iwarp://10.0.0.1:3260", "srp+iwarp://[::1]": "srp+iwarp://[::1]:5555",
		"iscsi+tcp://10.0.0.1:99": "iscsi+tcp://10.0.0.1:99", "iser+roce://[fe80::1]:1": "iser+roce://[fe80::1]:1",
	} {
		p, err := ParsePortal(text)
		if err != nil || p.String() != want {
			t.Errorf("ParsePortal(%q) = %v, %v, want %v", text, p, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "no address", ":3260": "no address", "::1": "brackets", "[127.0.0.1]:1": "without brackets", "1.2.3:1": "neither", "h:99999": "65535",
		"h:http": "65535", "iscsi://h:1": "TRANSPORT+PROVIDER", "a b:1": "neither", "[::1": "brackets", "+tcp://h:1": "TRANSPORT",
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
	for _, seed := range []string{"127.0.0.1:3260", "[::1]:1", "iscsi+tcp://h:2", "::", "[]"} {
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
