package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTakeBack(t *testing.T) {
	const size = 1 << 20
	sparse := func(path string) error {
		return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size))
	}
	data := func(path string, at int64) error {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{1}, at)
		return errors.Join(err, f.Truncate(size), f.Sync(), f.Close())
	}
	allocated := func(path string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		return errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
	}
	lock := func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		t.Cleanup(func() { f.Close() })
		return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	}
	for name, c := range map[string]struct {
		make func(path string) error
		made Made
		left bool
		size int64 // afterwards; -1: it is gone
	}{
		"nothing":               {func(string) error { return nil }, Made{}, false, -1},
		"no directory":          {nil, Made{}, false, -1},
		"empty":                 {func(path string) error { return os.WriteFile(path, nil, 0o600) }, Made{}, false, -1},
		"sparse":                {sparse, Made{}, false, -1},
		"allocated":             {allocated, Made{}, false, -1},
		"data":                  {func(path string) error { return data(path, 4096) }, Made{}, true, size},
		"a link":                {func(path string) error { return os.Symlink("/etc/passwd", path) }, Made{}, true, 0},
		"two names":             {func(path string) error { return errors.Join(sparse(path), os.Link(path, path+"2")) }, Made{}, true, size},
		"a directory":           {func(path string) error { return os.Mkdir(path, 0o700) }, Made{}, true, 0},
		"a pipe":                {func(path string) error { return unix.Mkfifo(path, 0o600) }, Made{}, true, 0},
		"locked":                {lock, Made{}, true, 0},
		"grown":                 {sparse, Made{Grown: true, Size: 8192}, false, 8192},
		"grown, data before":    {func(path string) error { return data(path, 0) }, Made{Grown: true, Size: 8192}, false, 8192},
		"grown, data after":     {func(path string) error { return data(path, 8192) }, Made{Grown: true, Size: 8192}, true, size},
		"grown, not yet":        {sparse, Made{Grown: true, Size: size}, false, size},
		"grown, shorter by now": {sparse, Made{Grown: true, Size: 2 * size}, false, size},
		"grown, gone":           {func(string) error { return nil }, Made{Grown: true, Size: size}, false, -1},
		"grown, from nothing":   {sparse, Made{Grown: true}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.img")
			if name == "no directory" {
				path = filepath.Join(t.TempDir(), "no", "a.img")
			} else if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			c.made.Path = path
			if err := TakeBack(c.made); errors.Is(err, ErrLeft) != c.left || err != nil && !c.left {
				t.Errorf("%v", err)
			}
			info, err := os.Lstat(path)
			if (err != nil) != (c.size < 0) || err == nil && info.Mode().IsRegular() && info.Size() != c.size {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
	for _, m := range []Made{{}, {Path: "a"}, {Path: "/a", Size: 1}, {Path: "/a", Grown: true, Size: -1}, {Path: "/a\x00"}} {
		if err := TakeBack(m); err == nil {
			t.Errorf("%v is taken", m)
		}
	}
}
