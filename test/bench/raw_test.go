package main

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
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

// memoryOf are units for the limit in Go.
func memoryOf(n int, size int64) (all [][]byte) {
	for range n {
		all = append(all, make([]byte, size))
	}
	return all
}

func TestRaw(t *testing.T) {
	const size = 16 << 20
	l, err := tcp.Listen(context.Background(), "127.0.0.1:0", tcp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	memory := memoryOf(2, size)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = echo(c, memory) }()
		}
	}()
	moves(t, l.Addr(), size)
}

// The limit in C is as good.
func TestLimit(t *testing.T) {
	const size = 16 << 20
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, err := compileLimit(root, dir)
	if err != nil {
		t.Skipf("no C compiler: %v", err)
	}
	p := &peer{name: raw}
	if p.addr, err = freeAddr(); err != nil {
		t.Fatal(err)
	}
	if err := p.launch(dir, nil, program, p.port(), "2", strconv.Itoa(size)); err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	moves(t, p.addr, size)
	// What is outside of the memory ends the connection, and that alone.
	for _, x := range []struct {
		unit int
		off  int64
		n    int
	}{{2, 0, 512}, {0, size, 512}, {0, size - 511, 512}, {0, -1, 1}, {0, 0, -1}} {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		var h header
		h.put(false, x.unit, 1, x.off, x.n)
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write(h[:]); err != nil {
			t.Error(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%+v: %d bytes, %v", x, n, err)
		}
		_ = c.Close()
	}
	moves(t, p.addr, size)
}

// moves moves every workload over several connections without an error, with every
// byte right. Each has a part of its own.
func moves(t *testing.T, addr string, size int64) {
	t.Helper()
	const conns = 4
	var gens atomic.Uint64
	var clients []bench.Client
	for range conns {
		c, err := dialRaw(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	do := func(name string, load bench.Workload, checks bench.Checks, count int64) {
		var all []*bench.Worker
		for i, c := range clients {
			w, err := bench.NewWorker(c, bench.WorkerConfig{
				Workload: load, Part: bench.Part{Unit: i % 2, From: int64(i/2) * size / 2, Len: size / 2}, Checks: checks, Count: count, Gens: &gens,
			})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, w)
		}
		if r, err := (bench.Plan{}).Run(t.Context(), all...); err != nil || r.Err() != nil || r.Commands() != conns*count {
			t.Fatal(name, err, r)
		}
	}
	do("filling", bench.Workload{Size: 1 << 20, Sequential: true, Depth: 4}, bench.AllChecks, size/2>>20)
	for _, x := range of(1, 1, false, append(theBasics[:len(theBasics):len(theBasics)], bench.Workload{Size: 256 << 10, Reads: 50, Depth: 8})...) {
		do(x.name, x.Workload, bench.AllChecks, min(500, 16<<20/int64(x.Size)))
	}
}
