package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/store/file"
)

// What Examine calls right Start serves, and what it calls wrong Start refuses, with the same words; Examine
// leaves everything as it was.
func TestExamineIsStart(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("d.img", strings.Repeat("\x00", 4096), 0o600)
	write("odd.img", "12345", 0o600)
	write("empty.img", "", 0o600)
	write("small.img", strings.Repeat("\x00", 512), 0o600)
	write("secret", "correct horse battery", 0o600)
	write("ours", "another secret of us", 0o600)
	write("open", "correct horse battery", 0o644)
	write("short", "short", 0o600)
	write("q.img", "QFI\xfb"+strings.Repeat("\x00", 508), 0o600)
	for _, err := range []error{os.Symlink("d.img", "link.img"), os.Symlink("gone.img", "dangling.img"), os.Link("d.img", "hard.img"), os.Mkdir("dir", 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	const good = `version: 1
units:
- {name: a, store: {kind: file, path: d.img}, device: {kind: disk}}
- {name: b, store: {kind: file, path: new.img, size: 1M}}
- {name: m, store: {kind: memory, size: 1M}}
targets:
- {name: "` + disks + `", luns: {0: a, 1: b}, auth: {users: [{user: me, secret-file: secret}], mutual: {user: us, secret-file: ours}}}
- {name: "` + closed + `", luns: {0: m}}
portals: ["127.0.0.1:0"]
discovery: {auth: {users: [{user: finder, secret-file: secret}]}}
`
	for _, test := range []struct{ old, now, want string }{
		{"", "", ""},
		{"path: d.img", "path: no.img", `test.yaml:3:20: units[0].store: no.img: it does not exist, and no size is given to make it`},
		{"path: d.img", "path: odd.img", "odd.img: its size of 5 bytes is not a multiple of 512"},
		{"path: d.img", "path: empty.img", "empty.img: it is empty, and no size is given"},
		{"path: d.img", "path: empty.img, size: 1M", ""},
		{"path: d.img", "path: dir", "dir is a directory"},
		{"path: d.img", "path: /dev/null", "/dev/null is a character device"},
		{"path: d.img", "path: d.img, size: 1M", "d.img: it has 4K, not the 1M that are asked for: leave the size out to serve it as it is, or make it larger first: truncate -s 1048576 d.img"},
		{"path: d.img", "path: d.img, size: 2K", "d.img: it has 4K, not the 2K that are asked for: leave the size out to serve it as it is"},
		{"path: d.img", "path: d.img, size: 4096", ""},
		{"path: d.img", "path: small.img", ""},
		{"path: d.img}, device: {kind: disk", "path: small.img}, device: {kind: disk, block-size: 4096", "units[0].device: 512 bytes are less than one block of 4096"},
		{"kind: memory, size: 1M}", "kind: memory, size: 512}, device: {kind: disk, block-size: 4096}", "units[2].device: 512 bytes are less than one block of 4096"},
		{"path: d.img", "path: dangling.img, size: 1M", "dangling.img: it is a symbolic link to gone.img, which does not exist"},
		{"path: d.img", "path: q.img", "q.img: it looks like a qcow2 image"},
		{"path: d.img", "path: q.img, format: raw", ""},
		{"path: new.img", "path: no/new.img", "no/new.img: cannot make it: no such file"},
		{"path: new.img", "path: new.img, read-only: true", "new.img: it does not exist, and is not made for reading only"},
		{"path: new.img, size: 1M", "path: ./d.img", `./d.img: the unit "a" serves it already, perhaps by another name`},
		{"path: new.img, size: 1M", "path: link.img", `link.img: the unit "a" serves it already`},
		{"path: new.img, size: 1M", "path: hard.img, read-only: true", `hard.img: the unit "a" serves it already`},
		{"kind: memory, size: 1M", "kind: file, path: ./new.img, size: 1M", `./new.img: the unit "b" serves it already`},
		{"kind: memory, size: 1M", "kind: block, path: small.img", "small.img is not a block device"},
		{"kind: memory, size: 1M", "kind: block, path: /dev/no-such-disk", "/dev/no-such-disk: no such file"},
		{"secret-file: secret}], mutual", "secret-file: gone}], mutual", "gone: no such file"},
		{"secret-file: secret}], mutual", "secret-file: open}], mutual", "chmod 600 open"},
		{"secret-file: ours", "secret-file: short", "12 to 255"},
		{"user: finder, secret-file: secret", "user: finder, secret-file: gone", "gone: no such file"},
		{"127.0.0.1:0", "192.0.2.1:0", "192.0.2.1 is no address of this machine"},
		{"127.0.0.1:0", "[fe80::1%no-such]:0", "portal iscsi+tcp://[fe80::1%no-such]:0: "},
		{`["127.0.0.1:0"]`, `["127.0.0.1:39871", "0.0.0.0:39871"]`, "port 39871 is that of the portal iscsi+tcp://127.0.0.1:39871 already"},
		{"kind: disk", "kind: disk, vendor: VERYLONGVENDOR", `units[0].device.vendor: invalid SCSI identity: vendor "VERYLONGVENDOR" is longer than 8 characters`},
		{"kind: disk", "kind: disk, product: Ünicode", `units[0].device.product: invalid SCSI identity: product "Ünicode" has a character that is not printable ASCII`},
		{"kind: disk", "kind: disk, naa: \"5000\"", `units[0].device.naa: invalid SCSI identity: NAA "5000" is not 32`},
		{"kind: disk", "kind: disk, serial: \"x \"", `units[0].device.serial: `},
		{"kind: disk", "kind: disk, revision: \"\"", `units[0].device.revision: `},
		{"kind: disk", "kind: disk, serial: \"\", naa: \"\"", ""},
	} {
		text := strings.Replace(good, test.old, test.now, 1)
		if text == good && test.old != "" {
			t.Fatalf("%q is not in the document", test.old)
		}
		before := listing(t)
		doc, err := model.Read("test.yaml", []byte(text), Builtin().Schema())
		if err == nil {
			err = Examine(t.Context(), doc, Builtin())
		}
		if now := listing(t); now != before {
			t.Fatalf("with %q the directory has changed: %s", test.now, now)
		}
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("with %q: examined: %v\nwant %s", test.now, err, test.want)
		}
		if doc == nil {
			continue
		}
		d, err := Start(t.Context(), doc, Builtin(), quiet(t))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) && !strings.Contains(test.want, "portals[") {
			t.Errorf("with %q: started: %v\nwant %s", test.now, err, test.want)
		}
		if err == nil {
			if err := d.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			_ = os.Remove("new.img")
			_ = os.Truncate("empty.img", 0)
		}
		if now := listing(t); now != before {
			t.Fatalf("with %q the directory has changed: %s", test.now, now)
		}
	}
}

// listing is what is in the working directory.
func listing(t *testing.T) string {
	t.Helper()
	all, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range all {
		info, err := os.Lstat(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(f.Name(), ".") {
			b.WriteString(f.Name() + " " + info.Mode().String() + " " + model.Size(info.Size()).String() + "\n")
		}
	}
	return b.String()
}

// All is told at once, and what others have just then is no error: they may be the daemon that serves the
// document now.
func TestExamineFindsAll(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text := `version: 1
units:
- {name: a, store: {kind: file, path: a.img}}
- {name: b, store: {kind: file, path: b.img}}
targets:
- {name: "` + disks + `", luns: {0: a, 1: b}, auth: {users: [{user: me, secret-file: s1}]}}
- {name: "` + closed + `", luns: {0: a}, auth: {users: [{user: me, secret-file: s2}]}}
portals: ["` + l.Addr().String() + `", "192.0.2.1:0", "198.51.100.2:0"]
`
	doc, err := model.Read("test.yaml", []byte(text), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	err = Examine(t.Context(), doc, Builtin())
	var all strings.Builder
	for _, p := range model.All(err) {
		all.WriteString(p.Error() + "\n")
	}
	for _, want := range []string{"test.yaml:3:20: units[0].store: a.img", "test.yaml:4:20: units[1].store: b.img", "s1: no such file", "s2: no such file", "test.yaml:8:30: portals[1]: ", "portals[2]: "} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%s is not told", want)
		}
	}
	if n := len(model.All(err)); n != 6 {
		t.Errorf("%d problems:\n%s", n, &all)
	}
	for name := range map[string]bool{"a.img": true, "b.img": true} {
		if err := os.WriteFile(name, make([]byte, 512), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	served := strings.NewReplacer(`, "192.0.2.1:0", "198.51.100.2:0"`, "", ", auth: {users: [{user: me, secret-file: s1}]}", "", ", auth: {users: [{user: me, secret-file: s2}]}", "", l.Addr().String(), "127.0.0.1:0").Replace(text)
	doc, err = model.Read(filepath.Base("test.yaml"), []byte(served), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), doc, Builtin(), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Stop(t.Context()) }()
	again := strings.Replace(served, "127.0.0.1:0", d.portals.load()[0].Addr(), 1)
	if doc, err = model.Read("test.yaml", []byte(again), Builtin().Schema()); err != nil {
		t.Fatal(err)
	}
	if err := Examine(t.Context(), doc, Builtin()); err != nil {
		t.Errorf("what is served just now: %v", err)
	}
}

// Two units that hosts would take for one.
func TestTwoOfOneIdentity(t *testing.T) {
	const text = `{version: 1, units: [{name: a, store: {kind: memory, size: 1M}, device: {kind: disk, ONE}}, {name: b, store: {kind: memory, size: 1M}, device: {kind: disk, TWO}}],
 targets: [{name: "` + disks + `", luns: {0: a, 1: b}}]}`
	for _, test := range []struct{ one, two, want string }{
		{`serial: "0001"`, `serial: "0001"`, `units[1].device.serial: "0001" is the serial of unit "a" already`},
		{`serial: "0001"`, `serial: "0001", product: other`, `"0001" is the serial of unit "a" already`},
		{`serial: "0001"`, `serial: "0002"`, ""},
		{`naa: "6589cfc000000d5a9b2f8f5d7c3a1e01"`, `naa: "naa.6589CFC000000D5A9B2F8F5D7C3A1E01"`, `units[1].device.naa: "naa.6589CFC000000D5A9B2F8F5D7C3A1E01" is the naa of unit "a" already`},
		{`naa: "6589cfc000000d5a9b2f8f5d7c3a1e01"`, `naa: "6589cfc000000d5a9b2f8f5d7c3a1e02"`, ""},
	} {
		_, err := model.Read("x", []byte(strings.NewReplacer("ONE", test.one, "TWO", test.two).Replace(text)), Builtin().Schema())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s and %s: %v, want %q", test.one, test.two, err, test.want)
		}
	}
}

// A copy with the identity of what it is a copy of is found before anything is opened.
func TestExamineFindsCopies(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a.img", "b.img"} {
		if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(name, file.Attribute, []byte("0123456789abcdef0123456789abcdef"), 0); err != nil {
			t.Skipf("not tested here: %v", err)
		}
	}
	const text = `{version: 1, units: [{name: a, store: {kind: file, path: a.img}, device: {kind: disk ONE}}, {name: b, store: {kind: file, path: b.img}}],
 targets: [{name: "` + disks + `", luns: {0: a, 1: b}}]}`
	for one, want := range map[string]string{
		"":                `units[1].store: b.img: its NAA name is that of the unit a already: initiators would take the two for one: give one of them another "serial" (and "naa", if it has one), or, if one is a copy of the other, let it have another name: setfattr -x user.lunette.identity b.img`,
		", serial: \"1\"": "",
	} {
		doc, err := model.Read("x", []byte(strings.Replace(text, " ONE", one, 1)), Builtin().Schema())
		if err != nil {
			t.Fatal(err)
		}
		err = Examine(t.Context(), doc, Builtin())
		if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", one, err, want)
		}
	}
}
