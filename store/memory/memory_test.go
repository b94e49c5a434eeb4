package memory

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

func open(t *testing.T, size int64) *Store {
	t.Helper()
	s, err := Open(Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpenRefuses(t *testing.T) {
	for _, size := range []int64{0, -512, 511, 1<<62 + 512, 1<<63 - 512} {
		if s, err := Open(Config{Size: size}); err == nil {
			t.Errorf("size %d accepted", size)
			s.Close()
		} else if !strings.Contains(err.Error(), "memory: ") {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func TestSparse(t *testing.T) {
	s := open(t, 1<<40) // far more than any test machine has
	defer s.Close()
	for _, off := range []int64{0, 1<<40 - 512, 1 << 39} {
		if err := s.WriteAt(t.Context(), buffer.Of(bytes.Repeat([]byte{7}, 512)), off, 0); err != nil {
			t.Fatal(err)
		}
	}
	var mapped int64
	for off := int64(0); off < 1<<40; {
		e, err := s.Extent(t.Context(), off, 1<<40-off)
		if err != nil || e.Len < 1 || e.Off != off {
			t.Fatalf("extent at %d: %+v %v", off, e, err)
		}
		if e.Mapped {
			mapped += e.Len
		}
		off += e.Len
	}
	if mapped != 3*s.page {
		t.Errorf("%d bytes mapped, want 3 pages", mapped)
	}
	if err := s.Trim(t.Context(), 0, 1<<40); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.Extent(t.Context(), 0, 1<<40); e.Mapped || e.Len != 1<<40 {
		t.Errorf("after trimming all: %+v", e)
	}
}

func TestCloseWaitsForLeases(t *testing.T) {
	s := open(t, 1<<20)
	l, err := s.Lend(4096, 512, store.ForRead)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil {
		t.Fatal("closed with a lease lent")
	}
	_ = l.Segment(0).Mem[0] // still mapped
	l.Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lend(0, 512, store.ForRead); err == nil {
		t.Error("lends after close")
	}
}

// A Trim that runs between Lend for writing and the filling of the memory must not
// leave data in pages that the map calls empty.
func TestTrimWhileLent(t *testing.T) {
	s := open(t, 1<<20)
	defer s.Close()
	l, _ := s.Lend(8192, 8192, store.ForWrite)
	if err := s.Trim(t.Context(), 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	l.Segment(0).Mem[5000] = 1
	l.Truncate(512)
	l.Release()
	if e, _ := s.Extent(t.Context(), 8192, 8192); !e.Mapped || e.Len != 8192 {
		t.Errorf("%+v, want data", e)
	}
}

func TestNoAllocations(t *testing.T) {
	s := open(t, 1<<20)
	defer s.Close()
	buf := buffer.Of(make([]byte, 4096))
	if n := testing.AllocsPerRun(1000, func() {
		s.TryWriteAt(buf, 4096)
		s.TryReadAt(buf, 4096)
	}); n != 0 {
		t.Errorf("%v allocations to read and write", n)
	}
	if raceEnabled {
		return // leases are not recycled under the race detector
	}
	if n := testing.AllocsPerRun(1000, func() {
		l, _ := s.Lend(0, 65536, store.ForWrite)
		l.Release()
	}); n != 0 {
		t.Errorf("%v allocations to lend", n)
	}
}

func BenchmarkLend(b *testing.B) {
	for name, list := range map[string]*buffer.Regions{"alone": nil, "listed": new(buffer.Regions)} {
		b.Run(name, func(b *testing.B) {
			s, _ := Open(Config{Size: 64 << 20})
			defer s.Close()
			s.List(list)
			for b.Loop() {
				l, _ := s.Lend(4096, 4096, store.ForWrite)
				l.Release()
			}
		})
	}
}
