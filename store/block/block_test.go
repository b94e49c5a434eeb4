package block

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/direct"
	"github.com/lunette-io/lunette/store/internal/ringio"
	"github.com/lunette-io/lunette/store/storetest"
)

const size = 2 << 20

// openFile is Open for a regular file that stands in for a device.
func openFile(cfg Config, block int64) (*Store, error) {
	fd, err := openDirect(cfg, 0, 0)
	if err != nil {
		return nil, err
	}
	return finish(cfg, fd, func(s *Store) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		s.align = direct.Align{Offset: block, Memory: block}
		s.info = store.Info{
			PhysicalBlock: 4096, ReadOnly: cfg.ReadOnly, Cached: true, Granularity: block, Concurrency: concurrency,
		}
		s.measure = func() (int64, error) {
			err := unix.Fstat(fd, &st)
			return st.Size, err
		}
		s.size.Store(st.Size)
		return nil
	})
}

func file(t *testing.T, n int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, n)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSuiteFile(t *testing.T) {
	for _, test := range []struct {
		name   string
		block  int64
		change func(*Store)
	}{
		{"plain", 512, func(*Store) {}},
		// As with a driver that can only read and write.
		{"bare", 4096, func(s *Store) {
			s.info.Granularity = 0
			s.noDsync.Store(true)
			s.noPunch.Store(true)
			s.noZero.Store(true)
		}},
	} {
		for _, mode := range modes(t) {
			t.Run(test.name+"/"+mode, func(t *testing.T) {
				suite(t, func(t *testing.T) func() (store.Store, error) {
					path := file(t, size)
					return func() (store.Store, error) {
						s, err := openFile(Config{Path: path}, test.block)
						if errors.Is(err, unix.EINVAL) {
							t.Skipf("no direct I/O in the temporary directory: %v", err)
						} else if err != nil {
							return nil, err
						}
						test.change(s)
						return s, s.startQueue(mode)
					}
				})
			})
		}
	}
}

func TestSuiteLoop(t *testing.T) {
	for _, block := range []uint32{512, 4096} {
		t.Run(strconv.Itoa(int(block)), func(t *testing.T) {
			suite(t, func(t *testing.T) func() (store.Store, error) {
				path := loop(t, size, block)
				return func() (store.Store, error) { return Open(Config{Path: path}) }
			})
		})
	}
}

// modes are the values of Config.IO that can be tested here.
func modes(t *testing.T) []string {
	s, err := openFile(Config{Path: file(t, size)}, 4096)
	if err != nil {
		return []string{ringio.Threads} // which says why it is not tested
	}
	if err := s.startQueue(ringio.Uring); err != nil {
		t.Logf("not tested with io_uring: %v", err)
		return []string{ringio.Threads}
	}
	s.Close()
	return []string{ringio.Threads, ringio.Uring}
}

func suite(t *testing.T, place func(*testing.T) func() (store.Store, error)) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		open := place(t)
		s, err := open()
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Subject{Store: s, Reopen: open}
	})
}

func TestInfo(t *testing.T) {
	path := loop(t, size, 4096)
	s, err := open(Config{Path: path}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	i := s.Info()
	if i.Size != size || i.PhysicalBlock != 4096 || i.ReadOnly || i.Volatile || i.Granularity%4096 != 0 || i.Concurrency < 1 {
		t.Errorf("%+v", i)
	}
	if _, ok := store.As[store.Mapper](store.Store(s)); ok {
		t.Error("a block device knows no extents")
	}
}

func TestOpenRefuses(t *testing.T) {
	for path, want := range map[string]string{
		"":              "no path",
		t.TempDir():     "not a block device",
		file(t, 512):    "not a block device",
		"/dev/null":     "not a block device",
		"/dev/no-block": "no such file",
	} {
		if s, err := open(Config{Path: path}, 0); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %q", path, err, want)
			if err == nil {
				s.Close()
			}
		}
	}
	for name, block := range map[string]int64{"not a multiple": 4096, "cannot align": 1 << 20} {
		s, err := openFile(Config{Path: file(t, 1<<20+512*(block&4096/4096))}, block)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("blocks of %d: %v, want %q", block, err, name)
		}
		if err == nil {
			s.Close()
		}
	}
	if s, err := openFile(Config{Path: file(t, 0)}, 512); err == nil || !strings.Contains(err.Error(), "no medium") {
		t.Errorf("empty: %v", err)
		if err == nil {
			s.Close()
		}
	}
}

func TestInUse(t *testing.T) {
	path := loop(t, 16<<20, 512)
	inUse := func(want string) {
		t.Helper()
		for _, readOnly := range []bool{false, true} {
			s, err := open(Config{Path: path, ReadOnly: readOnly}, 0)
			if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want ErrInUse and %q", err, want)
			}
			if err == nil {
				s.Close()
			}
		}
	}
	s, err := open(Config{Path: path}, 0)
	if err != nil {
		t.Fatal(err)
	}
	inUse("has it open")
	s.Close()
	if out, err := exec.Command("mkfs.ext4", "-q", path).CombinedOutput(); err != nil {
		t.Skipf("no file system to mount: %v %s", err, out)
	}
	dir := t.TempDir()
	if err := unix.Mount(path, dir, "ext4", 0, ""); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	inUse("mounted on " + dir)
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if s, err = open(Config{Path: path, ReadOnly: true}, 0); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.WriteAt(t.Context(), buffer.Of(make([]byte, 512)), 0, 0); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
}

// TestBounced: memory of the arena goes straight to the device, other memory does not.
func TestBounced(t *testing.T) {
	s, err := openFile(Config{Path: file(t, size)}, 512)
	if err != nil {
		t.Skipf("no direct I/O: %v", err)
	}
	defer s.Close()
	arena := buffer.NewArena(4 << 20)
	defer arena.Close()
	for _, n := range []int64{512, 4096, 1<<20 + 8192} {
		l, err := arena.Get(n)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(s.WriteAt(t.Context(), l, 512, 0), s.ReadAt(t.Context(), l, 512), s.WriteAt(t.Context(), l, 512, store.FUA))
		l.Release()
		if calls, _ := s.Bounced(); err != nil || calls != 0 {
			t.Fatalf("%d bytes of the arena: %v, bounced %d times", n, err, calls)
		}
	}
	odd := make([]byte, 4096)
	if s.io.Aligned(buffer.Of(odd), 0) {
		odd = make([]byte, 4097)[1:]
	}
	l := buffer.Of(odd)
	if err := errors.Join(s.WriteAt(t.Context(), l, 0, 0), s.ReadAt(t.Context(), l, 0)); err != nil {
		t.Fatal(err)
	}
	if calls, n := s.Bounced(); calls != 2 || n != 8192 {
		t.Errorf("bounced %d times, %d bytes; want 2, 8192", calls, n)
	}
}

func TestNoAllocations(t *testing.T) {
	s, err := openFile(Config{Path: file(t, size)}, 512)
	if err != nil {
		t.Skipf("no direct I/O: %v", err)
	}
	defer s.Close()
	arena := buffer.NewArena(4 << 20)
	defer arena.Close()
	l, _ := arena.Get(4096)
	defer l.Release()
	ctx := t.Context()
	submitted(t, s, l)
	if n := testing.AllocsPerRun(50, func() { s.WriteAt(ctx, l, 0, 0); s.ReadAt(ctx, l, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// submitted looks for allocations of requests.
func submitted(t *testing.T, s *Store, l *buffer.Lease) {
	if err := s.startQueue(ringio.Auto); err != nil {
		t.Fatal(err)
	}
	if s.queue == nil {
		t.Log("there is no io_uring: requests are not tested")
		return
	}
	done := make(chan error, 1)
	r := &store.Request{Data: l, Done: func(_ *store.Request, err error) { done <- err }}
	if n := testing.AllocsPerRun(50, func() { s.Submit(r); <-done }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations for a request", n)
	}
	if calls, _ := s.Bounced(); calls != 0 {
		t.Errorf("bounced %d times", calls)
	}
}

func TestModes(t *testing.T) {
	s, err := openFile(Config{Path: file(t, size)}, 512)
	if err != nil {
		t.Skipf("no direct I/O: %v", err)
	}
	if _, ok := store.As[store.Submitter](s); ok {
		t.Error("a store without a ring is a Submitter")
	}
	if err := s.startQueue("aio"); err == nil || !strings.Contains(err.Error(), "none of") {
		t.Errorf("a mode that is not one: %v", err)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("it is still open: %v", err)
	}
}

// TestFlushReachesDevice counts the flushes that the device was sent.
func TestFlushReachesDevice(t *testing.T) {
	path := loop(t, size, 512)
	s, err := open(Config{Path: path}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	flushes := func() int {
		b, err := os.ReadFile("/sys/block/" + filepath.Base(path) + "/stat")
		fields := strings.Fields(string(b))
		if err != nil || len(fields) < 17 {
			t.Skipf("the kernel does not count flushes: %v, %d fields", err, len(fields))
		}
		n, _ := strconv.Atoi(fields[15])
		return n
	}
	arena := buffer.NewArena(4 << 20)
	defer arena.Close()
	l, _ := arena.Get(4096)
	defer l.Release()
	for what, step := range map[string]struct {
		do    func() error
		flush bool
	}{
		"write": {func() error { return s.WriteAt(t.Context(), l, 0, 0) }, false},
		"FUA":   {func() error { return s.WriteAt(t.Context(), l, 0, store.FUA) }, true},
		"flush": {func() error { return s.Flush(t.Context()) }, true},
		"odd FUA": {func() error {
			return s.WriteAt(t.Context(), buffer.Of(bytes.Repeat([]byte{1}, 100)), 5, store.FUA)
		}, true},
	} {
		before := flushes()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n := flushes() - before; (n > 0) != step.flush {
			t.Errorf("%s: %d flushes", what, n)
		}
	}
}

func TestFailedFlush(t *testing.T) {
	s, err := openFile(Config{Path: file(t, size)}, 512)
	if err != nil {
		t.Skipf("no direct I/O: %v", err)
	}
	defer s.Close()
	fail := true
	s.syncer.Intercept(func(int) error {
		if fail {
			return unix.EIO
		}
		return nil
	})
	first := s.Flush(t.Context())
	fail = false
	for what, err := range map[string]error{
		"first": first, "second": s.Flush(t.Context()),
		"FUA":      s.WriteAt(t.Context(), buffer.Of(make([]byte, 512)), 0, store.FUA),
		"zero FUA": s.Zero(t.Context(), 0, 512, store.FUA),
	} {
		if !errors.Is(err, store.ErrMedium) || !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v, want ErrMedium and EIO", what, err)
		}
	}
	if err := s.WriteAt(t.Context(), buffer.Of(make([]byte, 512)), 0, 0); err != nil {
		t.Errorf("plain write: %v", err)
	}
}
