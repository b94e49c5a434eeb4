package movertest

import (
	"errors"
	"testing"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// freeze lets the handler take nothing any more.
func (h *handler) freeze() {
	h.mu.Lock()
	h.frozen = true
	h.mu.Unlock()
}

// testDetach takes the connection from mover to mover, with what each has not handled and not sent:
// every PDU comes once and in order.
func testDetach(t *testing.T, b *bench, p iscsi.MoverParams) {
	for round, n := range []int{0, 1, 100, 9000, 60_000} {
		b.h.freeze()
		must(t, b.Peer.Send(nop(1000), numbered(n))) // it waits at one mover, or at the other
		out := b.Mover.Control()
		pdu.NOPIn{ITT: uint32(round), TTT: pdu.NoTag}.Put(&out.BHS)
		out.Data = numbered(n)
		b.Mover.SendControl(out)
		wires := make(chan iscsi.Wire, 2)
		b.Mover.Detach(func(w iscsi.Wire) { wires <- w })
		var w iscsi.Wire
		select {
		case w = <-wires:
		case <-time.After(5 * time.Second):
			t.Fatal("the mover does not let the connection go")
		}
		b.Mover.Terminate(errors.New("it has nothing to do with the connection any more"))
		b.Mover.SendControl(b.Mover.Control())
		b.Mover.Flush()
		old := b.h
		b.h = newHandler(t)
		b.h.stamp = old.stamp
		m, start, err := b.Attach(w)
		must(t, err)
		b.Mover = m
		m.Enable(p)
		start(b.h)
		m.Flush()
		h, data, err := b.Peer.Receive()
		must(t, err)
		if h.ITT() != uint32(round) || len(data) != n {
			t.Fatalf("round %d: tag %d, %d bytes", round, h.ITT(), len(data))
		}
		must(t, b.Peer.Send(nop(1001), nil))
		b.h.until(t, "what was not handled", func() bool { return len(b.h.arrived) == 2 })
		if b.h.arrived[0].ITT() != 1000 || len(b.h.data[0]) != n || b.h.arrived[1].ITT() != 1001 {
			t.Fatalf("round %d: tags %d and %d", round, b.h.arrived[0].ITT(), b.h.arrived[1].ITT())
		}
		old.mu.Lock()
		if old.ended != 0 {
			t.Error("Terminated was called for a mover that has let its connection go")
		}
		old.mu.Unlock()
	}
}

// testDetachEnded: a connection that ends first is not given away.
func testDetachEnded(t *testing.T, b *bench) {
	b.h.freeze()
	b.Mover.Terminate(errors.New("an end"))
	b.Mover.Detach(func(iscsi.Wire) { t.Error("given away") })
	_ = b.Peer.Close()
	b.h.until(t, "Terminated", func() bool { return b.h.ended == 1 })
}

// testDetachOrEnd has a connection end while it is being detached: it is given away, or Terminated
// is called.
func testDetachOrEnd(t *testing.T, b *bench) {
	b.h.freeze()
	wires := make(chan iscsi.Wire, 2)
	go func() {
		b.Mover.Terminate(nil)
		_ = b.Peer.Close()
	}()
	b.Mover.Detach(func(w iscsi.Wire) { wires <- w })
	select {
	case w := <-wires:
		_ = w.Close()
		b.h.Terminated(nil) // for the end of the test
	case <-b.h.over:
	case <-time.After(5 * time.Second):
		t.Fatal("neither")
	}
}
