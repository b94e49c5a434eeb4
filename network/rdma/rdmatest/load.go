package rdmatest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// busy are options for many messages at a time.
var busy = rdma.Options{Reads: 3, Serves: 3, MaxMessage: 4096, Messages: 1 << 12}

// testLoad has many goroutines post works on both sides at once. The messages of each goroutine
// arrive in order, and all data is right.
func testLoad(t *testing.T, n Network) {
	p := n.begin(t, busy)
	const posters, rounds, size = 4, 60, 20_000
	var next [2][posters]atomic.Uint32 // by side and poster: the next message
	check := func(side int) func(m rdma.Message) {
		return func(m rdma.Message) {
			g, i := m.Data[0], binary.BigEndian.Uint32(m.Data[1:])
			if next[side][g].Load() != i || !bytes.Equal(m.Data[5:], numbered(len(m.Data)-5, i)) {
				t.Errorf("message %d of poster %d is not the one that comes next", i, g)
			}
			next[side][g].Store(i + 1)
		}
	}
	sides := []*side{p.a, p.b}
	var all sync.WaitGroup
	for k, s := range sides {
		s.set(check(k), nil)
	}
	for k, s := range sides {
		peer := sides[1-k]
		for g := range posters {
			from := p.show(peer, numbered(size, uint32(g)), 3000)
			to := p.expose(peer, size, 0, rdma.RemoteWrite)
			all.Go(func() {
				for i := range rounds {
					head := binary.BigEndian.AppendUint32([]byte{byte(g)}, uint32(i))
					head = append(head, numbered((i*37+g)%1500, uint32(i))...)
					into := p.region(size, 1777)
					data := numbered(size, uint32(i))
					send := &rdma.Work{Op: rdma.Send, Head: head}
					write := &rdma.Work{Op: rdma.Write, Len: size, Remote: to.at, Data: p.lease(data, 5000)}
					read := &rdma.Work{Op: rdma.Read, Len: size, Remote: from.at, Data: into.lease}
					s.post(read, write, send)
					if err := s.back(read, write, send); err != nil {
						t.Error(err)
						return
					}
					if !bytes.Equal(into.mem, numbered(size, uint32(g))) {
						t.Error("a Read came wrong")
					}
					into.guarded(t)
				}
			})
		}
	}
	all.Wait()
	for k, s := range sides {
		s.until("all messages", func() bool { return len(s.messages) >= posters*rounds })
		for g := range posters {
			if got := next[k][g].Load(); got != rounds {
				t.Errorf("%d messages of poster %d came of %d", got, g, rounds)
			}
		}
	}
}

// testLoadEnds ends a connection under load, from either side: the recorders watch.
func testLoadEnds(t *testing.T, n Network) {
	for round := range 6 {
		p := n.begin(t, busy)
		const size = 30_000
		var all sync.WaitGroup
		sides := []*side{p.a, p.b}
		var sent atomic.Int32
		for k, s := range sides {
			peer := sides[1-k]
			for range 3 {
				// Two of them: nothing orders a Read and a Write of the same memory.
				to, from := p.expose(peer, size, 0, rdma.RemoteWrite), p.expose(peer, size, 0, rdma.RemoteRead)
				all.Go(func() {
					for range 200 {
						data := p.region(size, 0)
						for _, w := range []*rdma.Work{
							{Op: rdma.Send, Head: make([]byte, 100)},
							{Op: rdma.Write, Len: size, Remote: to.at, Data: data.lease},
							{Op: rdma.Read, Len: size, Remote: from.at, Data: p.region(size, 0).lease},
						} {
							if !s.try(w) {
								return
							}
						}
						s.Flush()
						sent.Add(1)
					}
				})
			}
		}
		for sent.Load() < int32(10*round) {
			select {
			case <-sides[0].over:
				t.Fatal("the connection ended by itself")
			case <-sides[0].changed:
			}
		}
		var how error
		if round%3 != 0 {
			how = errors.New("enough")
		}
		sides[round%2].Close(how)
		all.Wait()
		for _, s := range sides {
			if err := s.closed(); errors.Is(err, rdma.ErrProtocol) || errors.Is(err, rdma.ErrAccess) || errors.Is(err, rdma.ErrRemoteAccess) {
				t.Error(err)
			}
		}
	}
}

// testStats: what is counted adds up.
func testStats(t *testing.T, n Network) {
	p := n.begin(t, usual)
	before, peer := p.a.Stats(), p.b.Stats()
	const size, count = 50_000, 5
	to, from := p.expose(p.b, size, 0, rdma.RemoteWrite), p.expose(p.b, size, 0, rdma.RemoteRead)
	var ws []*rdma.Work
	for range count {
		ws = append(ws,
			&rdma.Work{Op: rdma.Write, Len: size, Remote: to.at, Data: p.lease(make([]byte, size), 0)},
			&rdma.Work{Op: rdma.Read, Len: size, Remote: from.at, Data: p.lease(make([]byte, size), 0)},
			&rdma.Work{Op: rdma.Send, Head: make([]byte, 1000)})
	}
	p.a.post(ws...)
	must(t, p.a.back(ws...))
	p.b.message(count - 1)
	a, b := p.a.Stats(), p.b.Stats()
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"messages out", a.MessagesOut - before.MessagesOut, count},
		{"messages in", b.MessagesIn - peer.MessagesIn, count},
		{"messages in of who sent", a.MessagesIn - before.MessagesIn, 0},
		{"writes", a.Writes - before.Writes, count},
		{"reads", a.Reads - before.Reads, count},
		{"writes of the peer", b.Writes - peer.Writes, 0},
		{"placed by Reads", a.Placed - before.Placed, count * size},
		{"placed by the peer's Writes", b.Placed - peer.Placed, count * size},
		{"queued", a.Queued, 0},
		{"bytes queued", a.BytesQueued, 0},
	} {
		if n.Adapter && c.what == "placed by the peer's Writes" {
			continue
		}
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	if n.Adapter {
		b.BytesIn += count * size
	}
	if out := a.BytesOut - before.BytesOut; out < count*(size+1000) || b.BytesIn-peer.BytesIn < count*(size+1000) {
		t.Errorf("%d bytes went out, %d came in", out, b.BytesIn-peer.BytesIn)
	}
	for _, s := range []rdma.Stats{a, b} {
		if s.CopiedPlaced > s.Copied || s.CopiedPlaced > s.Placed || s.ReceiveAgain > s.Receives {
			t.Errorf("%+v", s)
		}
	}
}
