package roce

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/udp/sim"
)

// virtual runs a test with two devices in virtual time. There is a Bottleneck, since what takes no time would take no virtual time either.
func virtual(t *testing.T, c Config, f func(t *testing.T, n *sim.Network, l rdma.Listener, a, b *Device)) {
	synctest.Test(t, func(t *testing.T) {
		n, at, from := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
		n.Narrow(sim.Bottleneck{Rate: 1e9, Latency: 20 * time.Microsecond})
		end := func(h *sim.Host) *Device {
			x := c
			x.Host = h
			return device(t, x)
		}
		a, b := end(at), end(from)
		l := listen(t, a, "10.0.0.1:0")
		f(t, n, l, a, b)
	})
}

// On a wire with faults no byte is wrong, and nothing stops for longer than it takes to try again.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		rates sim.Rates
	}{
		{"loss 1 %", sim.Rates{Drop: 0.01}},
		{"loss 1 %, reordering 5 %, duplication 1 %", sim.Rates{Drop: 0.01, Reorder: 0.05, Double: 0.01}},
		{"reordering 5 %", sim.Rates{Reorder: 0.05}},
		{"all of it 1 %", sim.Rates{Drop: 0.01, Reorder: 0.01, Double: 0.01, Damage: 0.01}},
		{"all of it 5 %", sim.Rates{Drop: 0.05, Reorder: 0.05, Double: 0.05, Damage: 0.05}},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s, %d", c.name, seed), func(t *testing.T) {
				virtual(t, Config{Lanes: 2, MTU: []int{1024, 4096, 256}[seed]}, func(t *testing.T, n *sim.Network, l rdma.Listener, _, dials *Device) {
					n.Break(sim.Random(seed, c.rates))
					begin := time.Now()
					x, y := connect(t, l, dials)
					exchange(t, x, y, fewer(30))
					x.Close(nil)
					y.Close(nil)
					// What closes in order may look like a loss: the last acknowledgement may be lost, and nobody is there to repeat it.
					for _, u := range []*user{x, y} {
						if err := u.closed(); err != nil && !errors.Is(err, rdma.ErrLost) {
							t.Error(err)
						}
					}
					t.Logf("%v, %d datagrams", time.Since(begin), n.Datagrams())
					n.Break(nil)
				})
			})
		}
	}
}

// A cable that is pulled for a while is survived, and one that stays away ends the connection.
func TestCablePulled(t *testing.T) {
	for _, gone := range []time.Duration{time.Second, time.Hour} {
		t.Run(gone.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, at, from := hosts(t, 1500, "10.0.0.1", "10.0.0.2")
				n.Narrow(sim.Bottleneck{Rate: 1e8, Latency: 20 * time.Microsecond})
				listens, dials := device(t, Config{Host: at}), device(t, Config{Host: from})
				a, b := connect(t, listen(t, listens, "10.0.0.1:0"), dials)
				exchange(t, a, b, 3)
				w := &rdma.Work{Op: rdma.Send, Head: make([]byte, 50_000)}
				n.Cut(at, from, true)
				a.post(t, w)
				begin := time.Now()
				time.AfterFunc(gone, func() { n.Cut(at, from, false) })
				err := a.back(w)
				took := time.Since(begin)
				switch {
				case gone < time.Minute && (err != nil || took > 3*gone):
					t.Errorf("after %v: %v", took, err)
				case gone > time.Minute && (!errors.Is(err, rdma.ErrFlushed) || took > time.Minute):
					t.Errorf("after %v: %v", took, err)
				}
				a.Close(nil)
				b.Close(nil)
				_ = a.closed()
				_ = b.closed()
				time.Sleep(2 * gone) // the cable is back
			})
		})
	}
}

// Where the way is narrow and the switch marks packets, their senders slow down, and next to nothing is lost.
func TestCongestion(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprint("off: ", off), func(t *testing.T) {
			virtual(t, Config{Unpaced: off}, func(t *testing.T, n *sim.Network, l rdma.Listener, listens, dials *Device) {
				n.Narrow(sim.Bottleneck{Rate: 50e6, Queue: 400_000, MarkAt: 50_000, Latency: 20 * time.Microsecond})
				a, b := connect(t, l, dials)
				exchange(t, a, b, fewer(60))
				finish(t, a, b)
				s, r := dials.Stats(), listens.Stats()
				if (s.Notified+r.Notified > 0) != !off || (s.Marked+r.Marked > 0) != !off {
					t.Errorf("%+v\n%+v", s, r)
				}
			})
		})
	}
}

// The MTU of a connection is the lesser of both sides', whoever says it.
func TestMTU(t *testing.T) {
	for _, c := range []struct{ listens, dials, cable, want int }{
		{0, 0, 9000, 4096}, {0, 0, 1500, 1024}, {256, 0, 9000, 256}, {0, 512, 9000, 512}, {2048, 1024, 9000, 1024}, {4096, 4096, 1500, 1024},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, at, from := hosts(t, c.cable, "10.0.0.1", "10.0.0.2")
			listens, dials := device(t, Config{Host: at, MTU: c.listens}), device(t, Config{Host: from, MTU: c.dials})
			l := listen(t, listens, "10.0.0.1:0")
			for range 2 {
				a, b := connect(t, l, dials)
				exchange(t, a, b, 6)
				before := dials.Stats().UDP.PacketsOut
				a.post(t, &rdma.Work{Op: rdma.Send, Head: make([]byte, 32<<10)})
				b.message(6)
				if got := int(dials.Stats().UDP.PacketsOut - before); got < 32<<10/c.want || got > 32<<10/c.want+3 {
					t.Errorf("%+v: %d packets for 32 KiB", c, got)
				}
				finish(t, a, b)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, at, from := hosts(t, 300, "10.0.0.1", "10.0.0.2")
		l := listen(t, device(t, Config{Host: at}), "10.0.0.1:0")
		if _, _, err := device(t, Config{Host: from}).Dial(t.Context(), l.Addr(), options); !errors.Is(err, ErrMTU) {
			t.Error(err)
		}
	})
}

// What says it is from another host than the peer, and packets that are damaged, change nothing.
func TestAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, at, from := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
		other := n.Host("c", 9000, netip.MustParseAddr("10.0.0.3"))
		listens, dials, third := device(t, Config{Host: at}), device(t, Config{Host: from}), device(t, Config{Host: other})
		l := listen(t, listens, "10.0.0.1:0")
		a, b := connect(t, l, dials)
		x, y := connect(t, l, third)
		exchange(t, a, b, 3)
		exchange(t, x, y, 3)
		// The third host sends to the queue pair of the first connection.
		c := x.Conn.(*Conn)
		c.mu.Lock()
		number := a.Conn.(*Conn).peer
		c.mu.Unlock()
		h := ib.BTH{Opcode: ib.SendOnly, PKey: ib.DefaultPKey, Dest: number}
		c.port.single(c.path, h, func(b []byte) []byte { return append(b, "a forged one"...) })
		synctest.Wait()
		if s := listens.Stats(); s.Unknown != 1 || s.Damaged != 0 {
			t.Errorf("%+v", s)
		}
		exchange(t, a, b, 0)
		finish(t, a, b)
		finish(t, x, y)
	})
}

// Where the system does not cut messages of several packets, each packet becomes a message: one loss for each direction of a connection, and no more.
func TestUncut(t *testing.T) {
	virtual(t, Config{}, func(t *testing.T, n *sim.Network, l rdma.Listener, listens, dials *Device) {
		for _, d := range []*Device{listens, dials} {
			d.conf.Host.(*sim.Host).SetCuts(false)
		}
		begin := time.Now()
		a, b := connect(t, l, dials)
		exchange(t, a, b, fewer(30))
		finish(t, a, b)
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if s, r := listens.Stats(), dials.Stats(); s.Unsent != 1 || r.Unsent != 1 {
			t.Errorf("%d and %d calls have failed", s.Unsent, r.Unsent)
		}
	})
}

// Where the way takes shorter packets than when a connection was made it ends soon, and the next one fits.
func TestMTUShrinks(t *testing.T) {
	virtual(t, Config{}, func(t *testing.T, n *sim.Network, l rdma.Listener, listens, dials *Device) {
		a, b := connect(t, l, dials)
		exchange(t, a, b, 3)
		if n := dials.Stats().Unsent; n != 0 {
			t.Errorf("%d calls have failed", n)
		}
		dials.conf.Host.(*sim.Host).SetMTU(1500)
		w := &rdma.Work{Op: rdma.Send, Head: make([]byte, 50_000)}
		begin := time.Now()
		a.post(t, w)
		if err := a.back(w); !errors.Is(err, rdma.ErrFlushed) || time.Since(begin) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := a.closed(); !errors.Is(err, rdma.ErrLost) {
			t.Error(err)
		}
		_ = b.closed()
		if dials.Stats().Unsent == 0 {
			t.Error("nothing is said of packets that could not be sent")
		}
		a, b = connect(t, l, dials)
		exchange(t, a, b, 3)
		finish(t, a, b)
	})
}
