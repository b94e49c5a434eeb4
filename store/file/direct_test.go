package file

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/direct"
	"github.com/lunette-io/lunette/store/internal/ringio"
)

// openDirect opens a file for direct I/O, or skips the test.
func openDirect(t *testing.T, cfg Config) *Store {
	t.Helper()
	cfg.Direct = true
	s, err := open(cfg, 0)
	if errors.Is(err, store.ErrNotSupported) {
		t.Skipf("not tested here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestCapabilities: each way to open a file has those that it should have.
func TestCapabilities(t *testing.T) {
	openDirect(t, Config{Path: create(t, t.TempDir(), 1<<20, 1)}) // or skip
	ring := func() bool {
		s := must(t, Config{Path: create(t, t.TempDir(), 1<<20, 1)})
		if err := s.startQueue(ringio.Uring); err != nil {
			t.Logf("not tested with io_uring: %v", err)
			return false
		}
		return true
	}()
	for _, test := range []struct {
		cfg             Config
		trying, submits bool
	}{
		{Config{IO: ringio.Threads}, true, false},
		{Config{}, true, ring},
		{Config{Direct: true, IO: ringio.Threads}, false, false},
		{Config{Direct: true}, false, ring},
	} {
		test.cfg.Path = create(t, t.TempDir(), 1<<20, 1)
		s, err := Open(test.cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, trying := store.As[store.Tryer](s)
		_, submits := store.As[store.Submitter](s)
		if trying != test.trying || submits != test.submits {
			t.Errorf("%+v: Tryer %v, Submitter %v", test.cfg, trying, submits)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMemoryHasNoRing(t *testing.T) {
	dir, ok := dirs(t)["tmpfs"]
	if !ok {
		t.Skip("no tmpfs")
	}
	s, err := Open(Config{Path: create(t, dir, 1<<20, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := store.As[store.Submitter](s); ok {
		t.Error("a file in memory is a Submitter")
	}
	s.Close()
	refuses(t, dir, map[string]Config{
		"io_uring only costs": {IO: ringio.Uring},
		"no disk":             {Direct: true},
		"none of":             {IO: "aio"},
	})
}

// refuses opens files that are missing or empty in ways that fail, and looks that they are
// as they were.
func refuses(t *testing.T, dir string, configs map[string]Config) {
	t.Helper()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for want, cfg := range configs {
		for _, cfg.Path = range []string{empty, missing} {
			cfg.Size = 1 << 20
			if s, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), cfg.Path) {
				t.Errorf("%v, want %q", err, want)
				if err == nil {
					s.Close()
				}
			}
		}
		if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a file was left behind: %v", want, err)
		}
		if st, err := os.Stat(empty); err != nil || st.Size() != 0 {
			t.Errorf("%s: the empty file has changed: %v, %v", want, st.Size(), err)
		}
	}
}

func TestRefusedMode(t *testing.T) {
	refuses(t, t.TempDir(), map[string]Config{"none of": {IO: "aio"}})
}

// TestDirect: data goes past the page cache, and FUA and flushes to the disk.
func TestDirect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	s := openDirect(t, Config{Path: path, Size: 1 << 20})
	var syncs atomic.Int64
	var real func(int) error
	real = s.syncer.Intercept(func(fd int) error { syncs.Add(1); return real(fd) })
	arena := buffer.NewArena(4 << 20)
	l, err := arena.Get(4096)
	if err != nil {
		t.Fatal(err)
	}
	l.Copy(0, bytes.Repeat([]byte{7}, 4096))
	if i := s.Info(); !i.Cached || i.Volatile {
		t.Errorf("%+v", i)
	}
	for _, step := range []struct {
		what  string
		do    func() error
		syncs int64
	}{
		{"write", func() error { return s.WriteAt(t.Context(), l, 8192, 0) }, 0},
		{"FUA", func() error { return s.WriteAt(t.Context(), l, 4096, store.FUA) }, 0}, // RWF_DSYNC
		{"FUA, not aligned", func() error { return s.WriteAt(t.Context(), filled(100, 1), 5, store.FUA) }, 1},
		{"flush", func() error { return s.Flush(t.Context()) }, 1},
		{"zero FUA", func() error { return s.Zero(t.Context(), 100, 512, store.FUA) }, 1},
		{"no RWF_DSYNC", func() error { s.noDsync.Store(true); return nil }, 0},
		{"FUA", func() error { return s.WriteAt(t.Context(), l, 4096, store.FUA) }, 1},
	} {
		before := syncs.Load()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if n := syncs.Load() - before; n != step.syncs {
			t.Errorf("%s: %d calls of fdatasync, want %d", step.what, n, step.syncs)
		}
	}
	if cachedPage(t, path, 8192) {
		t.Error("what was written is in the page cache")
	}
	if b, err := os.ReadFile(path); err != nil || b[8192] != 7 || b[8192+4095] != 7 {
		t.Errorf("read through the page cache: %v", err)
	}
	l.Release()
	if err := arena.Close(); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 1<<20 {
		t.Errorf("%v, %v: the size has changed", st, err)
	}
}

// cachedPage reports that the page of the file at off is in the page cache.
func cachedPage(t *testing.T, path string, off int64) bool {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), off, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(m)
	var in [16]byte // one for each page
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), 4096, uintptr(unsafe.Pointer(&in))); errno != 0 {
		t.Skipf("mincore: %v", errno)
	}
	return in[0]&1 != 0
}

// TestDirectSize: a file whose last block is not whole would grow, or could not be read.
func TestDirectSize(t *testing.T) {
	path := create(t, t.TempDir(), 4096, 1)
	s := openDirect(t, Config{Path: path})
	align, ok := direct.Ask(s.fd)
	s.Close()
	if !ok || align.Offset <= 512 {
		t.Skipf("files of any multiple of 512 bytes do here: %+v", align)
	}
	if err := os.Truncate(path, 4096+512); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: path, Direct: true}); err == nil || !strings.Contains(err.Error(), "not a multiple") {
		t.Errorf("%v", err)
	}
}

// TestProbe: where the kernel does not say, reading finds the same out.
func TestProbe(t *testing.T) {
	s := openDirect(t, Config{Path: create(t, t.TempDir(), 8192, 1)})
	a, ok := direct.Probe(s.fd)
	if !ok {
		t.Fatal("nothing can be read")
	}
	io, err := direct.New(s.fd, a)
	if err != nil {
		t.Fatal(err)
	}
	l := filled(3000, 0)
	if err := io.ReadAt(t.Context(), l, 1001); err != nil || l.At(2999)[0] != 1 {
		t.Errorf("%+v: %v", a, err)
	}
}

// TestNonblocking: io_uring does not retry what would wait on a descriptor with O_NONBLOCK.
func TestNonblocking(t *testing.T) {
	for _, past := range []bool{false, true} {
		s, err := open(Config{Path: create(t, t.TempDir(), 8192, 1), Direct: past}, 0)
		if past && errors.Is(err, store.ErrNotSupported) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		flags, err := unix.FcntlInt(uintptr(s.fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK != 0 || (flags&unix.O_DIRECT != 0) != past {
			t.Errorf("flags %#x, %v", flags, err)
		}
		s.Close()
	}
}

// TestMissed: what is not in the page cache is read by the ring.
func TestMissed(t *testing.T) {
	s := must(t, Config{Path: create(t, t.TempDir(), 1<<20, 7)})
	if err := s.startQueue(ringio.Auto); err != nil || s.queue == nil {
		t.Skipf("no io_uring: %v", err)
	}
	if err := errors.Join(s.Flush(t.Context()), unix.Fadvise(s.fd, 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for _, n := range []int{512, 4096, inlineMax, inlineMax + 4096} {
		l := filled(n, 0)
		go s.Submit(&store.Request{Off: 1<<20 - int64(n), Data: l, Done: func(_ *store.Request, err error) { done <- err }})
		if err := <-done; err != nil || l.At(int64(n - 1))[0] != 7 {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
