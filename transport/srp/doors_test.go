package srp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// One address that opens as many channels as it can, by whatever names, leaves some to others, and the
// log says whom it refuses.
func TestChannelsOfOneAddress(t *testing.T) {
	var log bytes.Buffer
	f := newFake(t, srp.Config{MaxChannels: 20, Log: slog.New(slog.NewTextHandler(&log, nil))})
	greedy, last := 0, (*fakeConn)(nil)
	for i := range 40 {
		if last = f.dialFrom(fmt.Sprintf("10.0.0.1:%d", 1000+i), 0, iu.Multi); last.h != nil {
			greedy++
		}
	}
	if greedy != 16 { // four fifths
		t.Errorf("one address has %d of 20 channels", greedy)
	}
	if x, err := iu.ParseLoginReject(last.answer); err != nil || x.Reason != iu.RejectResources {
		t.Errorf("refused with %v, %v", x, err)
	}
	for i := range 3 {
		if c := f.dialFrom(fmt.Sprintf("10.0.0.%d:1000", 2+i), 0, iu.Multi); c.h == nil {
			t.Errorf("address %d has no channel", i)
		}
	}
	// The hosts of one network of IPv6 are one owner.
	if a, b := f.dialFrom("[fd00::1]:1000", 0, iu.Single), f.dialFrom("[fd00::2]:1000", 0, iu.Single); a.h == nil || b.h != nil {
		t.Error("a host has more addresses than one")
	}
	for _, c := range f.conns[:8] { // what has ended is free again
		c.Close(nil)
		c.settle()
	}
	if c := f.dialFrom("[fd00::2]:1000", 0, iu.Single); c.h == nil {
		t.Error("there is room, and it is not given")
	}
	f.close()
	if s := log.String(); !strings.Contains(s, "from=10.0.0.1 ") || !strings.Contains(s, "this port has 16 SRP channels, which is its share of 20") ||
		!strings.Contains(s, "from=fd00::/64") {
		t.Errorf("the log does not say who is refused, and why:\n%s", s)
	}
}

// A channel ends when its initiator has owed something for long enough, and the log says what.
func TestDebts(t *testing.T) {
	for name, x := range map[string]struct {
		every func(s *rdma.Stats, second int) // what is new in each second
		least int                             // seconds until the end; 0: there is none
	}{
		"nothing is owed":      {func(s *rdma.Stats, _ int) {}, 0},
		"nothing is taken":     {func(s *rdma.Stats, _ int) { s.Queued = 1 }, 60},
		"Reads stay open":      {func(s *rdma.Stats, _ int) { s.Asked = 3 }, 60},
		"a byte now and then":  {func(s *rdma.Stats, n int) { s.Asked = 3; s.Placed += int64(n & 1) }, 60},
		"half of what is due":  {func(s *rdma.Stats, _ int) { s.Asked = 3; s.Placed += 1092 }, 119},
		"what is due":          {func(s *rdma.Stats, _ int) { s.Asked = 3; s.Placed += 2200 }, 0},
		"data-in by drops":     {func(s *rdma.Stats, _ int) { s.Queued = 1; s.BytesOut += 20; s.Asked = 1; s.Placed += 1 << 20 }, 60},
		"half a message":       {func(s *rdma.Stats, _ int) { s.Unfinished = true }, 60},
		"paid after a while":   {func(s *rdma.Stats, n int) { s.Asked = int64((n + 1) % 50) }, 0},
		"a break of 50 s":      {func(s *rdma.Stats, n int) { s.Asked = 1; s.Placed += int64(n/50&1) * (1 << 20) }, 0},
		"the peer is far away": {func(s *rdma.Stats, n int) { s.Queued = int64(n & 1) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				f := newFake(t, srp.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
				c := f.dial(0, iu.Single)
				time.Sleep(time.Second / 2) // between two looks
				second := 0
				for ; second < 300 && !c.isOver(); second++ {
					c.owes(func(s *rdma.Stats) { x.every(s, second) })
					time.Sleep(time.Second)
				}
				if over := c.isOver(); over != (x.least > 0) || over && (second < x.least || second > x.least+2) {
					t.Errorf("over: %v, after %d s", over, second)
				}
				c.settle()
				f.close()
				if said := strings.Contains(log.String(), "from=10.0.0.9 "); said != (x.least > 0) {
					t.Errorf("the log says\n%s", log.String())
				}
			})
		})
	}
}

// An initiator that does not answer SRP_CRED_REQ is not waited for for ever.
func TestUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, srp.Config{})
		c := f.dial(68, iu.Single)
		s := &sender{c: c}
		s.send(iu.Command{CDB: [16]byte{0x28, 8: 4, 9: 8}, In: twoKiB}) // held
		for _, n := range f.tgt.Nexuses() {
			n.AbortTasks(func(*target.Task) bool { return true }, func() {})
		}
		f.unit.release()
		asked := false
		for _, b := range c.take() {
			asked = asked || iu.Opcode(b[0]) == iu.OpCreditRequest
		}
		if !asked {
			t.Fatal("the credit does not come back by SRP_CRED_REQ")
		}
		time.Sleep(58 * time.Second)
		if c.isOver() {
			t.Error("no patience")
		}
		time.Sleep(4 * time.Second)
		if !c.isOver() {
			t.Error("it is waited for for ever")
		}
		f.close()
	})
}

// While others are refused memory, who has much of it and owes something is not waited for long.
func TestShortOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, srp.Config{})
		evil, good := f.dialFrom("10.0.0.1:1", 0, iu.Single), f.dialFrom("10.0.0.2:1", 0, iu.Single)
		var all [2]*target.Nexus
		for _, n := range f.tgt.Nexuses() {
			if strings.Contains(n.Initiator.Owner, "10.0.0.1") {
				all[0] = n
			} else {
				all[1] = n
			}
		}
		much, err := all[0].Memory().Get(5 << 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*fakeConn{evil, good} {
			c.owes(func(s *rdma.Stats) { s.Asked = 1 })
		}
		time.Sleep(10 * time.Second)
		if evil.isOver() || good.isOver() {
			t.Error("no patience")
		}
		if _, err := all[1].Memory().Get(3 << 20); err == nil {
			t.Fatal("there is memory")
		}
		time.Sleep(2 * time.Second)
		if !evil.isOver() || good.isOver() {
			t.Errorf("who has much has ended: %v, who has nothing: %v", evil.isOver(), good.isOver())
		}
		much.Release()
		f.close()
	})
}
