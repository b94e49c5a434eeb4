package iser_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestPatience has initiators that do not let their commands end, while somebody else resets the unit
// or the target: that is answered, since the connection of the one who owes something is ended, and the
// log says whose.
func TestPatience(t *testing.T) {
	in := func(w transporttest.Way) func() *initiator.Command {
		return func() *initiator.Command {
			return &initiator.Command{CDB: read(0, 256<<10, w), In: make([]byte, 256<<10)}
		}
	}
	out := func(w transporttest.Way) func() *initiator.Command {
		return func() *initiator.Command {
			return &initiator.Command{CDB: write(0, 256<<10, w), Out: make([]byte, 256<<10)}
		}
	}
	mute := func(e sim.Event, _ *sim.Gate) sim.Fate { return sim.Fate{Mute: e.Op == rdma.Read} }
	stuck := func(e sim.Event, g *sim.Gate) (f sim.Fate) {
		if !e.Dialed && e.Op == rdma.Write {
			f.Hold = g
		}
		return f
	}
	for name, x := range map[string]struct {
		k     func() *initiator.Command
		fault func(e sim.Event, g *sim.Gate) sim.Fate
	}{
		"data-out, leased":        {out(transporttest.Lease), mute},
		"data-out, in the medium": {out(transporttest.Lend), mute},
		"data-out, in pieces":     {out(transporttest.Pieces), mute},
		"data-in, in pieces":      {in(transporttest.Pieces), stuck},
	} {
		for _, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
			bubble(t, name, func(t *testing.T) {
				var log bytes.Buffer
				n := sim.New()
				s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
				admin := transporttest.ComeElsewhere(t, s.Target)
				cfg := s.Config(1)
				c := s.Dial(cfg)
				var gate sim.Gate
				n.Break(func(e sim.Event) sim.Fate { return x.fault(e, &gate) })
				k := x.k()
				_ = c.Submit(k)
				_ = c.Flush()
				synctest.Wait()
				admin.Resets(f)
				if a, b := s.Units[0].Started.Load(), s.Units[0].Ended.Load(); a != b {
					t.Errorf("%d commands started, %d ended", a, b)
				}
				gate.Open()
				if err := c.Finish(k); err == nil && k.Err == nil {
					t.Error("the command has ended well")
				}
				gone(t, s)
				admin.Close()
				s.Close()
				if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), cfg.InitiatorName) {
					t.Errorf("the log does not say whose connection was ended:\n%s", log.String())
				}
			})
		}
	}
}

// TestShortOfMemory: while others are refused memory, who has much of it and does not answer Reads is not
// waited for long.
func TestShortOfMemory(t *testing.T) { bubble(t, "", testShortOfMemory) }

func testShortOfMemory(t *testing.T) {
	n := sim.New()
	arena := buffer.NewArena(32 << 20)
	s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{Arena: arena})
	cfg := s.Config(1)
	c := s.Dial(cfg)
	other := s.Config(2)
	other.InitiatorName += "-2"
	d := s.Dial(other)
	n.Break(func(e sim.Event) sim.Fate { return sim.Fate{Mute: e.Op == rdma.Read} })
	k := initiator.Command{CDB: write(0, 64<<10, transporttest.Lease), Out: make([]byte, 64<<10)}
	_ = c.Submit(&k)
	_ = c.Flush()
	time.Sleep(10 * time.Second)
	if len(s.Node.Sessions()) != 2 {
		t.Error("no patience")
	}
	purse := func(name string) *buffer.Purse {
		for _, x := range s.Target.Nexuses() {
			if x.Initiator.Name == name {
				return x.Memory()
			}
		}
		t.Fatal("there is no ", name)
		return nil
	}
	much, err := purse(cfg.InitiatorName).Get(20 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := purse(other.InitiatorName).Get(12 << 20); err == nil {
		t.Fatal("there is memory")
	}
	time.Sleep(2 * time.Second)
	all := s.Node.Sessions()
	if len(all) != 1 || all[0].Initiator != other.InitiatorName {
		t.Errorf("%d sessions", len(all))
	}
	much.Release()
	_ = c.Finish(&k)
	_ = d.Close()
	gone(t, s)
}
