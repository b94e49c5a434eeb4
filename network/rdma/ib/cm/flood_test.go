package cm

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// address is one of many.
func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)})
}

// held is how much the manager has in all of its tables.
func (h *hand) held() (n int) {
	m := h.m
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.byID) + len(m.byPeer) + len(m.byQP) + len(m.houses) + m.half.Len() + m.half.Owners() + len(m.events) + len(m.past.ring) + len(m.past.byID) + len(m.past.byPeer)
}

// TestFlood: REQs from more addresses than anybody has take a fixed room and get a fixed number of answers a second; who has a connection notices nothing.
func TestFlood(t *testing.T) {
	script(t, Config{HalfOpen: 64}, func(t *testing.T, h *hand, s *server) {
		id := connected(t, h, s)
		s.do = nil
		s.requests = nil
		answers, top := 0, 0
		start := time.Now()
		for i := range uint32(100_000) {
			answers += len(h.from(address(i), mad.AttrREQ, uint64(i), req(address(i), i, ib.QPN(i+2), 1)))
			top = max(top, h.held())
			if i%20 == 0 {
				time.Sleep(time.Millisecond) // 20,000 a second
			}
		}
		d := DefaultLimits()
		may := d.All * (int(time.Since(start).Seconds()) + 2)
		if answers > may || len(s.requests) > may {
			t.Errorf("%d answers to %d requests in %v", answers, len(s.requests), time.Since(start))
		}
		// each is in three tables, and in the crowd, which has an owner for it
		if top > 64*5+16 {
			t.Errorf("%d things held", top)
		}
		// Those who have a connection are let in while strangers are not.
		for i := range uint32(20) {
			h.from(address(i), mad.AttrREQ, 1, req(address(i), i, 2, 1))
		}
		before := len(s.requests)
		h.give(mad.AttrREQ, 9, req(hostA, 77, 0x12, 1))
		if len(s.requests) != before+1 {
			t.Error("who has a connection gets no other")
		}
		one(t, h.give(mad.AttrDREQ, 3, &mad.DREQ{LocalID: 5, RemoteID: id, QPN: 9}), mad.AttrDREP)
		if _, evicted := h.m.Stats(), h.m.Stats().Evicted; evicted == 0 || h.m.Stats().Dropped == 0 {
			t.Errorf("%+v", h.m.Stats())
		}
		time.Sleep(time.Hour)
		h.take()
		if s := h.m.Stats(); s.Connections != 0 || s.HalfOpen != 0 {
			t.Errorf("%+v is left", s)
		}
	})
}

// TestFloodAccepted: the same where every request is accepted, and no RTU comes.
func TestFloodAccepted(t *testing.T) {
	script(t, Config{HalfOpen: 64}, func(t *testing.T, h *hand, s *server) {
		s.do = s.accept(terms(100))
		modest := reply(t, h.from(address(1<<20), mad.AttrREQ, 1, req(address(1<<20), 1, 2, 1)))
		sent := 0
		for i := range uint32(5000) { // of one address: they make room for their own alone
			sent += len(h.give(mad.AttrREQ, 1, req(hostA, i, ib.QPN(i+2), 1)))
			time.Sleep(20 * time.Millisecond)
			if i == 50 {
				h.from(address(1<<20), mad.AttrRTU, 1, &mad.RTU{LocalID: 1, RemoteID: modest.LocalID})
			}
		}
		if n, ends, _ := s.owners[0].got(); n != 1 || ends != 0 {
			t.Errorf("the modest one: established %d, ended %d", n, ends)
		}
		gone, open := 0, 0
		for _, o := range s.owners[1:] {
			switch n, ends, err := o.got(); {
			case n != 0 || ends > 1:
				t.Fatalf("established %d, ended %d", n, ends)
			case ends == 0:
				open++
			case errors.Is(err, ErrGone):
				gone++
			}
		}
		if open > 64 || gone == 0 {
			t.Errorf("%d open, %d gone", open, gone)
		}
		// A REQ costs its answer, and what is repeated to those that are half open: 64 of them every 4.3 s.
		if may := 5000 + 64*(100/4+1); sent > may {
			t.Errorf("%d datagrams, and not %d", sent, may)
		}
	})
}

// TestFloodOfStrays: messages that belong to nothing get a fixed number of answers a second.
func TestFloodOfStrays(t *testing.T) {
	script(t, Config{Limits: Limits{Unknown: 100}}, func(t *testing.T, h *hand, s *server) {
		rnd := rand.New(rand.NewPCG(1, 2))
		answers := 0
		for i := range 20_000 {
			at := address(rnd.Uint32())
			l, r := rnd.Uint32(), rnd.Uint32()
			for a, msg := range []message{
				&mad.DREQ{LocalID: l, RemoteID: r}, &mad.RTU{LocalID: l, RemoteID: r}, &mad.REP{LocalID: l, RemoteID: r}, &mad.LAP{LocalID: l, RemoteID: r}, &mad.SIDRREQ{RequestID: l},
				&mad.DREP{LocalID: l, RemoteID: r}, &mad.REJ{LocalID: l, RemoteID: r}, &mad.MRA{LocalID: l, RemoteID: r},
			} {
				attr := []mad.Attribute{mad.AttrDREQ, mad.AttrRTU, mad.AttrREP, mad.AttrLAP, mad.AttrSIDRREQ, mad.AttrDREP, mad.AttrREJ, mad.AttrMRA}[a]
				answers += len(h.from(at, attr, 1, msg))
			}
			if i%20 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		if may := 100 * 12; answers > may || answers < 500 {
			t.Errorf("%d answers in 10 seconds", answers)
		}
		if n := h.held(); n != 0 {
			t.Errorf("%d things held", n)
		}
	})
}

// TestTimeWaitIsBounded: however many connections come and go.
func TestTimeWaitIsBounded(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		s.do = s.accept(terms(9))
		for i := range uint32(3 * maxPast) {
			at := address(i % 64)
			r := reply(t, h.from(at, mad.AttrREQ, 1, req(at, i, ib.QPN(i+2), 1)))
			h.from(at, mad.AttrRTU, 1, &mad.RTU{LocalID: i, RemoteID: r.LocalID})
			one(t, h.from(at, mad.AttrDREQ, 2, &mad.DREQ{LocalID: i, RemoteID: r.LocalID, QPN: r.QPN}), mad.AttrDREP)
			time.Sleep(time.Millisecond)
		}
		m := h.m
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.past.ring) != maxPast || len(m.past.byID) > maxPast || len(m.past.byPeer) > maxPast || len(m.byID)+len(m.byPeer)+len(m.byQP)+len(m.houses) != 0 {
			t.Errorf("%d, %d, %d", len(m.past.ring), len(m.past.byID), len(m.past.byPeer))
		}
	})
}

// TestHouses: all addresses of a network of IPv6 are one.
func TestHouses(t *testing.T) {
	for a, want := range map[string]string{"10.0.0.1": "10.0.0.1", "2001:db8::1": "2001:db8::", "2001:db8:0:1:2::": "2001:db8:0:1::", "fe80::1%eth0": "fe80::%eth0"} {
		if got := house(netip.MustParseAddr(a)); got != netip.MustParseAddr(want) {
			t.Errorf("%s is of %s", a, got)
		}
	}
}
