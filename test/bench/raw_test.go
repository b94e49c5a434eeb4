package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/bench"
	"github.com/lunette-io/lunette/network/tcp"
)

func TestMiddle(t *testing.T) {
	for _, test := range []struct {
		v         []float64
		m, spread float64
	}{{nil, 0, 0}, {[]float64{2}, 2, 0}, {[]float64{3, 1, 2}, 2, 1}, {[]float64{4, 1, 2, 2}, 2, 1.5}} {
		if m, s := middle(test.v); m != test.m || s != test.spread {
			t.Errorf("got %v, %v, want %v, %v", m, s, test.m, test.spread)
		}
	}
}

// The limit moves every workload without an error, with data that is right.
func TestRaw(t *testing.T) {
	memory := [][]byte{make([]byte, 32<<20)}
	l, err := tcp.Listen(context.Background(), "127.0.0.1:0", tcp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = echo(c, memory) }()
		}
	}()
	c, err := dialRaw(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var gens atomic.Uint64
	size := int64(len(memory[0]))
	w, err := filler(c, 0, size, &gens)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := (bench.Plan{}).Run(t.Context(), w); err != nil || r.Write.Bytes != size {
		t.Fatal(err, r)
	}
	for _, x := range workloads() {
		if x.conns > 1 {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			w, err := bench.NewWorker(c, bench.WorkerConfig{
				Workload: x.Workload, Part: bench.Part{Len: size}, Checks: bench.SomeChecks, Gens: &gens,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r, err := (bench.Plan{Time: 100 * time.Millisecond}).Run(t.Context(), w); err != nil || r.Err() != nil || r.Commands() == 0 {
				t.Fatal(err, r)
			}
		})
	}
}
