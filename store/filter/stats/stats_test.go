package stats

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/delay"
	"github.com/lunette-io/lunette/store/filter/fault"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
)

func open(t testing.TB) store.Store {
	m, err := memory.Open(memory.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject { return storetest.Subject{Store: New(open(t))} })
}

func TestCounts(t *testing.T) {
	s := New(fault.New(open(t), 1, fault.Rule{Ops: fault.Read | fault.Write, Off: 1 << 19}))
	defer s.Close()
	data := buffer.Of(make([]byte, 4096))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			data := buffer.Of(make([]byte, 4096))
			for range 100 {
				err := errors.Join(s.ReadAt(t.Context(), data, 0), s.WriteAt(t.Context(), buffer.Of(make([]byte, 512)), 8192, 0),
					s.Flush(t.Context()), s.Trim(t.Context(), 65536, 4096), s.Zero(t.Context(), 65536, 512, 0))
				if err != nil {
					t.Error(err)
				}
				if s.ReadAt(t.Context(), buffer.Of(make([]byte, 1)), 1<<19) == nil {
					t.Error("no error")
				}
			}
		})
	}
	all.Wait()
	for _, a := range []store.Access{store.ForRead, store.ForWrite} {
		l, err := s.Lend(0, 1000, a)
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	s.TryReadAt(data, 0)
	s.TryWriteAt(data, 1<<19)
	s.Extent(t.Context(), 0, 4096)
	got := s.Snapshot()
	for op, want := range (Snapshot{
		Read:  {Calls: 802, Bytes: 400*4096 + 1000 + 4096, Errors: 400},
		Write: {Calls: 402, Bytes: 400*512 + 1000, Errors: 1},
		Flush: {Calls: 400}, Trim: {Calls: 400, Bytes: 400 * 4096}, Zero: {Calls: 400, Bytes: 400 * 512},
		Map: {Calls: 1, Bytes: 4096},
	}) {
		g := got[op]
		g.Times, g.Busy = want.Times, want.Busy
		if g != want {
			t.Errorf("%v: %+v, want %+v", Op(op), g, want)
		}
	}
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(delay.New(open(t), delay.Config{Read: delay.Latency{Fixed: 20 * time.Millisecond}}))
		defer s.Close()
		data := buffer.Of(make([]byte, 512))
		s.TryReadAt(data, 0)
		s.ReadAt(t.Context(), data, 0)
		got := s.Snapshot()[Read]
		want := Counts{Calls: 1, Bytes: 512, Missed: 1, Busy: 20 * time.Millisecond}
		want.Times[6] = 1 // from 16.4 to 65.5 ms
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestBuckets(t *testing.T) {
	for i := range Buckets - 1 {
		if b := bucket(Bound(i) - 1); b != i {
			t.Errorf("%v is in bucket %d, want %d", Bound(i)-1, b, i)
		}
		if b := bucket(Bound(i)); b != i+1 {
			t.Errorf("%v is in bucket %d, want %d", Bound(i), b, i+1)
		}
	}
	if bucket(-1) != 0 || bucket(1<<62) != Buckets-1 || Bound(Buckets-1) != 0 {
		t.Error("extremes")
	}
}

func TestNames(t *testing.T) {
	for op, want := range map[Op]string{Read: "read", Map: "map", Ops: "unknown", 200: "unknown"} {
		if got := op.String(); got != want {
			t.Errorf("%d: %q, want %q", op, got, want)
		}
	}
}

func BenchmarkTryReadAt(b *testing.B) {
	s := New(open(b))
	defer s.Close()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		data := buffer.Of(make([]byte, 512))
		for p.Next() {
			s.TryReadAt(data, 0)
		}
	})
}
