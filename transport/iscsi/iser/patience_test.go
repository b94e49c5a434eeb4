package iser_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

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
