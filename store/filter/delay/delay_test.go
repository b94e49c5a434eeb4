package delay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
)

func open(t *testing.T, cfg Config) *Store {
	m, err := memory.Open(memory.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return New(m, cfg)
}

func TestSuite(t *testing.T) {
	some := Latency{Fixed: time.Microsecond, Jitter: 20 * time.Microsecond}
	for name, cfg := range map[string]Config{"none": {}, "some": {some, some, some, some, some}} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Subject { return storetest.Subject{Store: open(t, cfg)} })
		})
	}
}

func TestComparingSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		m, err := memory.Open(memory.Config{Size: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Subject{Store: New(storetest.NewComparing(m), Config{})}
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{
			Read: Latency{Fixed: time.Second}, Write: Latency{Fixed: 2 * time.Second}, Flush: Latency{Fixed: 3 * time.Second},
			Trim: Latency{Jitter: 4 * time.Second}, Zero: Latency{Fixed: time.Hour, Jitter: time.Hour},
		})
		defer s.Close()
		data := buffer.Of(make([]byte, 512))
		for _, op := range []struct {
			name     string
			do       func(context.Context) error
			min, max time.Duration
		}{
			{"read", func(ctx context.Context) error { return s.ReadAt(ctx, data, 0) }, time.Second, time.Second},
			{"write", func(ctx context.Context) error { return s.WriteAt(ctx, data, 0, 0) }, 2 * time.Second, 2 * time.Second},
			{"flush", s.Flush, 3 * time.Second, 3 * time.Second},
			{"trim", func(ctx context.Context) error { return s.Trim(ctx, 0, 512) }, 0, 4 * time.Second},
			{"zero", func(ctx context.Context) error { return s.Zero(ctx, 0, 512, 0) }, time.Hour, 2 * time.Hour},
		} {
			start := time.Now()
			if err := op.do(t.Context()); err != nil {
				t.Errorf("%s: %v", op.name, err)
			}
			if d := time.Since(start); d < op.min || d > op.max {
				t.Errorf("%s took %v, want %v to %v", op.name, d, op.min, op.max)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			start = time.Now()
			err := op.do(ctx)
			cancel()
			if d := time.Since(start); op.min > 0 && (d != time.Millisecond || !errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("%s with a deadline: %v after %v", op.name, err, d)
			}
		}
		if done, err := s.TryReadAt(data, 0); done || err != nil {
			t.Errorf("TryReadAt does not wait: %v %v", done, err)
		}
		if done, err := s.TryWriteAt(data, 0); done || err != nil {
			t.Errorf("TryWriteAt does not wait: %v %v", done, err)
		}
	})
	s := open(t, Config{})
	defer s.Close()
	if _, ok := store.As[store.Lender](s); ok {
		t.Error("lends without delay")
	}
}
