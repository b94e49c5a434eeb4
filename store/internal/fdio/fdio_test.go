package fdio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

func temp(t *testing.T) int {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

// TestTransfer writes and reads leases of more pieces than one call moves.
func TestTransfer(t *testing.T) {
	fd := temp(t)
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Int64Range(0, 9000).Draw(t, "off")
		var segs []buffer.Segment
		var want []byte
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 300), 0, 3*batch+2).Draw(t, "pieces") {
			segs = append(segs, buffer.Segment{Mem: bytes.Repeat([]byte{byte(i + 1)}, n)})
			want = append(want, segs[i].Mem...)
		}
		l := buffer.New(nil, segs...)
		if n, err := WriteAt(fd, l, off, 0); n != l.Len() || err != nil {
			t.Fatal(n, err)
		}
		l.Clear(0, l.Len())
		if n, err := ReadAt(fd, l, off, 0); n != l.Len() || err != nil {
			t.Fatal(n, err)
		}
		got := make([]byte, len(want))
		if l.Read(0, got); !bytes.Equal(got, want) {
			t.Fatal("read something else")
		}
	})
}

// Writes to the page cache are cut into calls, wherever the pieces of a lease end.
func TestWriteCached(t *testing.T) {
	fd := temp(t)
	rapid.Check(t, func(t *rapid.T) {
		var segs []buffer.Segment
		var want []byte
		size := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(folio-2, folio+2), rapid.IntRange(folio, 3*folio))
		for i, n := range rapid.SliceOfN(size, 0, 6).Draw(t, "pieces") {
			segs = append(segs, buffer.Segment{Mem: bytes.Repeat([]byte{byte(i + 1)}, n)})
			want = append(want, segs[i].Mem...)
		}
		if n, err := WriteCached(fd, buffer.New(nil, segs...), 7); n != int64(len(want)) || err != nil {
			t.Fatal(n, err)
		}
		got := make([]byte, len(want))
		if n, err := ReadAt(fd, buffer.Of(got), 7, 0); n != int64(len(got)) || err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read something else: %d, %v", n, err)
		}
	})
}

func TestEnd(t *testing.T) {
	fd := temp(t)
	if n, err := WriteAt(fd, buffer.Of(make([]byte, 1000)), 0, unix.RWF_DSYNC); n != 1000 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := ReadAt(fd, buffer.Of(make([]byte, 1001)), 0, 0); n != 1000 || err != io.ErrUnexpectedEOF {
		t.Error(n, err)
	}
	if _, err := ReadAt(-1, buffer.Of(make([]byte, 1)), 0, 0); err != unix.EBADF {
		t.Error(err)
	}
}

// Offsets beyond 32 bits must reach the kernel whole.
func TestFar(t *testing.T) {
	fd := temp(t)
	const far = 5<<32 + 512
	if _, err := WriteAt(fd, buffer.Of([]byte{7}), far, 0); err != nil {
		t.Skipf("no sparse files: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Size != far+1 {
		t.Errorf("%d bytes, want %d", st.Size, int64(far+1))
	}
	b := buffer.Of([]byte{0})
	if _, err := ReadAt(fd, b, far, unix.RWF_HIPRI); err != nil || b.At(0)[0] != 7 {
		t.Errorf("read %d: %v", b.At(0)[0], err)
	}
}

func TestWriteZeros(t *testing.T) {
	fd := temp(t)
	n := int64(3<<20 + 777)
	if _, err := WriteAt(fd, buffer.Of(bytes.Repeat([]byte{1}, int(n)+200)), 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := WriteZeros(t.Context(), fd, 100, n); err != nil {
		t.Fatal(err)
	}
	got := buffer.Of(make([]byte, n+200))
	if _, err := ReadAt(fd, got, 0, 0); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{1}, int(n)+200)
	clear(want[100 : 100+n])
	if !bytes.Equal(got.At(0), want) {
		t.Error("not the zeros that were asked for")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WriteZeros(ctx, fd, 0, n); err != context.Canceled {
		t.Error(err)
	}
	if err := WriteZeros(t.Context(), -1, 0, n); err != unix.EBADF {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for err, want := range map[error]error{
		unix.ENOSPC: store.ErrOutOfSpace, unix.EDQUOT: store.ErrOutOfSpace, unix.EFBIG: store.ErrOutOfSpace,
		unix.EIO: store.ErrMedium, unix.EBADMSG: store.ErrMedium, unix.ENOMEM: store.ErrMedium,
		unix.EROFS: store.ErrReadOnly, unix.EPERM: store.ErrReadOnly, unix.EACCES: store.ErrReadOnly,
		unix.ENOLINK: store.ErrUnavailable, unix.ETIMEDOUT: store.ErrUnavailable, unix.EHOSTUNREACH: store.ErrUnavailable,
		unix.EOPNOTSUPP: store.ErrNotSupported, io.ErrUnexpectedEOF: store.ErrMedium, io.ErrShortWrite: store.ErrMedium,
		context.Canceled: context.Canceled, context.DeadlineExceeded: context.DeadlineExceeded,
	} {
		got := Error("/some/file", "read", 512, 1024, err)
		if !errors.Is(got, want) {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
		if _, is := err.(unix.Errno); is && (!errors.Is(got, err) || !strings.Contains(got.Error(), "/some/file: read 512 bytes at 1024: ")) {
			t.Errorf("%v: %q does not say all", err, got)
		}
	}
	if err := Error("", "", 0, 0, nil); err != nil {
		t.Error(err)
	}
}

func TestRetry(t *testing.T) {
	n := 0
	if err := Retry(func() error {
		if n++; n < 3 {
			return unix.EINTR
		}
		return unix.EIO
	}); err != unix.EIO || n != 3 {
		t.Error(n, err)
	}
}

// gate holds calls of fdatasync until it is opened, and counts them.
func gate(s *Syncer, answer func(call int64) error) (calls *atomic.Int64, open func()) {
	calls = new(atomic.Int64)
	held := make(chan struct{})
	s.Intercept(func(int) error {
		n := calls.Add(1)
		<-held
		return answer(n)
	})
	return calls, func() { close(held) }
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for start := time.Now(); !cond(); time.Sleep(100 * time.Microsecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatal("waited in vain for " + what)
		}
	}
}

// TestSyncerShares: callers that wait share one call, but never one that had begun
// before they came.
func TestSyncerShares(t *testing.T) {
	s := NewSyncer(-1, "file")
	calls, open := gate(s, func(int64) error { return nil })
	var all sync.WaitGroup
	sync := func() {
		if err := s.Sync(); err != nil {
			t.Error(err)
		}
	}
	all.Go(sync)
	await(t, "the first call", func() bool { return calls.Load() == 1 })
	for range 10 {
		all.Go(sync)
	}
	await(t, "the others", func() bool { return s.arrived.Load() == 11 })
	open()
	all.Wait()
	if n := calls.Load(); n != 2 {
		t.Errorf("%d calls, want 2: the first, and one for those that came meanwhile", n)
	}
	sync()
	if n := calls.Load(); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

// TestSyncerRemembers: of callers at the same time, all whose data is lost are told,
// though the system tells only one.
func TestSyncerRemembers(t *testing.T) {
	s := NewSyncer(-1, "file")
	calls, open := gate(s, func(call int64) error {
		if call == 1 {
			return unix.ENOSPC
		}
		return nil
	})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if err := s.Sync(); !errors.Is(err, store.ErrMedium) || errors.Is(err, store.ErrOutOfSpace) {
				t.Errorf("%v, want ErrMedium: the data is gone", err)
			}
		})
	}
	await(t, "all callers", func() bool { return s.arrived.Load() == 5 })
	open()
	all.Wait()
	if s.Err() == nil || calls.Load() != 1 {
		t.Errorf("%v after %d calls", s.Err(), calls.Load())
	}
}
