package packet

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// Whoever has received a frame on a virtual interface may keep it, and the kernel does not give its slot back: everything else goes on, in order, and
// in a few rings at most.
func TestHeld(t *testing.T) {
	_, a, _, u, v := pair(t)
	sent := uint32(0)
	send := func(n int) {
		for range n {
			sent++
			for {
				if n, err := a.Send([]ethernet.Frame{numbered(sent)}); err != nil {
					t.Fatal(err)
				} else if n == 1 {
					break
				}
				next(t, u.writable)
			}
			for {
				if k := next(t, v.numbers); k == sent {
					break
				} else if k != 0 {
					t.Fatalf("frame %d comes as number %d", sent, k)
				}
			}
		}
	}
	send(10)
	slots := a.out.ring.slots
	var held []*uint32
	for range spareOutputs {
		a.tx.Lock()
		was := a.out
		s := status(was.ring.slot(was.ring.at))
		*s = unix.TP_STATUS_SENDING
		held = append(held, s)
		a.tx.Unlock()
		send(slots + 10)
		a.tx.Lock()
		if a.out == was {
			t.Error("it sends from the same ring")
		}
		a.tx.Unlock()
	}
	// A ring that is whole again is used again.
	*held[0] = unix.TP_STATUS_AVAILABLE
	a.tx.Lock()
	*status(a.out.ring.slot(a.out.ring.at)) = unix.TP_STATUS_SENDING
	a.tx.Unlock()
	send(slots + 10)
	if a.out != a.socket.outs[0] {
		t.Error("it does not send from the first ring again")
	}
}
