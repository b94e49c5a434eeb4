package iser_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// A guest is a peer that has logged in.
type guest struct {
	*peer
	t   *testing.T
	exp uint32 // ExpStatSN, as it is told
}

// enter logs in with these keys.
func enter(t *testing.T, p *peer, pairs ...keys.Pair) *guest {
	t.Helper()
	g := &guest{peer: p, t: t}
	cl := keys.NewClient(keys.ClientConfig{
		InitiatorName: transporttest.InitiatorName, TargetName: transporttest.TargetName, ISID: pdu.ISID{0x80}, Offers: pairs,
	})
	last, err := negotiate(t, p, cl)
	if err != nil {
		t.Fatal(err)
	}
	g.exp = last.StatSN() + 1
	return g
}

func (g *guest) put(h pdu.BHS) {
	g.t.Helper()
	h.SetExpStatSN(g.exp)
	if err := g.Send(&h, nil); err != nil {
		g.t.Fatal(err)
	}
}

// until counts the Rejects up to the answer to a ping, and returns the StatSN of that.
func (g *guest) until(itt uint32) (rejects int, sn uint32) {
	g.t.Helper()
	for {
		h, _, err := g.Receive()
		switch {
		case err != nil:
			g.t.Fatal(err)
		case h.Opcode() == pdu.OpReject:
			rejects++
		case h.Opcode() == pdu.OpNOPIn && h.ITT() == itt:
			return rejects, h.StatSN()
		default:
			g.t.Fatalf("%v", h.Opcode())
		}
	}
}

func nop(itt, ttt uint32) (h pdu.BHS) {
	pdu.NOPOut{Immediate: true, ITT: itt, TTT: ttt}.Put(&h)
	h.SetCmdSN(1)
	return h
}

// TestUnexpected: the target has no more PDUs outstanding for which the initiator has not asked than
// it has declared, one of which is for a ping, until it has acknowledged those. What comes in the
// place of an answer is none of them.
func TestUnexpected(t *testing.T) {
	var snack, bad pdu.BHS
	snack[0] = byte(pdu.OpSNACK)
	bad[0], bad[1], bad[19] = byte(pdu.OpTextRequest)|0x40, 0xc0, 3 // it is the last, and there is more
	for _, x := range []struct{ declared, rejects int }{{2, 1}, {5, 4}, {0, 3}, {-1, 3}} {
		t.Run(fmt.Sprint(x.declared), func(t *testing.T) {
			n := sim.New()
			s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{})
			device := n.Device()
			defer device.Close()
			p := dial(t, device, s.Addr)
			defer p.Close()
			offers := []keys.Pair{{Key: keys.RDMAExtensions, Value: keys.Yes}}
			if x.declared >= 0 {
				offers = append(offers, keys.Pair{Key: keys.MaxOutstandingUnexpectedPDUs, Value: fmt.Sprint(x.declared)})
			}
			g := enter(t, p, offers...)
			for i := range uint32(3) {
				for range 10 {
					g.put(snack)
				}
				g.put(nop(10+i, pdu.NoTag))
				got, sn := g.until(10 + i)
				want := x.rejects
				if i == 1 {
					want = 0 // the first are not acknowledged
				}
				if got != want {
					t.Errorf("%d: %d Rejects instead of %d", i, got, want)
				}
				if i == 1 {
					g.exp = sn + 1
				}
			}
			for range 10 {
				g.put(bad)
			}
			g.put(nop(20, pdu.NoTag))
			if got, _ := g.until(20); got != 10 {
				t.Errorf("%d of 10 requests were answered by a Reject", got)
			}
		})
	}
}

// TestUnexpectedPing: a ping is not kept back by others that are outstanding; there is one at a time,
// until it is answered. A request to log out waits for nobody: it is not made.
func TestUnexpectedPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{PingTimeout: time.Hour, Limits: iscsi.Limits{PingAfter: 5 * time.Second}})
		device := n.Device()
		defer device.Close()
		p := dial(t, device, s.Addr)
		defer p.Close()
		g := enter(t, p, keys.Pair{Key: keys.RDMAExtensions, Value: keys.Yes}, keys.Pair{Key: keys.MaxOutstandingUnexpectedPDUs, Value: "2"})
		var snack pdu.BHS
		snack[0] = byte(pdu.OpSNACK)
		count := func(d time.Duration) (pings, others int) {
			time.Sleep(d)
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, m := range p.got {
				if h := pdu.BHS(m.Data[iser.HeaderLen:]); h.Opcode() == pdu.OpNOPIn {
					pings++
				} else {
					others++
				}
			}
			p.got = nil
			return pings, others
		}
		g.put(snack)
		if pings, others := count(time.Minute); pings != 1 || others != 1 {
			t.Errorf("%d pings, %d others", pings, others)
		}
		g.put(snack) // it is there, and does not answer
		if pings, others := count(time.Minute); pings != 0 || others != 0 {
			t.Errorf("%d pings, %d others, where one ping is not answered", pings, others)
		}
		g.put(nop(pdu.NoTag, 0xfffffffd))
		if pings, others := count(time.Minute); pings != 1 || others != 0 {
			t.Errorf("%d pings, %d others behind an answer", pings, others)
		}
		s.Close()
		if pings, others := count(0); pings != 0 || others != 0 {
			t.Errorf("%d pings, %d others at the end", pings, others)
		}
	})
}
