package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// open opens a state directory until the test ends.
func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	d := open(t, path)
	generations(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Begin(); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	before, _ := d.History()
	d = open(t, path)
	after, err := d.History()
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("%v after the restart, and %v before: %v", after, before, err)
	}
	if s, ok := d.Current(); !ok || string(s.Text) != "after it" || s.Generation != 131 {
		t.Errorf("%v, %v", s, ok)
	}
	if len(d.Warnings()) != 0 || len(d.Unfinished()) != 0 {
		t.Errorf("%v, %v", d.Warnings(), d.Unfinished())
	}
	names, _ := os.ReadDir(filepath.Join(path, generationsDir))
	if len(names) != 100 || names[99].Name() != "00000131.yaml" {
		t.Errorf("%v", names)
	}
	_ = filepath.WalkDir(path, func(p string, e os.DirEntry, err error) error {
		info, _ := e.Info()
		if want := os.FileMode(0o600); e.IsDir() && info.Mode() != os.ModeDir|0o700 || !e.IsDir() && info.Mode() != want {
			t.Errorf("%s has mode %v", p, info.Mode())
		}
		return err
	})
}

// The text is kept byte for byte, whatever it is, and people can read what is above it.
func TestTexts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	d := open(t, path)
	at := time.Date(2026, 11, 29, 21, 51, 8, 123456789, time.FixedZone("", 3600))
	for i, text := range []string{"", "\n", `{"a": 1}`, "# comment\r\na: ü\xff\n\n", "# lunette generation, format 1\n", strings.Repeat("x", maxText)} {
		tx, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		want, err := tx.Commit([]byte(text), Meta{Schema: i, Time: at, Author: "a\"\n# b", Comment: "é\x00\xff"})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = open(t, path)
		if s, _ := d.Current(); s.Meta != want || string(s.Text) != text {
			t.Errorf("%.40q: %+v, want %+v", s.Text, s.Meta, want)
		}
	}
	b, err := os.ReadFile(filepath.Join(path, generationsDir, "00000003.yaml"))
	want := `# lunette generation, format 1
# generation: 3
# parent: 2
# schema: 2
# time: 2026-11-29T20:51:08.123456789Z
# author: "a\"\n# b"
# comment: "é\x00\xff"
# size: 8
# sha256: f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310
# header: 048d7af1
{"a": 1}`
	if err != nil || string(b) != want {
		t.Errorf("%s\n%v", b, err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	d := open(t, path)
	_, err := Open(path, Options{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("the state in %s is used by process %d", path, os.Getpid())) {
		t.Errorf("%v", err)
	}
	if _, err := Repair(path, 1, "me"); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

// A directory that is not only ours is refused, and nothing is made in it.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for name, do := range map[string]func(path string) error{
		"no directory above it":  func(path string) error { return os.Remove(path) },
		"written to by others":   func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o770)) },
		"not a directory":        func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"has other things in it": func(path string) error { return os.MkdirAll(filepath.Join(path, "etc"), 0o700) },
		"generations is a link": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Symlink(dir, filepath.Join(path, generationsDir)))
		},
		"the lock is a link": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Symlink(dir+"/x", filepath.Join(path, lockName)))
		},
		"the lock is something to read": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Mkdir(filepath.Join(path, lockName), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			path := filepath.Join(above, "state")
			if name == "no directory above it" {
				path = filepath.Join(path, "state")
			} else if err := do(path); err != nil {
				t.Fatal(err)
			}
			if d, err := Open(path, Options{}); err == nil {
				d.Close()
				t.Error("it is taken")
			} else {
				t.Log(err)
			}
		})
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("%v was made through a link", names)
	}
}
