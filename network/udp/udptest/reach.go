package udptest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/udp"
)

// Reach waits until datagrams pass in both directions: addresses of a host that are new may be of no use for a moment, and neighbours have to find each other.
func (p *Pair) Reach(t testing.TB) {
	t.Helper()
	var ends [2]*waiter
	for i := range ends {
		s, err := p.Host[i].Open(context.Background(), udp.Config{Local: netip.AddrPortFrom(p.Addr[i], 0), Lanes: 1, Longest: longest})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		ends[i] = &waiter{s: s, at: s.Local(), came: make(chan struct{}, 1)}
		s.Start(ends[i])
	}
	late := time.After(patience)
	for i, from := range ends {
		to := ends[1-i]
		for there := false; !there; {
			_ = from.s.Send([]udp.Message{{Local: from.at, Remote: to.at, Vec: [][]byte{{1}}}})
			select {
			case <-to.came:
				there = true
			case <-time.After(time.Millisecond):
			case <-late:
				t.Fatalf("nothing passes from %v to %v", from.at, to.at)
			}
		}
	}
}

// A waiter says that something has come.
type waiter struct {
	s    udp.Socket
	at   netip.AddrPort
	came chan struct{}
}

// Received says so.
func (w *waiter) Received(int, []udp.Packet) {
	select {
	case w.came <- struct{}{}:
	default:
	}
}
