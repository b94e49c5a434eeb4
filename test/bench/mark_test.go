package main

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/tcp"
)

func TestCheckNoticesWrongData(t *testing.T) {
	b := make([]byte, 2*grain)
	mark(b, 1, 8*grain, 5)
	if err := check(b, 1, 8*grain, 5); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another unit":  check(b, 2, 8*grain, 0),
		"another place": check(b, 1, 9*grain, 0),
		"another write": check(b, 1, 8*grain, 4),
		"never written": check(make([]byte, grain), 0, 0, 0),
	} {
		if err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
	b[2*grain-1]++
	if check(b, 1, 8*grain, 0) == nil {
		t.Error("a torn grain: not noticed")
	}
}

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
	for off := int64(0); off < int64(len(memory[0])); off += grain {
		mark(memory[0][off:off+grain], 0, off, 1)
	}
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
	defer c.close()
	var gens atomic.Uint64
	gens.Store(1)
	for _, w := range workloads() {
		if w.conns > 1 {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			var stop atomic.Bool
			defer time.AfterFunc(100*time.Millisecond, func() { stop.Store(true) }).Stop()
			h := &host{client: c, workload: w, len: int64(len(memory[0])), rand: rand.New(rand.NewPCG(1, 2)), gens: &gens, stop: &stop}
			if err := h.run(); err != nil {
				t.Fatal(err)
			}
			if h.done.Load() == 0 {
				t.Error("nothing has moved")
			}
		})
	}
}
