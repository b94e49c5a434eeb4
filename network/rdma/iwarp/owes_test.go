package iwarp

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// TestUnfinished: of what has come in part no more is kept than that, the user can see it, and it is whole
// when the rest comes.
func TestUnfinished(t *testing.T) {
	for _, crc := range []bool{false, true} {
		b := newBed(t, rdma.Options{MaxMessage: 40000}, crc)
		p := fpdu(header{last: true, op: opSend, qn: queueSend, msn: 1}, make([]byte, 30000), crc)
		fed := 0
		for _, n := range []int{1, 20, 20000, len(p) - 1} {
			b.feed(p[fed:n])
			fed = n
			if !b.c.Stats().Unfinished || b.c.recv.b != nil || len(b.c.recv.rest) != n {
				t.Fatalf("after %d bytes: unfinished %v, a receive buffer: %v, %d bytes are kept",
					n, b.c.Stats().Unfinished, b.c.recv.b != nil, len(b.c.recv.rest))
			}
		}
		b.feed(p[fed:])
		if b.c.Stats().Unfinished || b.c.Stats().MessagesIn != 1 {
			t.Errorf("%+v", b.c.Stats())
		}
		b.hangUp()
	}
}

// TestTooLongIsNotAwaited: what is longer than it may be ends the connection with its header.
func TestTooLongIsNotAwaited(t *testing.T) {
	for _, crc := range []bool{false, true} {
		for _, h := range []header{{last: true, op: opSend, qn: queueSend, msn: 1}, {last: true, op: opTerminate, qn: queueTerminate, msn: 1}} {
			b := newBed(t, rdma.Options{MaxMessage: 2000}, crc)
			b.feed(fpdu(h, make([]byte, 40000), crc)[:100])
			b.terminated(causeTooLong, nil)
			if err := b.h.ended(); !errors.Is(err, rdma.ErrLength) {
				t.Errorf("%v: %v", h.op, err)
			}
		}
	}
}

// TestAsked: a Read is owed by the peer when its request has left, and not while it waits behind what the
// peer does not take.
func TestAsked(t *testing.T) {
	b := newBed(t, rdma.Options{Reads: 1, MaxMessage: 100}, false)
	b.room = 0
	var ws []*rdma.Work
	for _, op := range []rdma.Op{rdma.Write, rdma.Read, rdma.Read} {
		w := &rdma.Work{Op: op, Len: 1000, Remote: rdma.Remote{Key: 7}, Data: buffer.Of(make([]byte, 1000))}
		ws = append(ws, w)
		if !b.c.Post(w) {
			t.Fatal("not taken")
		}
	}
	b.c.Flush()
	if s := b.c.Stats(); s.Asked != 0 || s.Queued != 2 {
		t.Errorf("nothing has left: %d asked, %d queued", s.Asked, s.Queued)
	}
	b.drain(-1)
	if s := b.c.Stats(); s.Asked != 1 || s.Queued != 0 {
		t.Errorf("all has left: %d asked, %d queued", s.Asked, s.Queued)
	}
	b.feed(response(ws[1].State, make([]byte, 1000), 1000, false))
	if s := b.c.Stats(); s.Asked != 1 || s.Queued != 0 {
		t.Errorf("the next: %d asked, %d queued", s.Asked, s.Queued)
	}
	b.feed(response(ws[2].State, make([]byte, 1000), 1000, false))
	if s := b.c.Stats(); s.Asked != 0 || s.Queued != 0 {
		t.Errorf("at the end: %d asked, %d queued", s.Asked, s.Queued)
	}
	b.hangUp()
}
