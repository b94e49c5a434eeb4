package rdmatest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// usual are options for most tests.
var usual = rdma.Options{Reads: 4, Serves: 4, MaxMessage: 64 << 10, Messages: 64}

// A pair is a connection: a has dialed, b has accepted.
type pair struct {
	Network
	t    testing.TB
	a, b *side

	mu     sync.Mutex
	leases []*buffer.Lease
	lent   int
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listen makes a service point for one test.
func (n Network) listen(t testing.TB) rdma.Listener {
	t.Helper()
	l, err := n.Listens.Listen(context.Background(), n.Addr)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

// connect makes a connection that is not started, by way of l.
func (n Network) connect(t testing.TB, l rdma.Listener, dials, accepts rdma.Options) *pair {
	t.Helper()
	type accepted struct {
		c   rdma.Conn
		err error
	}
	got := make(chan accepted, 1)
	go func() {
		r, err := l.Accept()
		if err != nil {
			got <- accepted{err: err}
			return
		}
		c, err := r.Accept(accepts)
		got <- accepted{c, err}
	}()
	a, _, err := n.Dials.Dial(context.Background(), l.Addr(), dials)
	must(t, err)
	b := <-got
	must(t, b.err)
	p := &pair{Network: n, t: t, a: newSide(t, "the side that dialed", a), b: newSide(t, "the side that accepted", b.c)}
	return p
}

// begin makes a connection that runs, with a listener of its own, and ends it after the test.
func (n Network) begin(t testing.TB, o rdma.Options) *pair {
	t.Helper()
	l := n.listen(t)
	p := n.connect(t, l, o, o)
	t.Cleanup(p.finish)
	p.start()
	return p
}

// start starts both sides, and lets the one that dialed speak first.
func (p *pair) start() {
	p.t.Helper()
	p.a.Start(p.a)
	p.b.Start(p.b)
	hello := &rdma.Work{Op: rdma.Send}
	p.a.post(hello)
	p.b.message(0)
	p.a.until("Done", func() bool { _, ok := p.a.done[hello]; return ok })
	p.b.mu.Lock()
	p.b.messages = nil
	p.b.mu.Unlock()
	p.a.mu.Lock()
	p.a.order = nil
	p.a.mu.Unlock()
}

// finish ends the connection and looks that nothing is left.
func (p *pair) finish() {
	p.t.Helper()
	p.a.Close(nil)
	p.b.Close(nil)
	p.a.closed()
	p.b.closed()
	p.free()
}

// free gives all leases back.
func (p *pair) free() {
	p.t.Helper()
	for _, l := range p.leases {
		l.Release()
	}
	p.leases = nil
	if p.lent != 0 {
		p.t.Errorf("%d leases are still held", p.lent)
	}
}

// Reclaim counts leases that have come back.
func (p *pair) Reclaim(*buffer.Lease) {
	p.mu.Lock()
	p.lent--
	p.mu.Unlock()
}

// lease makes a lease of mem, in pieces of a size; 0: in one. It is released after the end.
func (p *pair) lease(mem []byte, piece int) *buffer.Lease {
	if piece <= 0 {
		piece = max(len(mem), 1)
	}
	var segs []buffer.Segment
	for len(mem) > 0 {
		n := min(piece, len(mem))
		segs = append(segs, buffer.Segment{Mem: mem[:n]})
		mem = mem[n:]
	}
	l := buffer.New(p, segs...)
	p.mu.Lock()
	p.leases = append(p.leases, l)
	p.lent++
	p.mu.Unlock()
	return l
}

// numbered is n bytes that differ by seed and place.
func numbered(n int, seed uint32) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 4 {
		binary.BigEndian.PutUint32(b[i:], (uint32(i)+seed*7919)*2654435761)
	}
	return b[:n:n]
}

const (
	guard = 64
	fresh = 0xa5 // what regions are filled with
)

// clean reports that nothing was written to any of bs.
func clean(bs ...[]byte) bool {
	for _, b := range bs {
		if bytes.Count(b, []byte{fresh}) != len(b) {
			return false
		}
	}
	return true
}

// A region is memory between guards.
type region struct {
	all, mem []byte
	at       rdma.Remote
	lease    *buffer.Lease
}

// region makes one of n bytes in pieces.
func (p *pair) region(n, piece int) *region {
	all := bytes.Repeat([]byte{fresh}, guard+n+guard)
	r := &region{all: all, mem: all[guard : guard+n : guard+n]}
	r.lease = p.lease(r.mem, piece)
	return r
}

// expose makes a region that the peer of s may reach.
func (p *pair) expose(s *side, n, piece int, a rdma.Access) *region {
	p.t.Helper()
	r := p.region(n, piece)
	r.expose(s, a)
	return r
}

// show makes a region that has data, which the peer of s may read.
func (p *pair) show(s *side, data []byte, piece int) *region {
	p.t.Helper()
	r := p.region(len(data), piece)
	copy(r.mem, data)
	r.expose(s, rdma.RemoteRead)
	return r
}

// expose lends the region to s. Nobody else writes to it from now on.
func (r *region) expose(s *side, a rdma.Access) {
	s.t.Helper()
	var err error
	r.at, err = s.Expose(r.lease, a)
	must(s.t, err)
}

// guarded checks that nothing was written around the region.
func (r *region) guarded(t testing.TB) {
	t.Helper()
	if !clean(r.all[:guard], r.all[len(r.all)-guard:]) {
		t.Fatal("something was written outside of the memory")
	}
}

// untouched checks that nothing was written at all.
func (r *region) untouched(t testing.TB) {
	t.Helper()
	if !clean(r.all) {
		t.Fatal("memory was written that should not be")
	}
}

// plus is a place n bytes on.
func plus(r rdma.Remote, n int) rdma.Remote {
	r.Addr += uint64(n)
	return r
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
