package transporttest_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/fcp"
	ethersim "github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc/fabric"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/network/fc/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/fcp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// stormWays are the ways that end well if nothing is lost.
var stormWays = []transporttest.Way{transporttest.Lend, transporttest.Lease, transporttest.Later, transporttest.Pieces, transporttest.KeepIt}

// stormRates are what networks do to frames, out of 1000.
var stormRates = map[string]sim.Rates{
	"calm":    {},
	"0.1 %":   {Drop: 1, Damage: 1, Double: 1, Hold: 1},
	"1 %":     {Drop: 10, Damage: 1, Double: 10, Hold: 10, Delay: 1},
	"doubled": {Double: 200},
	"unruly":  {Hold: 100, Delay: 20},
}

// stormLimit is how long a command may take: a login that ends in the middle of it, and recovery that is tried as often as it can be.
const stormLimit = 90 * time.Second

// A weather is a network whose faults can be turned on and off.
type weather func(t *testing.T, seed uint64, rates sim.Rates) (n *transporttest.FibreChannel, faults func(on bool))

// weathers are the networks inside the process.
var weathers = map[string]weather{
	"neighbours": func(_ *testing.T, seed uint64, rates sim.Rates) (*transporttest.FibreChannel, func(on bool)) {
		n := sim.New()
		return transporttest.SimFC(n), breaking(n, seed, rates)
	},
	"fabric": func(_ *testing.T, seed uint64, rates sim.Rates) (*transporttest.FibreChannel, func(on bool)) {
		f := sim.NewFabric(fabric.Config{}, sim.Config{})
		return transporttest.SimFabric(f), breaking(f.Outside, seed, rates)
	},
	"FCoE, neighbours": hubWeather(fcoe.VN2VN),
	"FCoE, fabric":     hubWeather(fcoe.Fabric),
}

func breaking(n *sim.Network, seed uint64, rates sim.Rates) func(on bool) {
	return func(on bool) {
		if n.Break(nil); on {
			n.Break(sim.Seeded(seed, rates))
		}
	}
}

// hubWeather is FCoE on a hub that has the same faults: with all frames of FIP too.
func hubWeather(mode fcoe.Mode) weather {
	return func(t *testing.T, seed uint64, rates sim.Rates) (*transporttest.FibreChannel, func(on bool)) {
		hub := ethersim.New()
		n := transporttest.HubFCoE(t, hub, 2500, mode, "")
		part := func(rate int) float64 { return float64(rate) / 1000 }
		draw := ethersim.Random(seed, ethersim.Rates{
			Drop: part(rates.Drop), Double: part(rates.Double), Damage: part(rates.Damage), Reorder: part(rates.Hold + rates.Delay),
		})
		return n, func(on bool) {
			if hub.Break(nil); on {
				hub.Break(func(e ethersim.Event) ethersim.Fate {
					f := draw(e)
					if e.Frame[12] == 0x89 && e.Frame[13] == 0x14 {
						f.Damage = 0 // FIP has no CRC of its own: adapters throw such frames away
					}
					return f
				})
			}
		}
	}
}

// stormCommands is how many commands each worker of a storm does.
func stormCommands() int {
	if raceEnabled {
		return 12
	}
	return 60
}

// TestStormFCP is verified I/O over networks that lose frames, have them twice, and change their order. It is in virtual time.
func TestStormFCP(t *testing.T) {
	for over, w := range weathers {
		for name, rates := range stormRates {
			for way, params := range fcpWays {
				if raceEnabled && params != initiator.DefaultParams {
					continue // they take long there
				}
				t.Run(fmt.Sprintf("%s, %s, %s", over, name, way), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n, faults := w(t, 1, rates)
						stormFCP(t, n, params, 1, faults, rates == sim.Rates{})
					})
				})
			}
		}
	}
}

// stormFCP runs a storm; faults lets things go wrong, or right again. calm: no command may fail.
func stormFCP(t *testing.T, network *transporttest.FibreChannel, params uint32, seed uint64, faults func(on bool), calm bool) {
	s := transporttest.NewFCP(t, network, fcp.Config{}, nil)
	defer s.Close()
	cfg := s.Config(byte(1 + seed))
	cfg.Params, cfg.Timeout = params, 30*time.Second
	p := s.Open(cfg)
	if _, err := s.Again(p); err != nil {
		t.Error(err)
		return
	}
	faults(true)
	x := transporttest.Storm{
		S: s, Port: p, Seed: seed, Workers: 8, Commands: stormCommands(), Most: 256, Ways: stormWays, Limit: stormLimit,
	}
	began := time.Now()
	if err := x.Run(); err != nil {
		t.Error(err)
	}
	faults(false)
	t.Logf("%d good, %d failed %v, %d logins, %+v, in %v", x.Good.Load(), x.Failed.Load(), x.Why(), x.Logins.Load(), p.Counts(), time.Since(began).Round(time.Millisecond))
	if calm && (x.Failed.Load() != 0 || p.Counts() != initiator.Counts{}) {
		t.Errorf("nothing was lost, and %d failed: %v, %+v", x.Failed.Load(), x.Why(), p.Counts())
	}
	if both := uint32(iu.ParamRetry | iu.ParamConfirm); params&both == both && x.Failed.Load()*5 > x.Good.Load() {
		t.Errorf("with retransmission %d have failed, and %d were good", x.Failed.Load(), x.Good.Load())
	}
	time.Sleep(time.Minute) // what was forgotten would come now
	if n := p.Stats().BytesQueued; n != 0 {
		t.Errorf("%d bytes are queued", n)
	}
}

// TestStormFCPEnds has commands end that are under way: by ABTS, by resets of another initiator, by links that go down and up, and by logouts.
func TestStormFCPEnds(t *testing.T) {
	for over := range weathers {
		for seed := range uint64(3) {
			if raceEnabled && seed > 0 {
				break
			}
			t.Run(fmt.Sprintf("%s, %d", over, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { stormEnds(t, over, seed) })
			})
		}
	}
}

func stormEnds(t *testing.T, over string, seed uint64) {
	n, faults := weathers[over](t, seed, sim.Rates{Delay: 100})
	s := transporttest.NewFCP(t, n, fcp.Config{}, nil)
	defer s.Close()
	r := rand.New(rand.NewPCG(seed, 9))
	cfg := s.Config(byte(1 + seed))
	cfg.Timeout = 30 * time.Second
	p, other := s.Open(cfg), s.Open(s.Config(byte(10+seed)))
	if _, err := s.Again(p); err != nil {
		t.Error(err)
		return
	}
	faults(true)
	x := transporttest.Storm{
		S: s, Port: p, Seed: seed, Workers: 8, Commands: stormCommands(), Most: 256, Limit: stormLimit, Aborts: 100,
		Ways: append([]transporttest.Way{transporttest.Hold}, stormWays...),
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(1+r.IntN(20)) * time.Millisecond):
			}
			s.Units[0].Release()
			s.Units[1].Release()
			switch i % 48 {
			case 2, 6, 22, 28:
				if c, err := s.Again(other); err == nil {
					f := []iu.Management{iu.LUReset, iu.ClearTaskSet, iu.TargetReset}[r.IntN(3)]
					_, _ = c.Manage(f, scsi.LUN(uint64(r.IntN(2))<<48)) // the login may have ended
				}
			case 11:
				if c, err := s.Again(p); err == nil {
					_ = c.Logout()
				}
			case 34:
				if n, ok := n.Initiators.(*sim.Network); ok {
					n.Cut(cfg.Port)
					time.Sleep(time.Duration(r.IntN(5)) * time.Second)
					n.Mend(cfg.Port)
				}
			}
		}
	})
	began := time.Now()
	if err := x.Run(); err != nil {
		t.Error(err)
	}
	close(stop)
	all.Wait()
	faults(false)
	t.Logf("%d good, %d failed %v, %d logins, %+v, in %v", x.Good.Load(), x.Failed.Load(), x.Why(), x.Logins.Load(), p.Counts(), time.Since(began).Round(time.Millisecond))
	if x.Good.Load() == 0 || x.Failed.Load() == 0 || x.Logins.Load() == 0 {
		t.Error("that was no storm")
	}
	time.Sleep(time.Minute)
}
