package file

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

func filled(n int, b byte) *buffer.Lease { return buffer.Of(bytes.Repeat([]byte{b}, n)) }

// create makes a file of n bytes, all b.
func create(t *testing.T, dir string, n int, b byte) (path string) {
	t.Helper()
	path = filepath.Join(dir, "disk.img")
	if err := os.WriteFile(path, bytes.Repeat([]byte{b}, n), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTruncatedMeanwhile(t *testing.T) {
	for fs, dir := range dirs(t) {
		path := create(t, dir, 1<<20, 1)
		s := must(t, Config{Path: path})
		if err := os.Truncate(path, 5000); err != nil {
			t.Fatal(err)
		}
		for _, off := range []int64{4096, 8192, 1<<20 - 4096} {
			if done, err := s.TryReadAt(filled(4096, 0), off); done && err == nil {
				t.Errorf("%s: TryReadAt at %d found data", fs, off)
			}
			if err := s.ReadAt(t.Context(), filled(4096, 0), off); !errors.Is(err, store.ErrMedium) {
				t.Errorf("%s: read at %d: %v, want ErrMedium", fs, off, err)
			}
		}
		if err := s.ReadAt(t.Context(), filled(4096, 0), 0); err != nil {
			t.Errorf("%s: what is left: %v", fs, err)
		}
		if err := s.WriteAt(t.Context(), filled(512, 1), 1<<20-512, 0); err != nil {
			t.Errorf("%s: write: %v", fs, err)
		}
		if err := s.ReadAt(t.Context(), filled(4096, 0), 8192); err != nil {
			t.Errorf("%s: after growing it again: %v", fs, err)
		}
	}
}

func TestOutOfSpace(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a tiny tmpfs: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	s := must(t, Config{Path: filepath.Join(dir, "disk.img"), Size: 4 << 20})
	if err := s.WriteAt(t.Context(), filled(512<<10, 1), 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteAt(t.Context(), filled(1<<20, 2), 1<<20, 0); !errors.Is(err, store.ErrOutOfSpace) {
		t.Errorf("write: %v, want ErrOutOfSpace", err)
	}
	if done, err := s.TryWriteAt(filled(4096, 2), 3<<20); !done || !errors.Is(err, store.ErrOutOfSpace) {
		t.Errorf("try write: %v %v, want ErrOutOfSpace", done, err)
	}
	if err := s.WriteAt(t.Context(), filled(4096, 2), 3<<20, store.FUA); !errors.Is(err, store.ErrOutOfSpace) {
		t.Errorf("FUA: %v, want ErrOutOfSpace", err)
	}
	got := filled(512<<10, 0)
	if err := s.ReadAt(t.Context(), got, 0); err != nil || !bytes.Equal(got.At(0), filled(512<<10, 1).At(0)) {
		t.Errorf("earlier data: %v", err)
	}
	if err := errors.Join(
		s.Trim(t.Context(), 1<<20, 1<<20),
		s.WriteAt(t.Context(), filled(4096, 2), 3<<20, store.FUA),
		s.Flush(t.Context()),
	); err != nil {
		t.Errorf("after making space: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	path := create(t, t.TempDir(), 1<<20, 7)
	s := must(t, Config{Path: path, ReadOnly: true})
	if i := s.Info(); !i.ReadOnly || i.Granularity != 0 {
		t.Errorf("%+v", i)
	}
	for what, err := range map[string]error{
		"write": s.WriteAt(t.Context(), filled(512, 1), 0, store.FUA),
		"trim":  s.Trim(t.Context(), 0, 512),
		"zero":  s.Zero(t.Context(), 0, 512, store.MayTrim),
	} {
		if !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.TryWriteAt(filled(512, 1), 0); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("try write: %v", err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
}

// TestSyncCalls: flushes and FUA reach fdatasync, and nothing else does.
func TestSyncCalls(t *testing.T) {
	for _, sync := range []bool{false, true} {
		s := must(t, Config{Path: filepath.Join(t.TempDir(), "disk.img"), Size: 1 << 20, Sync: sync})
		var calls atomic.Int64
		var real func(int) error
		real = s.syncer.Intercept(func(fd int) error {
			if fd != s.witness {
				t.Errorf("synced descriptor %d, not the witness", fd)
			}
			calls.Add(1)
			return real(fd)
		})
		if s.Info().Cached == sync {
			t.Errorf("sync %v: %+v", sync, s.Info())
		}
		data := filled(4096, 1)
		in := func(plain, syncing int64) int64 {
			if sync {
				return syncing
			}
			return plain
		}
		for _, step := range []struct {
			what  string
			do    func() error
			calls int64
		}{
			{"write", func() error { return s.WriteAt(t.Context(), data, 0, 0) }, 0},
			{"FUA", func() error { return s.WriteAt(t.Context(), data, 0, store.FUA) }, 0}, // RWF_DSYNC
			{"flush", func() error { return s.Flush(t.Context()) }, 1},
			{"zero", func() error { return s.Zero(t.Context(), 0, 4096, 0) }, in(0, 1)},
			{"zero FUA", func() error { return s.Zero(t.Context(), 0, 4096, store.FUA) }, 1},
			{"trim", func() error { return s.Trim(t.Context(), 0, 4096) }, in(0, 1)},
			{"no RWF_DSYNC", func() error { s.noDsync.Store(true); return nil }, 0},
			{"write", func() error { return s.WriteAt(t.Context(), data, 0, 0) }, in(0, 1)},
			{"FUA", func() error { return s.WriteAt(t.Context(), data, 0, store.FUA) }, 1},
		} {
			before := calls.Load()
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
			if n := calls.Load() - before; n != step.calls {
				t.Errorf("sync %v: %s: %d calls of fdatasync, want %d", sync, step.what, n, step.calls)
			}
		}
		if done, _ := s.TryWriteAt(data, 0); done == sync {
			t.Errorf("sync %v: TryWriteAt: %v", sync, done)
		}
	}
}

// TestFailedFlush: the system reports lost writes once; the store keeps saying so.
func TestFailedFlush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	s := must(t, Config{Path: path, Size: 1 << 20})
	fail := true
	s.syncer.Intercept(func(int) error {
		if fail {
			return unix.EIO
		}
		return nil
	})
	data := filled(4096, 1)
	if err := s.WriteAt(t.Context(), data, 0, 0); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrMedium) || !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v, want ErrMedium and EIO", what, err)
		}
	}
	check("flush", s.Flush(t.Context()))
	fail = false // as Linux does
	check("second flush", s.Flush(t.Context()))
	check("FUA", s.WriteAt(t.Context(), data, 0, store.FUA))
	check("zero FUA", s.Zero(t.Context(), 0, 4096, store.FUA))
	if err := errors.Join(s.WriteAt(t.Context(), data, 0, 0), s.ReadAt(t.Context(), data, 0)); err != nil {
		t.Errorf("plain write and read: %v", err)
	}
	s.Close()
	if err := must(t, Config{Path: path}).Flush(t.Context()); err != nil {
		t.Errorf("after opening again: %v", err)
	}
}

func TestTry(t *testing.T) {
	path := create(t, t.TempDir(), 1<<20, 7)
	s := must(t, Config{Path: path})
	if s.memory {
		t.Skip("the temporary directory is a tmpfs: nothing waits for a disk")
	}
	if err := errors.Join(s.Flush(t.Context()), unix.Fadvise(s.fd, 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
	into := filled(4096, 0)
	if done, err := s.TryReadAt(into, 512<<10); err != nil {
		t.Fatal(err)
	} else if done && !s.noNowait.Load() {
		t.Log("still in the page cache")
	}
	if err := s.ReadAt(t.Context(), into, 512<<10); err != nil {
		t.Fatal(err)
	}
	done, err := s.TryReadAt(into, 512<<10)
	if err != nil || !done && !s.noNowait.Load() {
		t.Errorf("not in the page cache right after reading: %v %v", done, err)
	}
	for _, w := range []struct {
		off  int64
		n    int
		want bool
	}{{0, 4096, true}, {4096, 128 << 10, true}, {0, 132 << 10, false}, {512, 4096, false}, {0, 512, false}} {
		if done, err := s.TryWriteAt(filled(w.n, 1), w.off); done != w.want || err != nil {
			t.Errorf("try to write %d at %d: %v %v", w.n, w.off, done, err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for fs, dir := range dirs(t) {
		s := must(t, Config{Path: create(t, dir, 1<<20, 7)})
		data := filled(4096, 1)
		for what, do := range map[string]func(){
			"try read":  func() { s.TryReadAt(data, 4096) },
			"try write": func() { s.TryWriteAt(data, 4096) },
			"read":      func() { s.ReadAt(t.Context(), data, 4096) },
			"write":     func() { s.WriteAt(t.Context(), data, 4096, 0) },
			"extent":    func() { s.Extent(t.Context(), 0, 4096) },
		} {
			if n := testing.AllocsPerRun(200, do); n != 0 {
				t.Errorf("%s: %s: %v allocations", fs, what, n)
			}
		}
	}
}

func BenchmarkTryReadAt(b *testing.B) {
	path := filepath.Join(b.TempDir(), "disk.img")
	s, err := open(Config{Path: path, Size: 1 << 20}, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	data := filled(4096, 1)
	s.TryWriteAt(data, 0)
	b.ReportAllocs()
	for b.Loop() {
		if done, err := s.TryReadAt(data, 0); !done || err != nil {
			b.Fatal(done, err)
		}
	}
}
