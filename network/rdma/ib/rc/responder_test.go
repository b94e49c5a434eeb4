package rc

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// TestMessages: messages of one packet and of several, each acknowledged as the peer asks for it; one acknowledgement for a batch.
func TestMessages(t *testing.T) {
	d := started(t, deskConf())
	d.feed(only(0, 10))
	d.answers("ack 0 msn 1")
	d.feed(only(1, 0), only(2, 256)) // PSNs wrap here
	d.answers("ack 2 msn 3")
	d.feed(
		pkt{op: ib.SendFirst, psn: 3, data: count(256, 1)}, pkt{op: ib.SendMiddle, psn: 4, data: count(256, 2)},
		pkt{op: ib.SendLast, psn: 5, data: count(3, 3)},
	)
	d.answers()
	d.lengths(10, 0, 256, 515)
	if want := slices.Concat(count(256, 1), count(256, 2), count(3, 3)); !bytes.Equal(d.h.messages[3].Data, want) {
		t.Error("a message was put together wrong")
	}
	if s := d.q.Stats(); s.MessagesIn != 4 || s.Copied != 515 || s.Unfinished {
		t.Errorf("%+v", s)
	}
	d.feed(pkt{op: ib.SendFirst, psn: 6, data: count(256, 1), ack: true})
	d.answers("ack 6 msn 4")
	if !d.q.Stats().Unfinished {
		t.Error("half a message is nothing")
	}
	d.feed(pkt{op: ib.SendLast, psn: 7, data: count(256, 1), ack: true})
	d.answers("ack 7 msn 5")
	d.lengths(10, 0, 256, 515, 512)
}

// TestNotStarted: a message that comes before there is a handler is refused, once, and taken when it comes again. Writes and Reads need none.
func TestNotStarted(t *testing.T) {
	d := newDesk(t, deskConf())
	y := d.expose(100, rdma.RemoteWrite|rdma.RemoteRead)
	d.feed(pkt{op: ib.WriteOnly, psn: 0, ack: true, reth: y.reth(0, 100), data: count(100, 9)})
	d.answers("ack 0 msn 1")
	d.feed(only(1, 10), only(2, 20), only(3, 30))
	d.answers(fmt.Sprintf("nak %#x 1 msn 1", byte(ib.RNR(notReady))))
	d.feed(only(1, 10))
	d.answers(fmt.Sprintf("nak %#x 1 msn 1", byte(ib.RNR(notReady))))
	d.q.Start(d.h)
	d.feed(only(1, 10), only(2, 20))
	d.answers("ack 2 msn 3")
	d.lengths(10, 20)
	d.feed(pkt{op: ib.ReadRequest, psn: 3, reth: y.reth(0, 100)})
	d.answers("only 3 msn 4 100 bytes")
}

// TestGap: what is ahead is refused once, until what is missing has come (9.7.5.2.2).
func TestGap(t *testing.T) {
	d := started(t, deskConf())
	d.feed(only(0, 1), only(2, 1), only(3, 1))
	d.answers("nak 0x60 1 msn 1")
	d.feed(only(4, 1))
	d.answers()
	d.feed(only(1, 1), only(2, 1), only(3, 1), only(4, 1))
	d.answers("ack 4 msn 5")
	d.lengths(1, 1, 1, 1, 1)
	// In one batch nobody is told of a gap that has closed.
	d.feed(only(6, 1), only(5, 1))
	d.answers("ack 5 msn 6")
	// The peer has gone back, and the same packet is missing again.
	d.feed(only(8, 1), only(9, 1))
	d.answers("nak 0x60 6 msn 6")
	d.feed(only(7, 1), only(8, 1), only(9, 1))
	d.answers("nak 0x60 6 msn 6")
	d.feed(only(6, 1))
	d.answers("ack 6 msn 7")
	// The peer has not heard of it.
	d.feed(only(8, 1))
	d.answers("nak 0x60 7 msn 7")
	d.feed(only(9, 1))
	d.answers()
	d.q.epoch = d.q.epoch.Add(-patient)
	d.feed(only(10, 1), only(11, 1))
	d.answers("nak 0x60 7 msn 7")
	d.feed(only(7, 1))
	d.answers("ack 7 msn 8")
	// The furthest that is ahead, and the furthest that is behind.
	d.feed(only(7+1<<23, 1))
	d.answers("nak 0x60 8 msn 8")
	d.feed(only(8-1<<23, 1))
	d.answers("ack 7 msn 8")
	d.lengths(1, 1, 1, 1, 1, 1, 1, 1)
}

// TestDuplicates: messages and Writes that come again are acknowledged and not executed.
func TestDuplicates(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(300, rdma.RemoteWrite)
	write := []pkt{
		{op: ib.WriteFirst, psn: 1, reth: y.reth(0, 300), data: count(256, 1)},
		{op: ib.WriteLast, psn: 2, ack: true, data: count(44, 2)},
	}
	d.feed(only(0, 5), write[0], write[1])
	d.answers("ack 2 msn 2")
	clear(y.mem)
	d.feed(write[0])
	d.answers("ack 2 msn 2")
	d.feed(only(0, 5), write[0], write[1], only(3, 6))
	d.answers("ack 3 msn 3")
	d.feed(only(3, 6), only(0, 5))
	d.answers("ack 3 msn 3")
	if !bytes.Equal(y.mem, make([]byte, 300)) {
		t.Error("a Write was executed again")
	}
	d.lengths(5, 6)
	// Atomic operations were never executed, and what is unknown was not either.
	d.feed(pkt{op: ib.FetchAdd, psn: 0}, pkt{op: 0x1C, psn: 1})
	d.answers()
}

// TestWrites: Writes of all lengths, with guards around.
func TestWrites(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 511, 512, 513, 2000} {
		d := started(t, deskConf())
		y := d.expose(2000, rdma.RemoteWrite)
		data := count(n, 0xAA)
		off := 2000 - n
		var ps []pkt
		if n <= 256 {
			ps = append(ps, pkt{op: ib.WriteOnly, ack: true, reth: y.reth(off, n), data: data})
		} else {
			ps = append(ps, pkt{op: ib.WriteFirst, reth: y.reth(off, n), data: data[:256]})
			k := 1
			for ; (k+1)*256 < n; k++ {
				ps = append(ps, pkt{op: ib.WriteMiddle, psn: k, data: data[k*256:][:256]})
			}
			ps = append(ps, pkt{op: ib.WriteLast, psn: k, ack: true, data: data[k*256:]})
		}
		d.feed(ps...)
		d.answers(fmt.Sprintf("ack %d msn 1", len(ps)-1))
		if !bytes.Equal(y.mem[off:], data) {
			t.Errorf("%d bytes were written wrong", n)
		}
		y.untouched(off, n)
		if s := d.q.Stats(); s.Placed != int64(n) || s.CopiedPlaced != int64(n) || s.Unfinished {
			t.Errorf("%+v", s)
		}
	}
}

// TestNothing: a Write or Read of no bytes is fine with any key (srp-rxe, F4).
func TestNothing(t *testing.T) {
	d := started(t, deskConf())
	d.feed(pkt{op: ib.WriteOnly, psn: 0, ack: true}, pkt{op: ib.ReadRequest, psn: 1, reth: ib.RETH{Key: 77, Address: math.MaxUint64}})
	d.answers("only 1 msn 2 0 bytes")
	d.feed(pkt{op: ib.WriteOnly, psn: 2, ack: true, reth: ib.RETH{Key: 77, Address: math.MaxUint64}})
	d.answers("ack 2 msn 3")
	d.feed(pkt{op: ib.ReadRequest, psn: 1, reth: ib.RETH{Key: 77, Address: math.MaxUint64}})
	d.answers("only 1 msn 2 0 bytes")
}

// TestInvalidate: the key is gone when the message is delivered.
func TestInvalidate(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(100, rdma.RemoteRead)
	d.h.received = func(m rdma.Message) {
		if m.Invalidates && d.q.Revoke(m.Invalidated) {
			t.Error("the key was there")
		}
	}
	d.feed(pkt{op: ib.ReadRequest, psn: 0, reth: y.reth(0, 100)})
	d.answers("only 0 msn 1 100 bytes")
	d.feed(pkt{op: ib.SendOnlyInvalidate, psn: 1, ack: true, key: uint32(y.at.Key), data: count(3, 1)})
	d.answers("ack 1 msn 2")
	if m := d.h.messages[0]; !m.Invalidates || m.Invalidated != y.at.Key || len(m.Data) != 3 {
		t.Errorf("%+v", m)
	}
	z := d.expose(100, rdma.RemoteRead)
	d.feed(pkt{op: ib.SendFirst, psn: 2, data: count(256, 1)}, pkt{op: ib.SendLastInvalidate, psn: 3, key: uint32(z.at.Key), ack: true, data: count(1, 1)})
	d.answers("ack 3 msn 3")
	if m := d.h.messages[1]; !m.Invalidates || m.Invalidated != z.at.Key || len(m.Data) != 257 {
		t.Errorf("%+v", m)
	}
}

// TestRevokedRead: a Read whose window is revoked before all of the answer has been made ends the connection; before that nobody waits.
func TestRevokedRead(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(2000, rdma.RemoteRead)
	d.out.room = 3
	revoked := false
	d.out.hook = func() {
		if !revoked {
			revoked = true
			go func() { d.q.Revoke(y.at.Key) }()
			for there := true; there; {
				d.q.mem.mu.Lock()
				there = d.q.mem.windows.Find(uint32(y.at.Key)) != nil
				d.q.mem.mu.Unlock()
			}
		}
	}
	d.feed(pkt{op: ib.ReadRequest, reth: y.reth(0, 2000)})
	d.answers("first 0 msn 1 256 bytes", "middle 1 256 bytes", "middle 2 256 bytes", "nak 0x62 3 msn 0")
	if len(d.ended) != 1 || !errors.Is(d.ended[0], rdma.ErrAccess) {
		t.Errorf("ended with %v", d.ended)
	}
}

// TestRevokeWaits: Revoke returns when no packet with memory of the window is in the outlet any more.
func TestRevokeWaits(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(600, rdma.RemoteRead)
	var ok bool
	done := make(chan struct{})
	want := bytes.Clone(y.mem)
	d.out.hook = func() {
		d.out.hook = nil
		go func() {
			defer close(done)
			ok = d.q.Revoke(y.at.Key)
			clear(y.mem) // it is ours again
		}()
		select {
		case <-done:
			t.Error("it was revoked while it was being sent")
		case <-gosched(1000):
		}
	}
	d.feed(pkt{op: ib.ReadRequest, reth: y.reth(0, 600)})
	if <-done; !ok {
		t.Error("there was no such key")
	}
	if got := d.data(); !bytes.Equal(got, want) {
		t.Error("other bytes were sent")
	}
}

// TestFair: a large Read of the peer and a large Write of ours leave in turn.
func TestFair(t *testing.T) {
	c := deskConf()
	c.Reads = 2
	d := started(t, c)
	y := d.expose(20*256, rdma.RemoteRead)
	w := &rdma.Work{Op: rdma.Write, Data: buffer.Of(make([]byte, 40*256)), Len: 40 * 256, Remote: rdma.Remote{Key: 5, Addr: 7}}
	d.q.Received(d.wire(pkt{op: ib.ReadRequest, reth: y.reth(0, 20*256)}))
	if !d.q.Post(w) {
		t.Fatal("not taken")
	}
	d.q.Batch()
	got := ""
	for _, b := range d.take() {
		h, _ := ib.ParseBTH(b)
		if h.Opcode.Is(ib.Read) {
			got += "r"
		} else {
			got += "w"
		}
	}
	if want := "rrrrrrrrwwwwwwwwrrrrrrrrwwwwwwwwrrrr" + strings.Repeat("w", 24); got != want {
		t.Errorf("in the order %s", got)
	}
	d.q.Disconnected(nil)
}

// TestLargeReads: who receives does not send all of what a peer has asked for; the alarm goes on.
func TestLargeReads(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(500*256, rdma.RemoteRead)
	d.feed(pkt{op: ib.ReadRequest, reth: y.reth(0, 500*256)}, pkt{op: ib.ReadRequest, psn: 500, reth: y.reth(0, 500*256)}, only(1000, 1))
	var got []int
	for range 4 {
		got = append(got, len(d.take()))
		d.q.send()
	}
	if want := []int{maxSent, 1001 - maxSent, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("%d packets, not %d", got, want)
	}
}

// TestShort: a packet that is too short for its headers is none.
func TestShort(t *testing.T) {
	d := started(t, deskConf())
	for op := range 32 {
		h, b := d.wire(pkt{op: ib.Opcode(op)})
		for n := range b {
			d.q.Received(h, b[:n])
		}
	}
	d.q.Batch()
	d.answers()
	if len(d.h.closed) > 0 {
		t.Error(d.h.closed)
	}
}

// TestNoAllocations: messages, Writes and Reads of the peer cost nothing, once buffers are there.
func TestNoAllocations(t *testing.T) {
	c := deskConf()
	c.Outlet = blackHole{}
	q := New(c)
	q.Start(nobody{})
	d := &desk{t: t, q: q, psn: c.Expects}
	y := d.expose(2000, rdma.RemoteRead|rdma.RemoteWrite)
	type wire struct {
		h ib.BTH
		b []byte
	}
	var ws []wire
	for _, p := range []pkt{
		only(0, 10), {op: ib.SendFirst, psn: 1, data: count(256, 1)}, {op: ib.SendLast, psn: 2, ack: true, data: count(2, 1)},
		{op: ib.WriteFirst, psn: 3, reth: y.reth(0, 300), data: count(256, 1)}, {op: ib.WriteLast, psn: 4, ack: true, data: count(44, 1)},
		{op: ib.ReadRequest, psn: 5, reth: y.reth(0, 600)}, only(8, 1),
	} {
		h, b := d.wire(p)
		ws = append(ws, wire{h, b})
	}
	round := 0
	n := testing.AllocsPerRun(200, func() {
		for _, w := range ws {
			w.h.PSN = w.h.PSN.Add(9 * round)
			q.Received(w.h, w.b)
		}
		q.Batch()
		round++
	})
	if n != 0 {
		t.Errorf("%v allocations for four messages, a Write and a Read", n)
	}
	if s := q.Stats(); s.MessagesIn < 600 {
		t.Errorf("%+v", s)
	}
}
