package srp_test

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A quickConn does what is posted when it is flushed, and notes nothing.
type quickConn struct {
	*fakeConn
	posted []*rdma.Work
	spare  []*rdma.Work
	sends  int
}

func (c *quickConn) Accept(rdma.Options) (rdma.Conn, error) { return c, nil }

func (c *quickConn) Post(w *rdma.Work) bool {
	c.posted = append(c.posted, w)
	return true
}

func (c *quickConn) Flush() {
	for len(c.posted) > 0 {
		now := c.posted
		c.posted, c.spare = c.spare[:0], now
		for _, w := range now {
			if w.Op == rdma.Send {
				c.sends++
			}
			c.h.Done(w, nil)
		}
	}
}

// quick logs in by a quickConn.
func (f *fake) quick() *quickConn {
	x := iu.LoginRequest{MaxIU: 8260, Needs: 6, Immediate: true, ImmediateOffset: 68, Initiator: iu.MakePortID(0, 1), Target: iu.MakePortID(1, 2)}
	c := &quickConn{fakeConn: &fakeConn{private: x.AppendCM(nil), remote: "10.0.0.9:1000", started: make(chan struct{})}}
	f.dev.asked <- c
	<-c.started
	f.conns = append(f.conns, c.fakeConn)
	return c
}

// quickCommands are commands with what they need, by name.
func quickCommands() map[string][]byte {
	list := func(n int) (b []byte) {
		for i := range n {
			b = iu.Descriptor{Addr: uint64(i) << 20, Key: 7, Len: uint32(4096 / n)}.Append(b)
		}
		return b
	}
	direct := iu.Buffer{Format: iu.Direct, List: list(1)}
	table := iu.Buffer{Format: iu.Indirect, Len: 4096, Table: iu.Descriptor{Addr: 1, Key: 2, Len: 16 * 16}}
	inline := table
	inline.List = list(16)
	all := make(map[string][]byte)
	for name, x := range map[string]iu.Command{
		"ready":     {},
		"read":      {CDB: [16]byte{0x28, 8: 8}, In: direct},
		"pieces":    {CDB: [16]byte{0x28, 8: 8, 9: 1}, In: direct},
		"sense":     {CDB: [16]byte{0x28, 8: 8, 9: 2}, In: direct},
		"list":      {CDB: [16]byte{0x28, 8: 8}, In: inline},
		"write":     {CDB: [16]byte{0x2a, 8: 8}, Out: direct},
		"gather":    {CDB: [16]byte{0x2a, 8: 8}, Out: inline},
		"immediate": {CDB: [16]byte{0x2a, 8: 8}, Out: iu.Buffer{Format: iu.Immediate, Len: 4096, Data: make([]byte, 4096)}},
		"external":  {CDB: [16]byte{0, 8: 8}, Out: table},
		"long":      {CDB: [16]byte{0x28, 8: 8}, Additional: make([]byte, 16), In: direct},
	} {
		all[name] = x.Append(nil, 68)
	}
	return all
}

// A command allocates nothing once there are tasks and works for it.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("leases are not recycled under the race detector")
	}
	for name, b := range quickCommands() {
		f := newFake(t, srp.Config{})
		c := f.quick()
		run := func() {
			c.h.Received(rdma.Message{Data: b})
			c.Flush()
		}
		run()
		if n := testing.AllocsPerRun(200, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if c.sends != 202 {
			t.Errorf("%s: %d responses", name, c.sends)
		}
		f.close()
	}
}

// BenchmarkCommand is what a command costs without a network and a device.
func BenchmarkCommand(b *testing.B) {
	all := quickCommands()
	for _, name := range []string{"ready", "read", "list", "write", "immediate", "external"} {
		b.Run(name, func(b *testing.B) {
			f := newFake(b, srp.Config{})
			defer f.close()
			c := f.quick()
			b.ReportAllocs()
			for b.Loop() {
				c.h.Received(rdma.Message{Data: all[name]})
				c.Flush()
			}
		})
	}
}
