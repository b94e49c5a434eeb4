package rdmatest

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// pieces are those of the memory at the two ends; a lease of very many is slow to walk.
func pieces(size int) [][2]int {
	if size > 200_000 {
		return [][2]int{{0, 0}, {64 << 10, 50_000}, {70_001, 90_001}}
	}
	return [][2]int{{0, 0}, {4096, 3000}, {700, 9000}}
}

// sizes are those of Writes and Reads.
var sizes = []int{1, 3, 4, 511, 1428, 1429, 4096, 16 << 10, 65_535, 65_536, 100_001, 1 << 20, 3<<20 + 5}

// both runs f with each side as the one that posts.
func (p *pair) both(t *testing.T, f func(t *testing.T, from, to *side)) {
	f(t, p.a, p.b)
	f(t, p.b, p.a)
}

// sent sends a message and waits for it: what was written before has been placed then.
func sent(from, to *side) {
	from.t.Helper()
	to.mu.Lock()
	n := len(to.messages)
	to.mu.Unlock()
	w := &rdma.Work{Op: rdma.Send}
	from.post(w)
	to.message(n)
	must(from.t, from.back(w))
}

// testWrites writes data of many lengths and shapes.
func testWrites(t *testing.T, n Network) {
	p := n.begin(t, usual)
	p.both(t, func(t *testing.T, from, to *side) {
		from.set(nil, scribble)
		for i, size := range sizes {
			for _, pieces := range pieces(size) {
				r := p.expose(to, size+50, pieces[1], rdma.RemoteWrite)
				data := numbered(size, uint32(i))
				w := &rdma.Work{
					Op: rdma.Write, At: 9, Len: int64(size), Remote: plus(r.at, 20),
					Data: p.lease(append(make([]byte, 9), append(bytes.Clone(data), 1, 2, 3)...), pieces[0]),
				}
				from.post(w)
				sent(from, to)
				must(t, from.back(w))
				if !bytes.Equal(r.mem[20:20+size], data) {
					t.Fatalf("%d bytes in pieces of %d were placed wrong", size, pieces)
				}
				if !clean(r.mem[:20], r.mem[20+size:]) {
					t.Fatalf("%d bytes in pieces of %d: some were placed where none should be", size, pieces)
				}
				r.guarded(t)
				if !to.Revoke(r.at.Key) {
					t.Error("the key is gone")
				}
			}
		}
	})
}

// testWriteBeforeSend: when a message is delivered, what was written before it is in place, and
// of many Writes to one place the last one wins.
func testWriteBeforeSend(t *testing.T, n Network) {
	p := n.begin(t, usual)
	p.both(t, func(t *testing.T, from, to *side) {
		const rounds = 300
		r := p.expose(to, 40_000, 7000, rdma.RemoteWrite)
		var wrong, count atomic.Int32
		to.set(func(m rdma.Message) {
			if len(m.Data) != 4 {
				return
			}
			want := m.Data
			for _, at := range []int{0, len(r.mem)/2 - 4, len(r.mem) / 2, len(r.mem) - 4} {
				if !bytes.Equal(r.mem[at:at+4], want) {
					wrong.Add(1)
				}
			}
			count.Add(1)
		}, nil)
		for i := range rounds {
			mark := binary.BigEndian.AppendUint32(nil, uint32(i))
			data := bytes.Repeat(mark, len(r.mem)/4)
			half := int64(len(data) / 2)
			l := p.lease(data, 6000)
			from.post(
				&rdma.Work{Op: rdma.Write, Data: p.lease(make([]byte, len(data)), 0), Len: int64(len(data)), Remote: r.at},
				&rdma.Work{Op: rdma.Write, Data: l, Len: half, Remote: r.at},
				&rdma.Work{Op: rdma.Write, Data: l, At: half, Len: half, Remote: plus(r.at, int(half))},
				&rdma.Work{Op: rdma.Send, Head: bytes.Clone(mark)},
			)
			to.until("the message", func() bool { return count.Load() == int32(i+1) })
		}
		if k := wrong.Load(); k != 0 {
			t.Errorf("in %d places data was not there before the message", k)
		}
		from.until("all of them back", func() bool { return len(from.posted) == 0 })
		r.guarded(t)
		to.set(nil, nil)
	})
}

// testReads reads data of many lengths and shapes.
func testReads(t *testing.T, n Network) {
	p := n.begin(t, usual)
	p.both(t, func(t *testing.T, from, to *side) {
		for i, size := range sizes {
			for _, pieces := range pieces(size) {
				r := p.show(to, numbered(size+50, uint32(i)), pieces[1])
				into := p.region(size+20, pieces[0])
				w := &rdma.Work{Op: rdma.Read, At: 9, Len: int64(size), Remote: plus(r.at, 20), Data: into.lease}
				from.post(w)
				must(t, from.back(w))
				if !bytes.Equal(into.mem[9:9+size], r.mem[20:20+size]) {
					t.Fatalf("%d bytes in pieces of %d came wrong", size, pieces)
				}
				if !clean(into.mem[:9], into.mem[9+size:]) {
					t.Fatalf("%d bytes in pieces of %d: some came where none should", size, pieces)
				}
				into.guarded(t)
				if !to.Revoke(r.at.Key) {
					t.Error("the key is gone")
				}
			}
		}
	})
}

// testReadsWait posts many more Reads than may be outstanding, with Writes and Sends between.
func testReadsWait(t *testing.T, n Network) {
	p := n.begin(t, usual)
	p.both(t, func(t *testing.T, from, to *side) {
		const count, size = 40, 10_000
		r := p.show(to, numbered(count*size, 5), 0)
		w := p.expose(to, size, 0, rdma.RemoteWrite)
		var all []*rdma.Work
		var into []*region
		for i := range count {
			into = append(into, p.region(size, 999))
			all = append(all, &rdma.Work{Op: rdma.Read, Len: size, Remote: plus(r.at, i*size), Data: into[i].lease})
			if i%3 == 0 {
				all = append(all, &rdma.Work{Op: rdma.Write, Len: size, Remote: w.at, Data: p.lease(numbered(size, 9), 0)})
			}
			if i%5 == 0 {
				all = append(all, &rdma.Work{Op: rdma.Send, Head: []byte("between")})
			}
		}
		from.post(all...)
		must(t, from.back(all...))
		for i := range into {
			if !bytes.Equal(into[i].mem, r.mem[i*size:][:size]) {
				t.Fatalf("Read %d came wrong", i)
			}
			into[i].guarded(t)
		}
		sent(from, to)
		if !bytes.Equal(w.mem, numbered(size, 9)) {
			t.Error("the Write was placed wrong")
		}
		w.guarded(t)
	})
}

// testZero: works without data are fine with any key, since no memory is touched (RFC 5041 7.1).
func testZero(t *testing.T, n Network) {
	p := n.begin(t, usual)
	p.both(t, func(t *testing.T, from, to *side) {
		r := p.expose(to, 100, 0, rdma.RemoteRead)
		var all []*rdma.Work
		for _, at := range []rdma.Remote{{}, {Key: 12345, Addr: 1 << 63}, r.at, plus(r.at, 100), plus(r.at, 1<<40)} {
			all = append(all, &rdma.Work{Op: rdma.Write, Remote: at}, &rdma.Work{Op: rdma.Read, Remote: at})
		}
		from.post(all...)
		must(t, from.back(all...))
		sent(from, to)
		r.untouched(t)
	})
}
