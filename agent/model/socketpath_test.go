package model

import (
	"strings"
	"testing"
)

// Portals at sockets of this machine are absolute paths: each as it is taken, and what is wrong with others.
func TestSocketPath(t *testing.T) {
	long := "/" + strings.Repeat("d/", 50) // of 101 bytes
	for text, want := range map[string]string{
		"/run/lunette/vm1.sock": "/run/lunette/vm1.sock /run/lunette/vm1-2.sock", "//run/./a//b": "/run/a/b /run/a/b-2", "/a": "/a /a-2", "/run/.s": "/run/.s /run/.s-2",
		"/run/ü #1?x=y.sock": "/run/ü #1?x=y.sock /run/ü #1?x=y-2.sock", long + "abcdef": long + "abcdef " + long + "2", "/run/...": "/run/... /run/..-2.",
	} {
		p, err := testSchema.ParsePortal("tube+room://" + text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		a := p.Address
		if a.Text+" "+a.Next != want || a.Takes != a.Text || !a.Local || a.All || a.Open != "" || p.String() != "tube+room://"+a.Text {
			t.Errorf("%q is %+v, want %s", text, a, want)
		}
		if next, err := testSchema.ParsePortal("tube+room://" + a.Next); err != nil || next.Address.Takes == a.Takes {
			t.Errorf("next to %q is %+v: %v", text, next.Address, err)
		}
	}
	for text, want := range map[string]string{
		"": "it has no path", "run/vm1.sock": `"run/vm1.sock" is relative: write all of it, with the slash that it begins with, as tube+room:///run/lunette/vm1.sock`, "vm1.sock": "relative",
		"127.0.0.1:3260": "relative", "/": "directory", "/run/": "directory", "/run/.": "directory", "/run/../vm1.sock": "..", "/run/..": "..", "/run/a\nb": "control character", "/run/a\x00b": "control character",
		"/run/\xff": "UTF-8", long + "abcdefg": "has 108 bytes: the path of a socket has up to 107",
	} {
		_, err := testSchema.ParsePortal("tube+room://" + text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a portal is [TRANSPORT+PROVIDER://]/PATH") {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

// Two portals cannot have one path, whatever kinds they are and however it is written.
func TestSocketPathTaken(t *testing.T) {
	for second, want := range map[string]string{
		"tube+room:////run/./a.sock": "portals[1]: tube+room:///run/a.sock is here twice",
		"pipe+room:///run/a.sock":    "portals[1]: pipe+room:///run/a.sock has the same path as tube+room:///run/a.sock: give one of them another, such as pipe+room:///run/a-2.sock",
		"pipe+room:///run/b.sock":    "",
	} {
		_, err := Read("t.yaml", []byte("version: 1\nportals: [\"tube+room:///run/a.sock\", \""+second+"\"]\n"), testSchema)
		if (err == nil) != (want == "") || (err != nil && !strings.HasSuffix(strings.TrimSpace(err.Error()), want[strings.Index(want, " ")+1:])) {
			t.Errorf("%s: %v, want %q", second, err, want)
		}
	}
}
