package memory

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// A device has all regions pinned that it is told of, as an adapter does that registers them.
type device struct {
	mu    sync.Mutex
	there map[*buffer.Region]bool
	most  int
}

func (d *device) Added(r *buffer.Region) {
	r.Pin()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.there[r] = true
	d.most = max(d.most, r.ID+1)
}

func (d *device) Removed(r *buffer.Region) {
	d.mu.Lock()
	delete(d.there, r)
	d.mu.Unlock()
	r.Unpin()
}

// listed is a store whose regions are in a list that a device follows.
func listed(t testing.TB, size int64) (*Store, *device) {
	t.Helper()
	s, err := Open(Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	var list buffer.Regions
	d := &device{there: map[*buffer.Region]bool{}}
	list.Watch(d)
	s.List(&list)
	return s, d
}

// resident is how many pages of [from, to) are in memory.
func resident(t testing.TB, s *Store, from, to int64) (n int) {
	t.Helper()
	vec := make([]byte, (to-from)/s.page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&s.mem[from])), uintptr(to-from), uintptr(unsafe.Pointer(&vec[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, v := range vec {
		n += int(v & 1)
	}
	return n
}

// A sparse store that is read makes no region, and one that is written as many as it is written in.
func TestRegionsOfSparse(t *testing.T) {
	s, d := listed(t, 1<<40)
	for off := int64(0); off < 1<<40; off += 1 << 34 {
		l, err := s.Lend(off, 4096, store.ForRead)
		if err != nil || l.Segments() != 1 || l.Segment(0).Region != nil {
			t.Fatalf("%v, %d segments", err, l.Segments())
		}
		l.Release()
	}
	for off := int64(0); off < 1<<40; off += 1 << 37 {
		for range 2 {
			l, err := s.Lend(off+chunk/2, 4096, store.ForWrite)
			if err != nil {
				t.Fatal(err)
			}
			r := l.Segment(0).Region
			if r == nil || r.Resident || len(r.Mem) != chunk || &r.Mem[chunk/2] != &l.Segment(0).Mem[0] {
				t.Fatal("no region, or a wrong one")
			}
			l.Release()
		}
		l, _ := s.Lend(off, 4096, store.ForRead)
		if l.Segment(0).Region == nil {
			t.Error("what lies beside data has no region")
		}
		l.Release()
	}
	if len(d.there) != 8 {
		t.Errorf("%d regions", len(d.there))
	}
	if err := s.Close(); err != nil || len(d.there) != 0 {
		t.Errorf("%v, %d regions are left", err, len(d.there))
	}
}

// A lease over a border has a segment for each region, and all of it is data when it comes back, though it was cut short.
func TestLendOverBorder(t *testing.T) {
	s, d := listed(t, 5*chunk+4096)
	defer s.Close()
	for _, c := range []struct{ off, n, segments int64 }{
		{chunk - 512, 512, 1}, {chunk - 512, 1024, 2}, {chunk, chunk, 1}, {0, 5 * chunk, 5}, {5*chunk - 512, 512 + 4096, 2}, {5 * chunk, 0, 1}, {5*chunk + 4096, 0, 1},
	} {
		l, err := s.Lend(c.off, c.n, store.ForWrite)
		if err != nil || l.Len() != c.n || int64(l.Segments()) != c.segments {
			t.Fatalf("%+v: %v, %d bytes in %d", c, err, l.Len(), l.Segments())
		}
		at := c.off
		for g := range l.All() {
			if len(g.Mem) > 0 && (&g.Mem[0] != &s.mem[at] || g.Region == nil || g.Region.Mem == nil || &g.Region.Mem[at%chunk] != &g.Mem[0] || int(at%chunk)+len(g.Mem) > len(g.Region.Mem)) {
				t.Errorf("%+v: the segment at %d is in another region", c, at)
			}
			at += int64(len(g.Mem))
		}
		if err := s.Trim(t.Context(), 0, 5*chunk+4096); err != nil {
			t.Fatal(err)
		}
		l.Truncate(min(1, c.n))
		l.Release()
		if c.n > 0 {
			if e, _ := s.Extent(t.Context(), c.off, c.n); !e.Mapped || e.Len != c.n {
				t.Errorf("%+v: %+v", c, e)
			}
		}
		if err := s.Trim(t.Context(), 0, 5*chunk+4096); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.there) != 6 || d.most != 6 {
		t.Errorf("%d regions, numbers up to %d", len(d.there), d.most)
	}
}

// What a device holds is cleared and stays, all else goes back to the system; both are unmapped.
func TestTrimPinned(t *testing.T) {
	s, _ := listed(t, 4*chunk)
	defer s.Close()
	full := buffer.Of(bytes.Repeat([]byte{7}, 4*chunk))
	if err := s.WriteAt(t.Context(), full, 0, 0); err != nil {
		t.Fatal(err)
	}
	l, _ := s.Lend(chunk+4096, 4096, store.ForRead) // makes the second region
	l.Release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Trim(ctx, chunk, chunk); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if e, _ := s.Extent(t.Context(), 0, 4*chunk); !e.Mapped || e.Len != 4*chunk {
		t.Errorf("after a trim that was canceled: %+v", e)
	}
	if err := s.Trim(t.Context(), 512, 4*chunk-1024); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.Extent(t.Context(), 4096, 4*chunk-2*4096); e.Mapped || e.Len != 4*chunk-2*4096 {
		t.Errorf("%+v", e)
	}
	if n := resident(t, s, chunk, 2*chunk); n != int(chunk/s.page) {
		t.Errorf("%d pages of what a device holds are left", n)
	}
	if n := resident(t, s, 4096, chunk) + resident(t, s, 2*chunk, 4*chunk-4096); n != 0 {
		t.Errorf("%d other pages are left", n)
	}
	for i, v := range s.mem {
		if want := i < 512 || i >= 4*chunk-512; (v != 0) != want {
			t.Fatalf("byte %d is %d", i, v)
		}
	}
	if err := s.Zero(t.Context(), 0, 4*chunk, store.MayTrim); err != nil || bytes.IndexByte(s.mem, 7) >= 0 {
		t.Errorf("%v, or data is left", err)
	}
}

// Regions are pinned while others trim: none loses pages from then on.
func TestPinWhileTrimmed(t *testing.T) {
	for range 10 {
		s, d := listed(t, 2*chunk)
		if err := s.WriteAt(t.Context(), buffer.Of(bytes.Repeat([]byte{7}, 2*chunk)), 0, 0); err != nil {
			t.Fatal(err)
		}
		var trims sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			trims.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if err := s.Trim(context.Background(), 0, 2*chunk); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		var r *buffer.Region
		for r == nil { // it gets none while pages are being given back
			l, err := s.Lend(chunk, 4096, store.ForWrite)
			if err != nil {
				t.Fatal(err)
			}
			r = l.Segment(0).Region
			l.Release()
		}
		if err := unix.Madvise(r.Mem, unix.MADV_POPULATE_WRITE); err != nil { // as a device does that holds them
			close(stop)
			trims.Wait()
			t.Skip("SKIPPED: the kernel does not populate memory (Linux 5.14): ", err)
		}
		for range 20 {
			_ = s.Trim(t.Context(), 0, 2*chunk)
		}
		close(stop)
		trims.Wait()
		if n := resident(t, s, chunk, 2*chunk); !d.there[r] || n != int(chunk/s.page) {
			t.Fatalf("%d pages of what a device holds are left", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Regions of a store that is resized are others, and those before are nobody's.
func TestRegionsResized(t *testing.T) {
	s, d := listed(t, chunk)
	for i, size := range []int64{chunk, 3 * chunk, 2*chunk + 512, 512, 4 * chunk} {
		if err := s.Resize(t.Context(), size); err != nil {
			t.Fatal(err)
		}
		for off := int64(0); off+512 <= size; off += chunk {
			l, err := s.Lend(off, 512, store.ForWrite)
			if err != nil {
				t.Fatal(err)
			}
			r := l.Segment(0).Region
			if !d.there[r] || &r.Mem[0] != &s.mem[off/chunk*chunk] {
				t.Errorf("step %d: a region of before at %d", i, off)
			}
			l.Release()
		}
		if want := int((size + chunk - 1) / chunk); len(d.there) != want {
			t.Errorf("step %d: %d regions, want %d", i, len(d.there), want)
		}
	}
	if d.most > 4 {
		t.Errorf("numbers up to %d", d.most)
	}
	if err := s.Close(); err != nil || len(d.there) != 0 {
		t.Errorf("%v, %d regions are left", err, len(d.there))
	}
}

func TestRegionsAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("leases are not recycled under the race detector")
	}
	s, _ := listed(t, 4*chunk)
	defer s.Close()
	for _, n := range []int64{4096, 3 * chunk} {
		if got := testing.AllocsPerRun(1000, func() {
			l, _ := s.Lend(chunk/2, n, store.ForWrite)
			l.Release()
		}); got != 0 {
			t.Errorf("%v allocations to lend %d bytes", got, n)
		}
	}
}
