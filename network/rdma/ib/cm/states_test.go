package cm

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// TestOutOfState: messages that fit the connection, and not what it is at.
func TestOutOfState(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		h.give(mad.AttrREQ, 1, req(hostA, 5, 0x11, 1))
		_, data := one(t, h.give(mad.AttrREQ, 1, req(hostA, 5, 0x11, 1)), mad.AttrMRA)
		m, _ := mad.ParseMRA(data)
		for a, msg := range map[mad.Attribute]message{ // before the user has answered
			mad.AttrRTU: &mad.RTU{LocalID: 5, RemoteID: m.LocalID}, mad.AttrDREQ: &mad.DREQ{LocalID: 5, RemoteID: m.LocalID}, mad.AttrDREP: &mad.DREP{LocalID: 5, RemoteID: m.LocalID},
			mad.AttrMRA: &mad.MRA{LocalID: 5, RemoteID: m.LocalID},
		} {
			if all := h.give(a, 1, msg); len(all) != 0 {
				t.Errorf("%#x is answered by %x", a, all)
			}
		}
		if r := rejection(t, h.give(mad.AttrREP, 1, &mad.REP{LocalID: 5, RemoteID: m.LocalID})); r.Reason != mad.InvalidCommID {
			t.Errorf("%+v", r)
		}
		o := new(record)
		c, err := s.requests[0].Accept(terms(9), o)
		if err != nil {
			t.Fatal(err)
		}
		c.Ready() // it has not asked
		reply(t, h.take())
		h.give(mad.AttrDREP, 1, &mad.DREP{LocalID: 5, RemoteID: m.LocalID})
		if h.m.Stats().HalfOpen != 1 {
			t.Error("not half open")
		}
		ended := 0
		c.Disconnect(nil, func() { ended++ })
		one(t, h.take(), mad.AttrDREQ)
		if h.m.Stats().HalfOpen != 0 {
			t.Error("half open, and being ended")
		}
		if all := h.give(mad.AttrRTU, 1, &mad.RTU{LocalID: 5, RemoteID: m.LocalID}); len(all) != 0 {
			t.Errorf("RTU is answered by %x", all)
		}
		c.Heard()
		c.Disconnect(nil, func() { ended++ })
		c.Disconnect(nil, nil)
		h.give(mad.AttrDREP, 1, &mad.DREP{LocalID: 5, RemoteID: m.LocalID})
		if n, ends, _ := o.got(); n != 0 || ends != 0 || ended != 2 || len(h.take()) != 0 || h.m.Stats().Connections != 0 {
			t.Errorf("established %d, ended %d and %d", n, ends, ended)
		}
	})
}

// TestNotTold: a request that had to make room before the listener was told of it is not withdrawn.
func TestNotTold(t *testing.T) {
	script(t, Config{HalfOpen: 2}, func(t *testing.T, h *hand, s *server) {
		s.do = func(r *Request) bool {
			if len(s.requests) == 1 { // while it is told of the first
				for i := range uint32(10) {
					h.give(mad.AttrREQ, 1, req(hostA, 10+i, ib.QPN(20+i), 1))
				}
			}
			return true
		}
		h.give(mad.AttrREQ, 1, req(hostA, 5, 0x11, 1))
		if len(s.requests) != 3 || len(s.withdrawn) != 1 || s.withdrawn[0] != s.requests[0] || s.evicted != 1 {
			t.Errorf("told of %d requests, %d withdrawn", len(s.requests), len(s.withdrawn))
		}
	})
}

// TestDialledByHand: what the one who dials does with answers that are no REP, or no good one.
func TestDialledByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t, Config{})
		type outcome struct {
			c   *Connection
			t   Terms
			err error
		}
		done := make(chan outcome, 1)
		o := new(record)
		start := func(qpn ib.QPN) mad.REQ {
			go func() {
				c, tt, err := h.m.Dial(t.Context(), path(hostB, hostA), 3260, terms(qpn), o)
				done <- outcome{c, tt, err}
			}()
			synctest.Wait()
			_, data := one(t, h.take(), mad.AttrREQ)
			q, _ := mad.ParseREQ(data)
			return q
		}
		q := start(8)
		if ip, rest, ok := mad.ParseIPHeader(q.Private); !ok || len(rest) != 56 || ip.Source != hostB || ip.Destination != hostA || ip.SourcePort == 0 || q.ServiceID != 0x01060CBC ||
			q.Primary.Local != hostB || q.Primary.Remote != hostA || q.Primary.FlowLabel == 0 || q.Primary.LocalLID != 0xFFFF || q.MTU != ib.MTU1024 || q.PKey != 0xFFFF {
			t.Errorf("%+v", q)
		}
		// More time, and then no answer.
		h.give(mad.AttrMRA, 1, &mad.MRA{LocalID: 4, RemoteID: q.LocalID, Subject: mad.OfREQ, Timeout: 21}) // 8.6 s
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if n := len(h.take()); n != 0 {
			t.Errorf("%d REQs", n)
		}
		time.Sleep(time.Second)
		one(t, h.take(), mad.AttrREQ)
		rep := &mad.REP{LocalID: 4, RemoteID: q.LocalID, QPN: 0x21, PSN: 3, ResponderResources: 200, InitiatorDepth: 200, RNRRetryCount: 7, GUID: 9}
		if r := rejection(t, h.from(netip.MustParseAddr("10.0.0.9"), mad.AttrREP, 1, rep)); r.Reason != mad.InvalidCommID {
			t.Errorf("%+v", r)
		}
		if all := h.give(mad.AttrREP, 1, rep); len(all) != 0 {
			t.Errorf("answered by %x before the user is ready", all)
		}
		got := <-done
		if got.err != nil || got.t.Reads != 16 || got.t.Serves != 4 || got.t.QPN != 0x21 {
			t.Fatalf("%+v", got)
		}
		h.give(mad.AttrREP, 1, rep)
		got.c.Ready()
		one(t, h.take(), mad.AttrRTU)
		_, data := one(t, h.give(mad.AttrREP, 1, rep), mad.AttrRTU) // it was lost
		if r, _ := mad.ParseRTU(data); r.LocalID != q.LocalID || r.RemoteID != 4 {
			t.Errorf("%+v", r)
		}
		// A second with the same queue pair of the peer.
		q = start(10)
		rep.LocalID, rep.RemoteID = 5, q.LocalID
		if r := rejection(t, h.give(mad.AttrREP, 1, rep)); r.Reason != mad.StaleConnection || r.RemoteID != 5 {
			t.Errorf("%+v", r)
		}
		if got = <-done; !errors.Is(got.err, ErrStale) {
			t.Error(got.err)
		}
		if _, ends, err := o.got(); ends != 1 || !errors.Is(err, ErrStale) {
			t.Errorf("%d ends, %v", ends, err)
		}
		q = start(11)
		rep.RemoteID, rep.QPN = q.LocalID, 1
		if r := rejection(t, h.give(mad.AttrREP, 1, rep)); r.Reason != mad.NoQP {
			t.Errorf("%+v", r)
		}
		if got = <-done; !errors.Is(got.err, ErrProtocol) {
			t.Error(got.err)
		}
		q = start(12) // who changes their mind
		rep.RemoteID, rep.QPN = q.LocalID, 0x30
		h.give(mad.AttrREP, 1, rep)
		got = <-done
		ended := false
		got.c.Disconnect(nil, func() { ended = true })
		if r := rejection(t, h.take()); r.Subject != mad.OfREP || r.Reason != mad.ConsumerReject || !ended {
			t.Errorf("%+v", r)
		}
		got.c.Ready()
		if n := h.m.Stats().Connections; n != 0 || len(h.take()) != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// TestLateTimeOut: who says that it has not had our answer, without our ID, ends nothing that it has had the answer of.
func TestLateTimeOut(t *testing.T) {
	script(t, Config{}, func(t *testing.T, h *hand, s *server) {
		connected(t, h, s)
		guid := binary.BigEndian.AppendUint64(nil, 0xA11CE)
		h.give(mad.AttrREJ, 1, &mad.REJ{LocalID: 5, Subject: mad.OfOther, Reason: mad.TimedOut, Info: guid, InfoLen: 8})
		if _, ends, err := s.owners[0].got(); ends != 0 || h.m.Stats().Connections != 1 {
			t.Errorf("%d ends, %v", ends, err)
		}
	})
}
