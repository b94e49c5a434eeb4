package srp_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestDeath loses a channel in the middle of everything, while the other one of the nexus goes on.
func TestDeath(t *testing.T) {
	for name, f := range map[string]func(e sim.Event) bool{
		"command":  func(e sim.Event) bool { return e.Dialed && e.Op == rdma.Send },
		"response": func(e sim.Event) bool { return !e.Dialed && e.Op == rdma.Send },
		"data-in":  func(e sim.Event) bool { return e.Op == rdma.Write },
		"data-out": func(e sim.Event) bool { return e.Op == rdma.Read },
	} {
		for _, w := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.Pieces} {
			t.Run(name, func(t *testing.T) {
				s, n := simulate(t, srp.Config{})
				cfg := s.Config(1)
				cfg.Segment = 30000
				other := cfg
				cfg.Action = iu.Multi
				c := s.Dial(other)
				ready(t, c)
				d := s.Dial(cfg)
				ready(t, d)
				k := held(t, s, c, 1)
				died := false
				n.Break(func(e sim.Event) (x sim.Fate) {
					if f(e) && !died && e.N >= 3 {
						died = true
						x.Cut, x.At = true, min(5000, e.Len/2)
					}
					return x
				})
				for i := 0; d.Err() == nil; i++ {
					in := initiator.Command{CDB: read(0, 300<<10, w), In: make([]byte, 300<<10)}
					out := initiator.Command{CDB: write(0, 300<<10, w), Out: make([]byte, 300<<10)}
					if d.Submit(&in) == nil {
						if d.Submit(&out) == nil {
							_ = d.Finish(&out)
						}
						_ = d.Finish(&in)
					}
				}
				<-d.Gone()
				n.Break(nil)
				transporttest.Eventually(t, "the channel is gone", func() bool { return len(session(t, s, cfg).Channels) == 1 })
				if a := s.Units[0].Attached.Load(); a != 1 {
					t.Errorf("%d nexuses", a)
				}
				s.Units[0].Release()
				if err := c.Finish(k[0]); err != nil {
					t.Error(err)
				}
				ready(t, c)
				good(t, c, write(0, 64<<10, w), pattern(64<<10, 3), nil)
			})
		}
	}
}

// A command whose descriptor table is lost with its connection is not executed: it would be one
// without data.
func TestLostTable(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	s := &sender{c: f.dial(68, iu.Single)}
	s.send(iu.Command{CDB: [16]byte{0x2a, 8: 4}, Out: inTable})
	s.send(iu.Command{CDB: [16]byte{0x2a, 8: 4}, Out: inTable, In: inTable})
	s.c.Close(nil)
	s.c.settle()
	f.is(t, "the tables are lost", 0, 0)
}

// TestSilence has peers that stop in the middle: the channel ends when its time is over.
func TestSilence(t *testing.T) {
	for name, x := range map[string]struct {
		fate  func(e sim.Event) sim.Fate
		ended bool
	}{
		"reads are not answered": {func(e sim.Event) sim.Fate { return sim.Fate{Mute: e.Op == rdma.Read} }, true},
		"a table is not sent":    {func(e sim.Event) sim.Fate { return sim.Fate{Mute: e.Op == rdma.Read && e.Len < 1000} }, true},
		"nothing is taken":       {func(e sim.Event) sim.Fate { return sim.Fate{Drop: !e.Dialed} }, true},
		"no data-in is taken":    {func(e sim.Event) sim.Fate { return sim.Fate{Drop: e.Op == rdma.Write} }, true},
		"a little now and then":  {func(e sim.Event) sim.Fate { return sim.Fate{Delay: 5 * time.Second} }, true},
		"slow":                   {func(e sim.Event) sim.Fate { return sim.Fate{Delay: 200 * time.Millisecond} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, n := simulate(t, srp.Config{StallTimeout: 10 * time.Second})
				cfg := s.Config(1)
				cfg.Segment, cfg.Inline = 4096, 1
				c := s.Dial(cfg)
				ready(t, c)
				n.Break(x.fate)
				k := initiator.Command{CDB: write(0, 32<<10, transporttest.Lease), Out: make([]byte, 32<<10)}
				j := initiator.Command{CDB: read(0, 32<<10, transporttest.Lease), In: make([]byte, 32<<10)}
				before := time.Now()
				reads := name == "no data-in is taken" // and nothing else is under way
				if _ = c.Submit(&j); !reads {
					_ = c.Submit(&k)
				}
				if x.ended {
					for len(s.Node.Sessions()) > 0 {
						time.Sleep(time.Second)
					}
					if d := time.Since(before); d < 9*time.Second || d > 25*time.Second {
						t.Errorf("after %v", d)
					}
					c.Abandon() // it may not hear of it
				}
				a, b := c.Finish(&j), error(nil)
				if !reads {
					b = c.Finish(&k)
				}
				if (a != nil && !x.ended) || (a == nil && reads) || (b == nil && x.ended && !reads) || (b != nil && !x.ended) {
					t.Error(a, b)
				}
				c.Abandon()
				s.Close()
			})
		})
	}
}

// TestWeather runs initiators that log in again and again, over connections that break at random.
func TestWeather(t *testing.T) {
	for seed := range uint64(6) {
		s, n := simulate(t, srp.Config{Solicited: 1 << 20, Credits: 16})
		n.Break(sim.Seeded(seed, sim.Rates{Delay: 10, Late: 20, Most: 200 * time.Microsecond, Cut: 3, Drop: 1}))
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				draw := rand.New(rand.NewPCG(seed, uint64(i)))
				for range 12 {
					cfg := s.Config(byte(i))
					cfg.Segment, cfg.Inline = 1000+draw.IntN(40000), draw.IntN(5)
					cfg.Immediate = draw.IntN(2) * 4096
					cfg.Action = iu.Action(draw.IntN(2))
					c, err := initiator.Dial(ctx(t), s.Devices.Initiator, s.Addr, cfg)
					if err != nil {
						continue
					}
					weather(c, draw)
					if draw.IntN(2) == 0 {
						_ = c.Logout()
					} else {
						c.Abandon()
					}
				}
			})
		}
		stop := transporttest.Meanwhile(time.Millisecond, func() { s.Units[0].Release() })
		all.Wait()
		stop()
		n.Break(nil)
		s.Close()
	}
}

// weather runs random commands until the channel has ended, or it is enough.
func weather(c *initiator.Conn, draw *rand.Rand) {
	var open []*initiator.Command
	finish := func() {
		k := open[0]
		open = open[1:]
		// Another initiator's reset may have ended it: then nothing comes.
		late := time.AfterFunc(50*time.Millisecond, func() {
			c.Aborted(func(o *initiator.Command) bool { return o == k })
		})
		_ = c.Finish(k)
		late.Stop()
	}
	defer func() {
		for len(open) > 0 {
			finish()
		}
	}()
	var manage sync.WaitGroup
	defer manage.Wait()
	for range 30 {
		n := 512 * (1 + draw.IntN(300))
		k := &initiator.Command{}
		w := transporttest.Way(draw.IntN(10))
		if draw.IntN(2) == 0 {
			k.CDB, k.Out = write(uint32(draw.IntN(1000)), n, w), make([]byte, n)
		} else {
			k.CDB, k.In = read(uint32(draw.IntN(1000)), n, w), make([]byte, n)
		}
		if c.Submit(k) != nil {
			return
		}
		open = append(open, k)
		f, tag := iu.AbortTask, k.Tag
		switch draw.IntN(12) {
		case 0:
			manage.Go(func() { _, _ = c.Manage(f, 0, tag) })
		case 1:
			manage.Go(func() { _, _ = c.Manage(iu.LogicalUnitReset, 0, 0) })
		}
		if len(open) > 6 {
			finish()
		}
	}
}

// TestTwoInitiators has two at once, and what each writes is its own.
func TestTwoInitiators(t *testing.T) { over(t, testTwoInitiators) }

func testTwoInitiators(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	var all sync.WaitGroup
	for i := range 4 { // two channels each
		cfg := s.Config(byte(i / 2))
		cfg.Action, cfg.Segment, cfg.Immediate = iu.Multi, 7000*(i%2), 4096
		c := s.Dial(cfg)
		all.Go(func() {
			for round := range 40 {
				n := 512 * (1 + round*i%50)
				data, back := pattern(n, uint64(round)), make([]byte, n)
				good(t, c, write(uint32(i*1000), n, transporttest.Way(round%3)), data, nil)
				good(t, c, read(uint32(i*1000), n, transporttest.Way(round%3)), nil, back)
				if !bytes.Equal(data, back) {
					t.Errorf("%d: came back wrong", i)
				}
			}
		})
	}
	all.Wait()
	if n := len(s.Node.Sessions()); n != 2 {
		t.Errorf("%d sessions", n)
	}
}
