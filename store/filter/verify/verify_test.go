package verify

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/fault"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
)

func open(t *testing.T, size int64) *memory.Store {
	t.Helper()
	m, err := memory.Open(memory.Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		return storetest.Subject{Store: New(open(t, 2<<20+512))} // the last block is short
	})
}

func TestComparingSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		return storetest.Subject{Store: New(storetest.NewComparing(open(t, 2<<20+512)))}
	})
}

// TestResized: what is known of blocks that stay is known, and no more than that.
func TestResized(t *testing.T) {
	m := open(t, 1<<20+512)
	s := New(m)
	defer s.Close()
	if err := s.WriteAt(t.Context(), filled(1<<20+512, 1), 0, 0); err != nil {
		t.Fatal(err)
	}
	spoil := func(at int64, want error) {
		t.Helper()
		if err := m.WriteAt(t.Context(), filled(512, 2), at, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.ReadAt(t.Context(), filled(512, 0), at); !errors.Is(err, want) {
			t.Errorf("after a change at %d: %v", at, err)
		}
	}
	for _, size := range []int64{2 << 20, 1<<19 + 1024, 1 << 20} {
		if err := s.Resize(t.Context(), size); err != nil {
			t.Fatal(err)
		}
		spoil(size-512, nil)
	}
	spoil(1<<20-1024, nil)
	spoil(1<<19+4096, nil) // it was cut off in between
	spoil(1<<19, nil)      // a part of it was
	spoil(1<<19-4096, store.ErrMedium)
}

func filled(n int, b byte) *buffer.Lease { return buffer.Of(bytes.Repeat([]byte{b}, n)) }

func TestCorruption(t *testing.T) {
	m := open(t, 1<<20+512)
	s := New(m)
	defer s.Close()
	ctx := t.Context()
	if err := errors.Join(
		s.WriteAt(ctx, filled(16384, 1), 0, 0), s.WriteAt(ctx, filled(1000, 2), 20000, 0),
		s.Trim(ctx, 65536, 8192), s.Zero(ctx, 131072, 100, 0), s.WriteAt(ctx, filled(512, 1), 1<<20, 0),
	); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 4095, 4096, 16383, 20000, 20999, 19999, 65536, 73727, 131072, 131072 + 4095, 1<<20 + 511} {
		old := filled(1, 0)
		if err := m.ReadAt(ctx, old, at); err != nil {
			t.Fatal(err)
		}
		if err := m.WriteAt(ctx, filled(1, old.At(0)[0]^0x10), at, 0); err != nil {
			t.Fatal(err)
		}
		block := at / Block * Block
		for name, err := range map[string]error{
			"that byte":       s.ReadAt(ctx, filled(1, 0), at),
			"all":             s.ReadAt(ctx, filled(1<<20+512, 0), 0),
			"another byte":    s.ReadAt(ctx, filled(1, 0), block+at%2),
			"write of a part": s.WriteAt(ctx, filled(1, 9), block+7, 0),
		} {
			if !errors.Is(err, store.ErrMedium) {
				t.Errorf("byte %d changed: %s: %v, want ErrMedium", at, name, err)
			}
		}
		if err := s.ReadAt(ctx, filled(Block, 0), 1<<19); err != nil {
			t.Errorf("byte %d changed: elsewhere: %v", at, err)
		}
		if err := m.WriteAt(ctx, old, at, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.ReadAt(ctx, filled(1<<20+512, 0), 0); err != nil {
			t.Fatalf("byte %d put right: %v", at, err)
		}
	}
	// What is written whole is right again.
	if err := errors.Join(m.WriteAt(ctx, filled(1, 7), 5, 0), s.WriteAt(ctx, filled(Block, 3), 0, 0), s.ReadAt(ctx, filled(Block, 0), 0)); err != nil {
		t.Error(err)
	}
}

// A write that fails leaves one thing or another: both are believed.
func TestFailedWrite(t *testing.T) {
	for _, late := range []bool{false, true} {
		f := fault.New(open(t, 1<<20), 1)
		s := New(f)
		if err := s.WriteAt(t.Context(), filled(8192, 1), 0, 0); err != nil {
			t.Fatal(err)
		}
		f.Set(fault.Rule{Ops: fault.Write, Late: late})
		if s.WriteAt(t.Context(), filled(5000, 2), 100, 0) == nil {
			t.Error("no error")
		}
		if err := s.ReadAt(t.Context(), filled(8192, 0), 0); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

func TestCapabilities(t *testing.T) {
	s := New(open(t, 1<<20))
	defer s.Close()
	if _, ok := store.As[store.Lender](s); ok {
		t.Error("lends")
	}
	if _, ok := store.As[store.Tryer](s); ok {
		t.Error("tries")
	}
	if _, ok := store.As[store.Trimmer](s); !ok {
		t.Error("does not trim")
	}
}

// Every range takes exactly the locks of its stripes.
func TestLocks(t *testing.T) {
	s := newSums(1 << 30)
	for _, r := range [][2]int64{{0, 0}, {0, 1}, {stripe - 1, 1}, {stripe - 1, 2}, {63 * stripe, 2 * stripe}, {100 * stripe, 10 * stripe},
		{5, stripes * stripe}, {0, 1 << 30}, {62*stripe + 5, 64 * stripe}} {
		want := map[*sync.RWMutex]bool{}
		for at := r[0]; at < r[0]+r[1]; at = at/stripe*stripe + stripe {
			want[&s.locks[at/stripe%stripes]] = true
		}
		got := map[*sync.RWMutex]bool{}
		s.each(r[0], r[1], func(m *sync.RWMutex) {
			if got[m] {
				t.Errorf("%v: a lock is taken twice", r)
			}
			got[m] = true
		})
		if len(got) != len(want) {
			t.Errorf("%v: %d locks, want %d", r, len(got), len(want))
		}
		for m := range want {
			if !got[m] {
				t.Errorf("%v: a lock is missing", r)
			}
		}
	}
}
