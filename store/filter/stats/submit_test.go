package stats

import (
	"context"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/storetest"
)

func TestSubmitSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		return storetest.Subject{Store: New(storetest.NewLate(open(t)))}
	})
}

func TestComparingSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		return storetest.Subject{Store: New(storetest.NewComparing(open(t)))}
	})
}

// TestCanceled: a request that is canceled above the filter is canceled beneath it.
func TestCanceled(t *testing.T) {
	late := storetest.NewLate(open(t))
	s := New(late)
	defer s.Close()
	late.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	r := &store.Request{
		Op: store.OpFlush, Context: ctx,
		Done: func(_ *store.Request, err error) { done <- err },
	}
	s.Submit(r)
	s.Cancel(r) // its context has not ended
	late.Await(1)
	cancel()
	s.Cancel(r)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.Cancel(r) // it has ended
	if got := s.Snapshot()[Flush]; got.Calls != 1 || got.Errors != 1 {
		t.Errorf("%+v", got)
	}
}

// TestSubmitted: requests are counted when they end, with their errors.
func TestSubmitted(t *testing.T) {
	late := storetest.NewLate(open(t))
	s := New(late)
	done := make(chan error, 8)
	runs := make(map[*store.Batch]int)
	submit := func(op store.Op, n int) {
		s.Submit(&store.Request{Op: op, Data: buffer.Of(make([]byte, n)), Done: func(r *store.Request, err error) {
			runs[r.Batch]++
			done <- err
		}})
	}
	late.Hold()
	submit(store.OpRead, 4096)
	submit(store.OpRead, 512)
	submit(store.OpWrite, 1024)
	late.Await(3)
	if got := s.Snapshot(); got[Read].Calls != 0 || got[Write].Calls != 0 {
		t.Errorf("counted before they have ended: %+v", got)
	}
	late.Release()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	submit(store.OpWrite, 512)
	if err := <-done; !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
	if runs[nil] != 1 || len(runs) != 2 { // the one that was refused
		t.Errorf("they ended in these runs: %v", runs)
	}
	got := s.Snapshot()
	times := func(c Counts) (n uint64) {
		for _, m := range c.Times {
			n += m
		}
		return n
	}
	if r := got[Read]; r.Calls != 2 || r.Bytes != 4608 || r.Errors != 0 || times(r) != 2 {
		t.Errorf("reads: %+v", r)
	}
	if w := got[Write]; w.Calls != 2 || w.Bytes != 1024 || w.Errors != 1 || times(w) != 2 {
		t.Errorf("writes: %+v", w)
	}
}

func TestSubmitNoAllocations(t *testing.T) {
	s := New(storetest.NewLate(open(t)))
	defer s.Close()
	done := make(chan error, 1)
	r := &store.Request{Data: buffer.Of(make([]byte, 512)), Done: func(_ *store.Request, err error) { done <- err }}
	if n := testing.AllocsPerRun(200, func() { s.Submit(r); <-done }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
