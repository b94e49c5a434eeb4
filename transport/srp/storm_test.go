package srp_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// A storm is one nexus with several channels, and functions that end commands of all of them. The
// initiator takes its memory back as soon as it has the answer: a target that touches it then
// breaks in, and loses the channel.
type storm struct {
	t     *testing.T
	s     *transporttest.SRP
	draw  *rand.Rand
	conns []*initiator.Conn
	open  [][]*initiator.Command // by channel
	tag   uint64
}

// submit sends a few commands on each channel, and waits until the target has got them.
func (x *storm) submit() {
	for i, c := range x.conns {
		for range x.draw.IntN(6) {
			n := 512 * (1 + x.draw.IntN(200))
			x.tag++
			k := &initiator.Command{Tag: x.tag}
			w := transporttest.Way(x.draw.IntN(int(transporttest.Sense) + 1))
			if x.draw.IntN(2) == 0 {
				k.CDB, k.Out = write(uint32(x.draw.IntN(1000)), n, w), make([]byte, n)
			} else {
				k.CDB, k.In = read(uint32(x.draw.IntN(1000)), n, w), make([]byte, n)
			}
			if err := c.Submit(k); err != nil {
				x.t.Fatal(err)
			}
			x.open[i] = append(x.open[i], k)
		}
		x.tag++
		if err := c.Do(&initiator.Command{LUN: 1 << 48, Tag: x.tag, CDB: make([]byte, 6)}); err != nil {
			x.t.Fatal(i, err)
		}
	}
}

// finish ends what is open of a channel.
func (x *storm) finish(i int) {
	for _, k := range x.open[i] {
		_ = x.conns[i].Finish(k)
	}
	x.open[i] = nil
}

// TestStorm ends commands by functions, of the same channel and of others, in all states that they
// can be in.
func TestStorm(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("sim ", seed), func(t *testing.T) { testStorm(t, seed, transporttest.SimDevices, 3) })
	}
	// On a network data can be on its way by another channel when it has been sent.
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("iwarp ", seed), func(t *testing.T) {
			testStorm(t, seed, func(*sim.Network) transporttest.Devices { return transporttest.IWARPDevices(t) }, 1)
		})
	}
}

func testStorm(t *testing.T, seed uint64, open func(n *sim.Network) transporttest.Devices, channels int) {
	n := sim.New()
	s := transporttest.StartSRP(t, open(n), srp.Config{Credits: 16, Solicited: 256 << 10, Reads: 3}, nil)
	x := &storm{t: t, s: s, draw: rand.New(rand.NewPCG(seed, 1)), open: make([][]*initiator.Command, channels)}
	cfg := s.Config(1)
	cfg.Action = iu.Multi
	for i := range x.open {
		cfg.Segment, cfg.Inline, cfg.Immediate = 1000+x.draw.IntN(30000), x.draw.IntN(5)-1, 4096*(i%2)
		x.conns = append(x.conns, s.Dial(cfg))
	}
	var works atomic.Uint64
	n.Break(func(e sim.Event) (f sim.Fate) {
		if e.Dialed {
			return f
		}
		draw := rand.New(rand.NewPCG(seed, works.Add(1)))
		switch draw.IntN(40) {
		case 0:
			f.Delay = time.Duration(draw.IntN(500)) * time.Microsecond
		case 1, 2:
			f.Late = time.Duration(draw.IntN(500)) * time.Microsecond
		}
		return f
	})
	defer transporttest.Meanwhile(300*time.Microsecond, func() { s.Units[0].Release() })()
	for range 25 {
		x.submit()
		by := x.draw.IntN(len(x.conns))
		switch x.draw.IntN(3) {
		case 0:
			of := x.draw.IntN(len(x.conns))
			for _, k := range x.open[of][:min(2, len(x.open[of]))] {
				if code, err := x.conns[by].Manage(iu.AbortTask, 0, k.Tag); err != nil || code != iu.CodeComplete {
					t.Fatal(code, err)
				}
				x.conns[of].Aborted(func(o *initiator.Command) bool { return o == k })
			}
		case 1:
			f := []iu.Function{iu.AbortTaskSet, iu.ClearTaskSet, iu.LogicalUnitReset}[x.draw.IntN(3)]
			if code, err := x.conns[by].Manage(f, 0, 0); err != nil || code != iu.CodeComplete {
				t.Fatal(code, err)
			}
			for _, c := range x.conns {
				c.Aborted(func(o *initiator.Command) bool { return o.LUN == 0 })
			}
		}
		for i := range x.conns {
			x.finish(i)
		}
	}
	n.Break(nil)
	for i, c := range x.conns {
		if err := c.Err(); err != nil {
			t.Errorf("channel %d has ended: %v", i, err)
		}
	}
	quiet(t, s, cfg, x.conns...)
}

// A function waits for the data of a command that was answered on another channel: the answer says
// that its memory is free.
func TestAbortOfTheAnswered(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	a, b := &sender{c: f.dial(68, iu.Single)}, &sender{c: f.dial(68, iu.Multi)}
	abort := func(c *fakeConn, tag uint64) (done func() bool) {
		c.take()
		c.h.Received(message(iu.TaskManagement{Tag: 1 << 40, Function: iu.AbortTask, Managed: tag}.Append(nil)))
		return func() bool {
			all := c.take()
			if len(all) == 0 {
				return false
			}
			x, err := iu.ParseResponse(all[0])
			return err == nil && x.Tag == 1<<40 && x.HasCode && x.Code == iu.CodeComplete
		}
	}
	a.read(0, iu.AttrSimple)
	done := abort(b.c, 1)
	if done() {
		t.Fatal("answered while data is under way")
	}
	for a.c.complete(nil) {
	}
	if !done() {
		t.Fatal("not answered when the data has left")
	}
	// On its own channel it waits as well, and no other's task is meant.
	b.send(iu.Command{CDB: [16]byte{0x28, 8: 4, 9: 8}, In: twoKiB}) // with tag 1, and held
	a.tag = 0
	a.read(0, iu.AttrSimple)
	if done = abort(a.c, 1); done() {
		t.Error("answered while data is under way")
	}
	for a.c.complete(nil) {
	}
	if !done() {
		t.Error("not answered")
	}
	for b.c.complete(nil) {
	}
	b.c.take()
	f.unit.release()
	if all := b.c.take(); len(all) != 1 {
		t.Errorf("%d responses to the command of the other channel", len(all))
	}
}
