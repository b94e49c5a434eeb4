package srp_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestPatience has initiators that do not let their commands end, in all the ways there are, while
// somebody else resets the unit or the target: that is answered, since the channel of the one who owes
// something is ended, and the log says whose.
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
		"data-out, leased":           {out(transporttest.Lease), mute},
		"data-out, in the medium":    {out(transporttest.Lend), mute},
		"data-out, in pieces":        {out(transporttest.Pieces), mute},
		"data-in, with the response": {in(transporttest.Lease), stuck},
		"data-in, in pieces":         {in(transporttest.Pieces), stuck},
		"data-in, a cable":           {in(transporttest.Lease), func(e sim.Event, _ *sim.Gate) sim.Fate { return sim.Fate{Drop: e.Op == rdma.Write} }},
	} {
		for _, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log bytes.Buffer
					s, n := simulate(t, srp.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
					admin := transporttest.ComeElsewhere(t, s.Target)
					cfg := s.Config(1)
					c := s.Dial(cfg)
					ready(t, c)
					var gate sim.Gate
					n.Break(func(e sim.Event) sim.Fate { return x.fault(e, &gate) })
					k := x.k()
					_ = c.Submit(k)
					synctest.Wait()
					admin.Resets(f)
					if a, b := s.Units[0].Started.Load(), s.Units[0].Ended.Load(); a != b {
						t.Errorf("%d commands started, %d ended", a, b)
					}
					gate.Open()
					c.Abandon()
					if c.Finish(k) == nil {
						t.Error("the command has ended well")
					}
					admin.Close()
					s.Close()
					if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), cfg.Initiator.String()) {
						t.Errorf("the log does not say whose channel was ended:\n%s", log.String())
					}
				})
			})
		}
	}
}

// An initiator that owes nothing loses nothing by a reset of somebody else.
func TestPatienceForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := simulate(t, srp.Config{})
		admin := transporttest.ComeElsewhere(t, s.Target)
		debtor, other := s.Config(1), s.Config(2)
		c, d := s.Dial(debtor), s.Dial(other)
		ready(t, c)
		ready(t, d)
		var muted atomic.Bool
		n.Break(func(e sim.Event) sim.Fate {
			return sim.Fate{Mute: e.Op == rdma.Read && muted.CompareAndSwap(false, true)}
		})
		k := initiator.Command{CDB: write(0, 64<<10, transporttest.Lease), Out: make([]byte, 64<<10)}
		_ = c.Submit(&k)
		synctest.Wait()
		good(t, d, write(0, 64<<10, transporttest.Lease), pattern(64<<10, 1), nil)
		admin.Resets(target.ResetLogicalUnit)
		good(t, d, write(0, 64<<10, transporttest.Lease), pattern(64<<10, 2), nil)
		if x := session(t, s, other); len(x.Channels) != 1 {
			t.Errorf("%+v", x)
		}
		c.Abandon()
		_ = c.Finish(&k)
		admin.Close()
		s.Close()
	})
}
