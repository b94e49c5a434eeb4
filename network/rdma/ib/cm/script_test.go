package cm

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// script runs f with a manager whose peer is written by hand, and a service point at port 1.
func script(t *testing.T, c Config, f func(t *testing.T, h *hand, s *server)) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t, c)
		s := new(server)
		listen(t, h.m, 1, s)
		f(t, h, s)
	})
}

// connected has hostA connected, with the ID 5 and the queue pair 0x11; what it returns is our ID.
func connected(t *testing.T, h *hand, s *server) uint32 {
	t.Helper()
	s.do = s.accept(terms(9))
	r := reply(t, h.give(mad.AttrREQ, 1, req(hostA, 5, 0x11, 1)))
	if all := h.give(mad.AttrRTU, 1, &mad.RTU{LocalID: 5, RemoteID: r.LocalID}); len(all) != 0 {
		t.Fatalf("RTU is answered by %x", all)
	}
	if n, _, _ := s.owners[0].got(); n != 1 {
		t.Fatal("not established")
	}
	return r.LocalID
}

// TestAgain: messages that come twice.
func TestAgain(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		q := req(hostA, 5, 0x11, 1)
		if all := h.give(mad.AttrREQ, 1, q); len(all) != 0 {
			t.Fatalf("answered by %x before the user has", all)
		}
		head, data := one(t, h.give(mad.AttrREQ, 1, q), mad.AttrMRA)
		if r, _ := mad.ParseMRA(data); head.TID != 1 || r.Subject != mad.OfREQ || r.RemoteID != 5 || r.LocalID == 0 || r.Timeout != serviceTime {
			t.Errorf("%+v", r)
		}
		o := new(record)
		if _, err := s.requests[0].Accept(terms(9), o); err != nil {
			t.Fatal(err)
		}
		first := reply(t, h.take())
		again := reply(t, h.give(mad.AttrREQ, 1, q))
		if first.LocalID != again.LocalID || again.QPN != 9 || again.PSN != terms(9).PSN {
			t.Errorf("%+v, then %+v", first, again)
		}
		other := *q
		other.PSN++
		if r := rejection(t, h.give(mad.AttrREQ, 1, &other)); r.Reason != mad.DuplicateCommID || r.RemoteID != 5 {
			t.Errorf("%+v", r)
		}
		rtu := &mad.RTU{LocalID: 5, RemoteID: first.LocalID}
		for range 2 {
			if all := h.give(mad.AttrRTU, 1, rtu); len(all) != 0 {
				t.Fatal("RTU is answered")
			}
		}
		if all := h.give(mad.AttrREQ, 1, q); len(all) != 0 {
			t.Errorf("a late REQ is answered by %x", all)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if all := h.take(); len(all) != 0 {
			t.Errorf("%d datagrams for nothing", len(all))
		}
		d := &mad.DREQ{LocalID: 5, RemoteID: first.LocalID, QPN: 9}
		for range 3 {
			head, data := one(t, h.give(mad.AttrDREQ, 77, d), mad.AttrDREP)
			if r, _ := mad.ParseDREP(data); head.TID != 77 || r.LocalID != first.LocalID || r.RemoteID != 5 {
				t.Errorf("%+v", r)
			}
		}
		if n, ends, _ := o.got(); n != 1 || ends != 1 || len(s.requests) != 1 {
			t.Errorf("established %d, ended %d, %d requests", n, ends, len(s.requests))
		}
		// What the network has kept makes no new connection, until it has certainly gone.
		if r := rejection(t, h.give(mad.AttrREQ, 1, q)); r.Reason != mad.StaleConnection {
			t.Errorf("%+v", r)
		}
		if all := h.give(mad.AttrRTU, 1, rtu); len(all) != 0 {
			t.Errorf("a late RTU is answered by %x", all)
		}
		time.Sleep(timeWait)
		if h.give(mad.AttrREQ, 1, q); len(s.requests) != 2 {
			t.Error("a new one is not taken")
		}
	})
}

// TestForeign: messages that belong to nothing.
func TestForeign(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		id := connected(t, h, s)
		_, data := one(t, h.give(mad.AttrDREQ, 3, &mad.DREQ{LocalID: 1, RemoteID: 2}), mad.AttrDREP)
		if r, _ := mad.ParseDREP(data); r.LocalID != 2 || r.RemoteID != 1 {
			t.Errorf("%+v", r)
		}
		if r := rejection(t, h.give(mad.AttrRTU, 3, &mad.RTU{LocalID: 1, RemoteID: 2})); r.Reason != mad.InvalidCommID || r.Subject != mad.OfOther || r.LocalID != 2 || r.RemoteID != 1 {
			t.Errorf("%+v", r)
		}
		if r := rejection(t, h.give(mad.AttrREP, 3, &mad.REP{LocalID: 1, RemoteID: 2})); r.Reason != mad.InvalidCommID || r.Subject != mad.OfREP {
			t.Errorf("%+v", r)
		}
		for a, msg := range map[mad.Attribute]message{
			mad.AttrDREP: &mad.DREP{LocalID: 1, RemoteID: 2}, mad.AttrREJ: &mad.REJ{LocalID: 1, RemoteID: 2}, mad.AttrMRA: &mad.MRA{LocalID: 1, RemoteID: 2},
			mad.AttrAPR: &mad.APR{}, mad.AttrSIDRREP: &mad.SIDRREP{}, 0x99: &mad.RTU{},
		} {
			if all := h.give(a, 3, msg); len(all) != 0 {
				t.Errorf("%#x is answered by %x", a, all)
			}
		}
		// From others than the peer, or with other numbers.
		for _, at := range []netip.Addr{hostA, netip.MustParseAddr("10.0.0.9")} {
			peerID := uint32(5)
			if at == hostA {
				peerID = 6
			}
			one(t, h.from(at, mad.AttrDREQ, 3, &mad.DREQ{LocalID: peerID, RemoteID: id, QPN: 9}), mad.AttrDREP) // that of one that is unknown
			h.from(at, mad.AttrREJ, 3, &mad.REJ{LocalID: peerID, RemoteID: id, Reason: mad.ConsumerReject})
		}
		if all := h.give(mad.AttrDREQ, 3, &mad.DREQ{LocalID: 5, RemoteID: id, QPN: 10}); len(all) != 0 {
			t.Errorf("a DREQ for another queue pair is answered by %x", all)
		}
		if _, ends, _ := s.owners[0].got(); ends != 0 {
			t.Error("ended by a stranger")
		}
		if h.give(mad.AttrREJ, 3, &mad.REJ{LocalID: 5, RemoteID: id, Subject: mad.OfOther, Reason: mad.InvalidCommID}); len(s.owners) != 1 {
			t.Fatal()
		}
		var no *RejectedError
		if _, ends, err := s.owners[0].got(); ends != 1 || !errors.As(err, &no) || no.Reason != mad.InvalidCommID {
			t.Errorf("%d ends, %v", ends, err)
		}
	})
}

// TestOthers: what is not for the making of connections.
func TestOthers(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		_, data := one(t, h.give(mad.AttrLAP, 3, &mad.LAP{LocalID: 1, RemoteID: 2}), mad.AttrAPR)
		if r, _ := mad.ParseAPR(data); r.Status != mad.PathUnsupported || r.LocalID != 2 || r.RemoteID != 1 {
			t.Errorf("%+v", r)
		}
		_, data = one(t, h.give(mad.AttrSIDRREQ, 3, &mad.SIDRREQ{RequestID: 8, ServiceID: 0x01110005}), mad.AttrSIDRREP)
		if r, _ := mad.ParseSIDRREP(data); r.Status != mad.SIDRUnsupported || r.RequestID != 8 || r.ServiceID != 0x01110005 {
			t.Errorf("%+v", r)
		}
		get := func(change func(h *mad.Header)) (mad.Header, []byte) {
			q := mad.CM(mad.AttrClassPortInfo, 0xFEED)
			q.Method = mad.MethodGet
			change(&q)
			all := h.raw(hostA, append(q.Append(nil), make([]byte, mad.DataLen)...))
			if len(all) != 1 {
				t.Fatalf("%d answers", len(all))
			}
			a, data, _ := mad.Parse(all[0])
			if a.Method != mad.MethodGetResponse || a.TID != 0xFEED || a.Class != mad.ClassCM {
				t.Errorf("%+v", a)
			}
			return a, data
		}
		a, data := get(func(*mad.Header) {})
		if i, _ := mad.ParseClassPortInfo(data); a.Status != 0 || i.ClassVersion != 2 || i.BaseVersion != 1 || i.Capabilities != reliable || i.Timeout != response {
			t.Errorf("%+v", i)
		}
		if a, _ = get(func(h *mad.Header) { h.Attribute = 0x10 }); a.Status != mad.StatusAttributeUnsuitable {
			t.Errorf("%+v", a)
		}
		if a, _ = get(func(h *mad.Header) { h.ClassVersion = 1 }); a.Status != mad.StatusBadVersion {
			t.Errorf("%+v", a)
		}
		for name, change := range map[string]func(h *mad.Header){
			"an answer":    func(h *mad.Header) { h.Method = mad.MethodGetResponse },
			"a Set":        func(h *mad.Header) { h.Method = 2 },
			"SA":           func(h *mad.Header) { h.Class = 3 },
			"DM":           func(h *mad.Header) { h.Class = mad.ClassDeviceMgmt },
			"base version": func(h *mad.Header) { h.BaseVersion = 2 },
		} {
			q := mad.CM(mad.AttrClassPortInfo, 1)
			q.Method = mad.MethodGet
			change(&q)
			if all := h.raw(hostA, append(q.Append(nil), make([]byte, mad.DataLen)...)); len(all) != 0 {
				t.Errorf("%s is answered by %x", name, all)
			}
		}
		q := mad.CM(mad.AttrREQ, 1)
		q.ClassVersion = 3
		if r := rejection(t, h.raw(hostA, req(hostA, 5, 0x11, 1).Append(q.Append(nil)))); r.Reason != mad.InvalidClassVersion {
			t.Errorf("%+v", r)
		}
		for n := range mad.Size {
			q := mad.CM(mad.AttrREQ, 1)
			if all := h.raw(hostA, req(hostA, 5, 0x11, 1).Append(q.Append(nil))[:n]); len(all) != 0 {
				t.Errorf("%d bytes are answered", n)
			}
		}
	})
}

// TestRefusals: REQs that nobody could accept.
func TestRefusals(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		for name, c := range map[string]struct {
			change func(q *mad.REQ)
			want   mad.Reason
		}{
			"port":             {func(q *mad.REQ) { q.ServiceID++ }, mad.InvalidServiceID},
			"port space":       {func(q *mad.REQ) { q.ServiceID = 0x01110001 }, mad.InvalidServiceID},
			"datagrams":        {func(q *mad.REQ) { q.Service = mad.UnreliableService }, mad.InvalidTransport},
			"XRC":              {func(q *mad.REQ) { q.Service = mad.ExtendedService }, mad.InvalidTransport},
			"QP1":              {func(q *mad.REQ) { q.QPN = 1 }, mad.NoQP},
			"MTU":              {func(q *mad.REQ) { q.MTU = 6 }, mad.InvalidMTU},
			"their GID":        {func(q *mad.REQ) { q.Primary.Local = netip.MustParseAddr("10.0.0.9") }, mad.InvalidGID},
			"our GID":          {func(q *mad.REQ) { q.Primary.Remote = netip.Addr{} }, mad.InvalidGID},
			"header":           {func(q *mad.REQ) { q.Private = nil }, mad.UnsupportedRequest},
			"version":          {func(q *mad.REQ) { q.Private[0] = 1 }, mad.UnsupportedRequest},
			"family":           {func(q *mad.REQ) { q.Private[1] = 0x60 }, mad.UnsupportedRequest},
			"source port":      {func(q *mad.REQ) { q.Private[2], q.Private[3] = 0, 0 }, mad.UnsupportedRequest},
			"source":           {func(q *mad.REQ) { q.Private[19]++ }, mad.UnsupportedRequest},
			"their own header": {func(q *mad.REQ) { q.Private[35]++ }, mad.UnsupportedRequest},
		} {
			q := req(hostA, 5, 0x11, 1)
			c.change(q)
			if r := rejection(t, h.give(mad.AttrREQ, 3, q)); r.Reason != c.want || r.RemoteID != 5 || r.LocalID != 0 || r.Subject != mad.OfREQ {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if len(s.requests) != 0 || h.m.Stats().Connections != 0 {
			t.Error("something is left")
		}
		q := req(hostA, 5, 0x11, 1)
		q.Alternate.Local = hostA
		s.do = s.accept(terms(9))
		if r := reply(t, h.give(mad.AttrREQ, 3, q)); r.Failover != noFailover {
			t.Errorf("%+v", r)
		}
	})
}

// TestStale: a peer that has forgotten a connection asks for another with its queue pair.
func TestStale(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		connected(t, h, s)
		if r := rejection(t, h.give(mad.AttrREQ, 2, req(hostA, 6, 0x11, 2))); r.Reason != mad.InvalidServiceID {
			t.Errorf("%+v", r)
		}
		if _, ends, _ := s.owners[0].got(); ends != 0 {
			t.Error("ended by a REQ for another port")
		}
		reply(t, h.give(mad.AttrREQ, 2, req(hostA, 6, 0x12, 1))) // another queue pair
		if r := rejection(t, h.give(mad.AttrREQ, 2, req(hostA, 7, 0x11, 1))); r.Reason != mad.StaleConnection {
			t.Errorf("%+v", r)
		}
		if _, ends, err := s.owners[0].got(); ends != 1 || !errors.Is(err, ErrStale) {
			t.Errorf("%d ends, %v", ends, err)
		}
		reply(t, h.give(mad.AttrREQ, 2, req(hostA, 7, 0x11, 1)))
		// One that is not established yet makes room.
		reply(t, h.give(mad.AttrREQ, 2, req(hostA, 8, 0x11, 1)))
		if _, ends, err := s.owners[2].got(); ends != 1 || !errors.Is(err, ErrStale) {
			t.Errorf("%d ends, %v", ends, err)
		}
		if n := h.m.Stats().Connections; n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

// TestPatience: a request that nobody answers ends, and who gives it up is understood.
func TestPatience(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		h.give(mad.AttrREQ, 1, req(hostA, 5, 0x11, 1))
		time.Sleep(patience + time.Second)
		synctest.Wait()
		if r := rejection(t, h.take()); r.Reason != mad.NoResources || len(s.withdrawn) != 1 || s.evicted != 0 {
			t.Errorf("%+v, %d withdrawn", r, len(s.withdrawn))
		}
		h.give(mad.AttrREQ, 1, req(hostA, 6, 0x12, 1))
		guid := binary.BigEndian.AppendUint64(nil, 0xA11CE)
		h.give(mad.AttrREJ, 1, &mad.REJ{LocalID: 6, Subject: mad.OfOther, Reason: mad.TimedOut, Info: guid, InfoLen: 8})
		if len(s.withdrawn) != 2 {
			t.Error("not withdrawn")
		}
		if _, err := s.requests[1].Accept(terms(9), new(record)); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
		s.do = s.accept(terms(9))
		reply(t, h.give(mad.AttrREQ, 1, req(hostA, 7, 0x13, 1)))
		h.give(mad.AttrREJ, 1, &mad.REJ{LocalID: 7, Subject: mad.OfOther, Reason: mad.TimedOut, Info: guid, InfoLen: 8})
		if _, ends, _ := s.owners[0].got(); ends != 1 {
			t.Error("not failed")
		}
		// MRA holds REP back, but not for ever.
		r := reply(t, h.give(mad.AttrREQ, 1, req(hostA, 8, 0x14, 1)))
		h.give(mad.AttrMRA, 1, &mad.MRA{LocalID: 8, RemoteID: r.LocalID, Subject: mad.OfREP, Timeout: 22}) // 17 s
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if n := len(h.take()); n != 0 {
			t.Errorf("REP was sent %d times", n)
		}
		for range 20 {
			h.give(mad.AttrMRA, 1, &mad.MRA{LocalID: 8, RemoteID: r.LocalID, Subject: mad.OfREP, Timeout: 31})
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		if _, ends, err := s.owners[1].got(); ends != 1 || !errors.Is(err, ErrTimeout) || h.m.Stats().Connections != 0 {
			t.Errorf("%d ends, %v", ends, err)
		}
	})
	// What is sent again when time is up is not sent as often as is left.
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		s.do = s.accept(terms(9))
		r := reply(t, h.give(mad.AttrREQ, 1, req(hostA, 8, 0x14, 1)))
		h.give(mad.AttrMRA, 1, &mad.MRA{LocalID: 8, RemoteID: r.LocalID, Subject: mad.OfREP, Timeout: 31})
		time.Sleep(2 * mostHalfOpen)
		synctest.Wait()
		if no := rejection(t, h.take()); no.Reason != mad.TimedOut || no.Subject != mad.OfREP {
			t.Errorf("%+v", no)
		}
	})
}

// TestUnlisten: what waits is refused when its service point closes, what is made stays.
func TestUnlisten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t, Config{})
		s := new(server)
		done, err := h.m.Listen(hostB, 1, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.m.Listen(hostB, 1, s); !errors.Is(err, ErrTerms) {
			t.Error(err)
		}
		connected(t, h, s)
		s.do = nil
		h.give(mad.AttrREQ, 1, req(hostA, 6, 0x12, 1))
		done()
		done()
		if r := rejection(t, h.take()); r.Reason != mad.InvalidServiceID || r.RemoteID != 6 || h.m.Stats().Connections != 1 {
			t.Errorf("%+v", r)
		}
		if r := rejection(t, h.give(mad.AttrREQ, 1, req(hostA, 7, 0x13, 1))); r.Reason != mad.InvalidServiceID {
			t.Errorf("%+v", r)
		}
	})
}
