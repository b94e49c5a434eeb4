package file

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, n := range map[string]int64{"empty": 0, "odd": 1000, "good": 4096} {
		f, err := os.Create(at(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(n), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "no path"},
		{Config{Path: at("new"), Size: -512}, "not a positive multiple of 512"},
		{Config{Path: at("new"), Size: 1000}, "not a positive multiple of 512"},
		{Config{Path: at("new")}, "does not exist, and no size"},
		{Config{Path: at("new"), Size: 4096, ReadOnly: true}, "not made for reading only"},
		{Config{Path: at("no/new"), Size: 4096}, "cannot make it"},
		{Config{Path: dir, Size: 4096}, "is a directory"},
		{Config{Path: at("fifo")}, "is a FIFO"},
		{Config{Path: "/dev/null"}, "is a character device"},
		{Config{Path: at("empty")}, "empty, and no size"},
		{Config{Path: at("empty"), ReadOnly: true}, "empty, and no size"},
		{Config{Path: at("empty"), Size: 4096, ReadOnly: true}, "it has 0 bytes, not the 4096"},
		{Config{Path: at("odd")}, "size of 1000 bytes is not a multiple of 512"},
		{Config{Path: at("good"), Size: 8192}, "it has 4096 bytes, not the 8192"},
		{Config{Path: at("good/x")}, "not a directory"},
		{Config{Path: at("new"), Size: 1<<63 - 512}, "cannot give it"},
		{Config{Path: at("empty"), Size: 1<<63 - 512}, "cannot give it"},
	} {
		s, err := Open(test.cfg)
		if err == nil {
			t.Errorf("%+v: accepted", test.cfg)
			s.Close()
			continue
		}
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.cfg.Path) {
			t.Errorf("%+v: %q does not say %q and the path", test.cfg, err, test.want)
		}
	}
	if _, err := os.Stat(at("new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that could not be opened was left behind: %v", err)
	}
	for name, n := range map[string]int64{"empty": 0, "odd": 1000, "good": 4096} {
		if st, err := os.Stat(at(name)); err != nil || st.Size() != n {
			t.Errorf("%s was changed: %v %v", name, st, err)
		}
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "new"), empty} {
		s := must(t, Config{Path: path, Size: 1 << 30})
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || st.Size != 1<<30 || st.Blocks > 64 {
			t.Errorf("%s: %d bytes, %d blocks, %v: want 1 GiB without blocks", path, st.Size, st.Blocks, err)
		}
		if s.Info().Size != 1<<30 {
			t.Errorf("%+v", s.Info())
		}
		s.Close()
		must(t, Config{Path: path, Size: 1 << 30}).Close() // the same size again is no conflict
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	writer := must(t, Config{Path: path, Size: 1 << 20})
	refused := func(cfg Config) {
		t.Helper()
		s, err := open(cfg, 0)
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path+": in use: another process") {
			t.Errorf("%+v: %v, want ErrInUse", cfg, err)
		}
		if err == nil {
			s.Close()
		}
	}
	refused(Config{Path: path})
	refused(Config{Path: path, Size: 1 << 20})
	refused(Config{Path: path, ReadOnly: true})
	if out, err := otherProcess(t, path); err == nil || !strings.Contains(out, "in use: another process") {
		t.Errorf("another process: %v\n%s", err, out)
	}
	writer.Close()
	if out, err := otherProcess(t, path); err != nil {
		t.Errorf("another process, file closed: %v\n%s", err, out)
	}
	must(t, Config{Path: path, ReadOnly: true})
	must(t, Config{Path: path, ReadOnly: true})
	refused(Config{Path: path})
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestLinger: Open waits a little for who is about to let go of the file.
func TestLinger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	first := must(t, Config{Path: path, Size: 1 << 20})
	go func() {
		time.Sleep(30 * time.Millisecond)
		first.Close()
	}()
	second, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

const pathVariable = "LUNETTE_TEST_FILE"

func otherProcess(t *testing.T, path string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestOtherProcess$")
	cmd.Env = append(os.Environ(), pathVariable+"="+path)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestOtherProcess is the other process of TestLock.
func TestOtherProcess(t *testing.T) {
	if path := os.Getenv(pathVariable); path != "" {
		must(t, Config{Path: path})
	}
}
