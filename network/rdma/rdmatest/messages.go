package rdmatest

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// scribble overwrites what a Send or Write had: its memory is free after Done.
func scribble(w *rdma.Work, err error) {
	if err != nil || w.Op == rdma.Read {
		return
	}
	clear(w.Head)
	for at, end := w.At, w.At+w.Len; at < end; {
		mem := w.Data.At(at)
		mem = mem[:min(int64(len(mem)), end-at)]
		clear(mem)
		at += int64(len(mem))
	}
}

// testMessages sends messages of many lengths and shapes, in both directions.
func testMessages(t *testing.T, n Network) {
	p := n.begin(t, usual)
	limit := usual.MaxMessage
	sizes := []int{0, 1, 2, 3, 4, 5, 63, 64, 255, 1379, 1380, 1448, 1500, 4095, 4096, 4097, 20_000, limit/2 + 1, limit - 1, limit}
	for _, d := range [][2]*side{{p.a, p.b}, {p.b, p.a}} {
		from, to := d[0], d[1]
		from.set(nil, scribble)
		next := 0
		for _, size := range sizes {
			for _, head := range []int{0, 28, size} {
				for _, piece := range []int{0, 1000, 77} {
					if head > size || (piece == 77 && size > 20_000) {
						continue
					}
					data := numbered(size, uint32(next))
					w := &rdma.Work{Op: rdma.Send, Head: bytes.Clone(data[:head]), Solicited: next%2 == 0}
					if rest := data[head:]; len(rest) > 0 {
						w.At, w.Len = int64(next%5), int64(len(rest))
						w.Data = p.lease(append(make([]byte, w.At), append(bytes.Clone(rest), 1, 2, 3)...), piece)
					}
					from.post(w)
					if m := to.message(next); !bytes.Equal(m.Data, data) || m.Invalidates {
						t.Fatalf("%d bytes, %d of them head, in pieces of %d: %d came, or other ones", size, head, piece, len(m.Data))
					}
					must(t, from.back(w))
					next++
				}
			}
		}
	}
}

// testEmpty sends many messages of no bytes and of one, in one batch.
func testEmpty(t *testing.T, n Network) {
	p := n.begin(t, usual)
	var ws []*rdma.Work
	for i := range usual.Messages - 1 { // Received may not have returned from the first of all
		ws = append(ws, &rdma.Work{Op: rdma.Send, Head: make([]byte, i%2)})
	}
	p.a.post(ws...)
	p.b.message(len(ws) - 1)
	must(t, p.a.back(ws...))
	for i := range ws {
		if m := p.b.message(i); len(m.Data) != i%2 {
			t.Fatalf("message %d has %d bytes", i, len(m.Data))
		}
	}
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	for i, w := range p.a.order {
		if w != ws[i] {
			t.Fatal("Sends were given back in another order")
		}
	}
}

// testTooLong: a message that is too long ends the connection, and is not delivered.
func testTooLong(t *testing.T, n Network) {
	for _, back := range []bool{false, true} {
		for _, more := range []int{1, 3000, 100_000} {
			p := n.begin(t, usual)
			from, to := p.a, p.b
			if back {
				from, to = p.b, p.a
			}
			fits := &rdma.Work{Op: rdma.Send, Head: make([]byte, usual.MaxMessage)}
			from.post(fits, &rdma.Work{Op: rdma.Send, Head: make([]byte, usual.MaxMessage+more)})
			to.ends(rdma.ErrLength)
			from.ends(n.broken(rdma.ErrRemote, rdma.ErrLength)...)
			must(t, from.back(fits))
			if len(to.messages) > 1 { // it has ended: nobody else looks
				t.Error("a message that is too long was delivered")
			}
		}
	}
}

// testTooMany sends more messages than the peer has room for.
func testTooMany(t *testing.T, n Network) {
	if !n.Queue {
		t.Skip("the provider has no receive queue that could be too short")
	}
	o := usual
	o.Messages = 3
	p := n.begin(t, o)
	// The answer to a message tells that there is room for another one again: that Received was
	// called for the last one does not.
	p.b.set(func(rdma.Message) { p.b.try(&rdma.Work{Op: rdma.Send}) }, nil)
	p.a.post(&rdma.Work{Op: rdma.Send})
	p.a.message(0)
	stop := make(chan struct{})
	p.b.set(func(rdma.Message) { <-stop }, nil)
	for range o.Messages {
		p.a.post(&rdma.Work{Op: rdma.Send})
	}
	p.b.until("the first message", func() bool { return p.b.inside.Load() == 1 })
	p.a.post(&rdma.Work{Op: rdma.Send})
	p.a.ends(rdma.ErrRemote)
	close(stop)
	p.b.ends(rdma.ErrProtocol)
}

// testConversation answers each message from within Received, and with Flush there or without:
// the connection flushes at the end of a batch. A third answer comes from Done.
func testConversation(t *testing.T, n Network) {
	p := n.begin(t, usual)
	const rounds = 200
	var count atomic.Int32
	var third atomic.Bool
	p.b.set(func(m rdma.Message) {
		k := count.Add(1)
		w := &rdma.Work{Op: rdma.Send, Head: bytes.Clone(m.Data)}
		if !p.b.try(w) {
			t.Error("refused")
		}
		if k%2 == 0 {
			p.b.Flush()
			p.b.Flush()
		}
	}, func(_ *rdma.Work, err error) {
		if err == nil && count.Load() == rounds && third.CompareAndSwap(false, true) {
			p.b.try(&rdma.Work{Op: rdma.Send, Head: []byte("the end")})
			p.b.Flush()
		}
	})
	for i := range rounds {
		p.a.post(&rdma.Work{Op: rdma.Send, Head: binary.BigEndian.AppendUint32(nil, uint32(i))})
		if m := p.a.message(i); binary.BigEndian.Uint32(m.Data) != uint32(i) {
			t.Fatalf("answer %d is %x", i, m.Data)
		}
	}
	if m := p.a.message(rounds); string(m.Data) != "the end" {
		t.Errorf("%q", m.Data)
	}
	p.b.until("all of them back", func() bool { return len(p.b.posted) == 0 })
}
