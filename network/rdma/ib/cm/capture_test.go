package cm

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// Messages between Linux 6.1's iSER initiator (10.0.0.1) and its target (10.0.0.2), both on rdma_rxe.
const (
	capturedREQ = `mad:0107020300000000 tid:00000003530ec5ca attr:0010 r:0000 mod:00000000 lid:cac50e53 ece:00000000 svc:0000000001060cbd guid:000000fffe00000a r:00000000
		qkey:00000000 qpn:000011 rr:80 eecn:000000 idep:01 reecn:000000 b43:a0 psn:e9cfc7 b47:a7 pkey:ffff b50:36 b51:f0 llid:ffff rlid:ffff lgid:00*10+ffff0a000001
		rgid:00*10+ffff0a000002 fl:be280000 tc:00 hop:40 sl:00 ackto:98 alt:00*44 cmahdr:0040e5dd+00*12+0a000001+00*12+0a000002 ulp:80+00*55`
	capturedREP = `mad:0107020300000000 tid:00000003530ec5ca attr:0013 r:0000 mod:00000000 lid:c9c50e53 rid:cac50e53 qkey:00000000 qpn:000011 r:00 eecn:000000 r:00 psn:9795fa
		r:00 rr:00 idep:80 b26:78 b27:e0 guid:000000fffe00000b pd:80+00*195`
	capturedRTU = `mad:0107020300000000 tid:00000003530ec5ca attr:0014 r:0000 mod:00000000 lid:cac50e53 rid:c9c50e53 pd:00*224`
	// The target's DREQ and the initiator's DREP.
	capturedDREQ = `mad:0107020300000000 tid:00000004530ec5c9 attr:0015 r:0000 mod:00000000 lid:c9c50e53 rid:cac50e53 rqpn:000011 r:00 pd:00*220`
	capturedDREP = `mad:0107020300000000 tid:00000004530ec5c9 attr:0016 r:0000 mod:00000000 lid:cac50e53 rid:c9c50e53 pd:00*224`
)

// with writes other bytes at a place of a captured message: the IDs that we have chosen.
func with(b []byte, at int, v []byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], v)
	return b
}

// TestCapturedInitiator: a recorded initiator gets what Linux's target has answered, byte for byte but for what either chooses.
func TestCapturedInitiator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t, Config{})
		h.m.conf.GUID = 0x000000fffe00000b
		s := new(server)
		listen(t, h.m, 3261, s)
		h.raw(hostA, golden.Bytes(t, capturedREQ))
		if len(s.requests) != 1 {
			t.Fatal("nobody asks")
		}
		r := s.requests[0]
		if q := r.Terms; q.QPN != 0x11 || q.PSN != 0xe9cfc7 || q.MTU != 1024 || q.Serves != 128 || q.Reads != 1 || q.Retries != 7 || q.RNR != 6 || q.Credits ||
			q.Timeout != ib.Timeout(19).Duration() || q.Private[0] != 0x80 || len(q.Private) != 56 || r.From != netip.MustParseAddrPort("10.0.0.1:58845") {
			t.Errorf("%+v, from %s", q, r.From)
		}
		o := new(record)
		c, err := r.Accept(Terms{QPN: 0x11, PSN: 0x9795fa, Reads: 128, RNR: 7, Private: []byte{0x80}}, o)
		if err != nil {
			t.Fatal(err)
		}
		rep := h.take()
		if len(rep) != 1 {
			t.Fatalf("%d answers", len(rep))
		}
		id := rep[0][24:28]
		if want := with(golden.Bytes(t, capturedREP), 24, id); !bytes.Equal(rep[0], want) {
			t.Errorf("REP\n%x\nand not\n%x", rep[0], want)
		}
		h.raw(hostA, with(golden.Bytes(t, capturedRTU), 28, id))
		if n, _, _ := o.got(); n != 1 {
			t.Error("not established")
		}
		ended := false
		c.Disconnect(nil, func() { ended = true })
		dreq := h.take()
		want := with(with(golden.Bytes(t, capturedDREQ), 24, id), 8, dreq[0][8:16])
		if !bytes.Equal(dreq[0], want) {
			t.Errorf("DREQ\n%x\nand not\n%x", dreq[0], want)
		}
		h.raw(hostA, with(with(golden.Bytes(t, capturedDREP), 28, id), 8, dreq[0][8:16]))
		if !ended || h.m.Stats().Connections != 0 {
			t.Error("not ended")
		}
	})
}

// TestCapturedTarget: what Linux's target has answered is understood by the side that dials, which asks as Linux's initiator does.
func TestCapturedTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t, Config{})
		h.m.conf.GUID = 0x000000fffe00000a
		type outcome struct {
			c   *Connection
			t   Terms
			err error
		}
		done := make(chan outcome, 1)
		o := new(record)
		go func() {
			c, tt, err := h.m.Dial(t.Context(), path(hostA, hostB), 3261, Terms{
				QPN: 0x11, PSN: 0xe9cfc7, MTU: 1024, Reads: 1, Serves: 128, Timeout: ib.Timeout(19).Duration(), Retries: 7, RNR: 6, Private: []byte{0x80},
			}, o)
			done <- outcome{c, tt, err}
		}()
		synctest.Wait()
		req := h.take()[0]
		want := golden.Bytes(t, capturedREQ)
		for _, f := range []struct{ at, n int }{{8, 8}, {24, 4}, {24 + 43, 1}, {24 + 47, 1}, {24 + 88, 3}, {24 + 142, 2}} { // TID, ID, response times, flow label, port: ours
			want = with(want, f.at, req[f.at:f.at+f.n])
		}
		if !bytes.Equal(req, want) {
			t.Errorf("REQ\n%x\nand not\n%x", req, want)
		}
		id, tid := req[24:28], req[8:16]
		take := func(b []byte) [][]byte {
			h.m.Received(path(hostA, hostB), b)
			return h.take()
		}
		take(with(with(golden.Bytes(t, capturedREP), 28, id), 8, tid))
		got := <-done
		if got.err != nil {
			t.Fatal(got.err)
		}
		if r := got.t; r.QPN != 0x11 || r.PSN != 0x9795fa || r.Reads != 0 || r.Serves != 128 || r.RNR != 7 || r.Private[0] != 0x80 || len(r.Private) != 196 {
			t.Errorf("%+v", r)
		}
		got.c.Ready()
		if rtu := h.take(); len(rtu) != 1 || !bytes.Equal(rtu[0], with(with(golden.Bytes(t, capturedRTU), 24, id), 8, tid)) {
			t.Errorf("RTU %x", rtu)
		}
		drep := take(with(golden.Bytes(t, capturedDREQ), 28, id))
		if len(drep) != 1 || !bytes.Equal(drep[0], with(golden.Bytes(t, capturedDREP), 24, id)) {
			t.Errorf("DREP %x", drep)
		}
		if _, ends, _ := o.got(); ends != 1 {
			t.Error("not ended")
		}
		if m, _, _ := mad.Parse(drep[0]); m.TID != 0x00000004530ec5c9 {
			t.Errorf("TID %x", m.TID)
		}
	})
}
