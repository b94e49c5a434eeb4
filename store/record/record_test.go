package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
)

func TestRecords(t *testing.T) {
	f := At(filepath.Join(t.TempDir(), "a.img"+Suffix))
	want := func(name, value string) {
		t.Helper()
		if b, err := At(f.path).Get(name); err != nil || string(b) != value || (b == nil) != (value == "") {
			t.Errorf("%s is %q, %v, want %q", name, b, err, value)
		}
	}
	put := func(name, value string) {
		t.Helper()
		var b []byte
		if value != "" {
			b = []byte(value)
		}
		if err := f.Set(name, b); err != nil {
			t.Fatal(err)
		}
	}
	want("b", "")
	put("b", "") // takes away what is not there
	put("b", "two")
	put("a", "one")
	want("a", "one")
	want("b", "two")
	f.Stamp("who", []byte("me"))
	put("b", "")
	want("b", "")
	want("who", "me")
	put("a", "")
	want("who", "me")
	if err := f.Reset(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty file is left: %v", err)
	}
	put("a", "new")
	want("who", "me")
	if err := f.Reset(map[string][]byte{"c": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	want("a", "")
	want("c", "x")
	if info, err := os.Stat(f.path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// failing fails at its n-th call, after the call if late is set, and at all calls that follow if
// dead is.
type failing struct {
	real
	n          int
	late, dead bool
	calls      []string
}

var errFault = unix.ENOSPC

func (s *failing) call(name string, do func() error) error {
	s.calls = append(s.calls, name)
	n := len(s.calls)
	switch {
	case s.n == 0 || n < s.n || n > s.n && !s.dead:
		return do()
	case n == s.n && s.late:
		return errors.Join(do(), errFault)
	}
	return errFault
}

func (s *failing) write(path string, b []byte) error {
	return s.call("write", func() error { return s.real.write(path, b) })
}
func (s *failing) rename(a, b string) error {
	return s.call("rename", func() error { return s.real.rename(a, b) })
}
func (s *failing) remove(p string) error {
	return s.call("remove", func() error { return s.real.remove(p) })
}
func (s *failing) syncDir(p string) error {
	return s.call("sync directory", func() error { return s.real.syncDir(p) })
}

// Wherever a write fails, or the process ends, the file has what was there or what was to be there,
// whole; and if the process goes on and was told of an error, what was there.
func TestFaults(t *testing.T) {
	for _, next := range []string{"new", ""} {
		for n := 1; n <= 5; n++ {
			for _, mode := range []struct{ late, dead bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
				f := At(filepath.Join(t.TempDir(), "x"))
				if err := f.Set("a", []byte("old")); err != nil {
					t.Fatal(err)
				}
				sys := &failing{n: n, late: mode.late, dead: mode.dead}
				f.sys = sys
				var b []byte
				if next != "" {
					b = []byte(next)
				}
				err := f.Set("a", b)
				f.sys = real{}
				got, look := f.Get("a")
				if look != nil {
					t.Fatalf("fault %d %+v: %v", n, mode, look)
				}
				hit := len(sys.calls) >= n
				switch {
				case err == nil && string(got) != next:
					t.Errorf("fault %d %+v: %q after nil, want %q", n, mode, got, next)
				case err != nil && !mode.dead && string(got) != "old":
					t.Errorf("fault %d %+v: %q after %v", n, mode, got, err)
				case string(got) != "old" && string(got) != next:
					t.Errorf("fault %d %+v: %q", n, mode, got)
				case hit != (err != nil):
					t.Errorf("fault %d %+v: %v after %v", n, mode, err, sys.calls)
				case err != nil && !errors.Is(err, store.ErrOutOfSpace):
					t.Errorf("%v", err)
				}
			}
		}
	}
}

// The order is what makes it durable: the data before the name, the name before the answer.
func TestOrderOfWriting(t *testing.T) {
	f := At(filepath.Join(t.TempDir(), "x"))
	sys := &failing{}
	f.sys = sys
	if err := f.Set("a", []byte("1")); err != nil || !slices.Equal(sys.calls, []string{"write", "rename", "sync directory"}) {
		t.Errorf("%v, %v", sys.calls, err)
	}
}

// What a crash has left of a file that was being written is in nobody's way.
func TestLeftovers(t *testing.T) {
	f := At(filepath.Join(t.TempDir(), "x"))
	if err := os.WriteFile(f.path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Set("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.path + ".new"); err == nil {
		t.Error("it is left")
	}
}

func TestNotOurs(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	good := encode(map[string][]byte{"a": []byte("1")})
	for name, b := range map[string][]byte{"empty": {}, "half": good[:len(good)-5], "other": []byte("a file that somebody else has made")} {
		if err := os.WriteFile(path(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := At(path(name)).Get("a"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path(name)) {
			t.Errorf("%s: %v", name, err)
		}
		if err := At(path(name)).Set("a", []byte("2")); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: written over, %v", name, err)
		}
		if err := At(path(name)).Reset(map[string][]byte{"a": []byte("2")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Symlink("half", path("link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "fifo"} {
		if _, err := At(path(name)).Get("a"); err == nil {
			t.Errorf("a %s is read", name)
		}
	}
}

func TestBesideIsOfTheFileItself(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "f"), filepath.Join(dir, "l")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink("f", link)); err != nil {
		t.Fatal(err)
	}
	if a, b := Beside(file), Beside(link); a != b || !strings.HasSuffix(a, "/f"+Suffix) {
		t.Errorf("%s and %s", a, b)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(nil))
	f.Add(encode(map[string][]byte{"identity": []byte("0123"), "x": nil}))
	f.Fuzz(func(t *testing.T, b []byte) {
		// As it is, and with the checksum that it should have.
		for _, b := range [][]byte{b, binary.BigEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, castagnoli))} {
			all, err := decode(b)
			if err != nil {
				continue
			}
			if again := encode(all); !bytes.Equal(again, b) {
				t.Errorf("%x is read and written as %x", b, again)
			}
		}
	})
}
