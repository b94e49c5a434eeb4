package sim

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fabric"
	"github.com/lunette-io/lunette/network/fc/nport"
)

// An upper lets all log in, and keeps who is.
type upper struct {
	mu sync.Mutex
	in map[fc.Name]bool
}

func (u *upper) Login(r *nport.Remote, params uint32) (own uint32, response uint8) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.in[r.Port] = true
	return 0x12, 1
}

func (u *upper) LoggedOut(r *nport.Remote, why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.in, r.Port)
}
func (u *upper) Command(*nport.Remote, *fc.Frame)                  {}
func (u *upper) Frame(*nport.Exchange, *fc.Frame)                  {}
func (u *upper) Abort(_ *nport.Exchange, done func())              { done() }
func (u *upper) Status(*nport.Exchange) nport.Status               { return nport.Status{} }
func (u *upper) Retransmit(*nport.Exchange, fc.RCtl, uint32) bool  { return false }
func (u *upper) Forgotten(*nport.Exchange)                         {}
func (u *upper) Sent(x *nport.Exchange, s *fc.Sequence, err error) {}

// has reports whether a port is logged in, when nothing happens any more.
func (u *upper) has(name fc.Name) bool {
	time.Sleep(time.Second)
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.in[name]
}

// hides has the ports outside that no port inside sees.
type hides struct {
	mu   sync.Mutex
	from []fc.Name
}

func (h *hides) Sees(_, outside fc.Name) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.Contains(h.from, outside)
}

// A target inside of a fabric and a host outside find each other, lose each other by zoning, by the link and by the target that goes, and find
// each other again, whatever frames are lost.
func TestPortsInFabric(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			const target, host fc.Name = 0x2100_0000_0000_0001, 0x2000_0000_0000_000b
			x := NewFabric(fabric.Config{}, Config{})
			if seed > 0 {
				x.Outside.Break(Seeded(seed, Rates{Drop: 50, Double: 50, Hold: 50, Delay: 100}))
			}
			z := new(hides)
			x.Inside.Zone(z)
			ctx := t.Context()
			open := func(n fc.Network, name fc.Name, f fc.Features) (*nport.Port, *upper) {
				u := &upper{in: make(map[fc.Name]bool)}
				p, err := nport.Open(n, nport.Config{Node: name + 0x1000, Port: name, Symbolic: "a port", Protocol: fc.TypeFCP, Features: f, Upper: u})
				if err != nil {
					t.Fatal(err)
				}
				return p, u
			}
			inside, in := open(x.Inside, target, fc.FeatureTarget)
			outside, out := open(x.Outside, host, fc.FeatureInitiator)
			connect := func() {
				t.Helper()
				ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
				defer cancel()
				if _, err := outside.Connect(ctx, target); err != nil {
					t.Fatalf("seed %d: %v; %v", seed, err, x.Inside.Info())
				}
				if !in.has(host) || !out.has(target) {
					t.Errorf("seed %d: connected, and not logged in", seed)
				}
			}
			lost := func(what string) {
				t.Helper()
				// State changes are told four times, 2 s apart; with faults they may be lost all the same.
				for range 10 {
					if !out.has(target) {
						return
					}
				}
				if seed == 0 {
					t.Errorf("%s: the host is logged in", what)
				}
			}
			connect()

			z.mu.Lock()
			z.from = []fc.Name{host}
			z.mu.Unlock()
			x.Inside.Rezone()
			lost("hidden")
			z.mu.Lock()
			z.from = nil
			z.mu.Unlock()
			x.Inside.Rezone()
			connect()

			x.Outside.Cut()
			if out.has(target) {
				t.Error("the link is down, and the host is logged in")
			}
			if in.has(host) {
				t.Error("the link is down, and the target thinks that the host is logged in")
			}
			x.Outside.Mend()
			connect()

			inside.Close(ctx)
			lost("closed")
			inside, in = open(x.Inside, target, fc.FeatureTarget)
			connect()

			outside.Close(ctx)
			for range 10 {
				if !in.has(host) {
					break
				}
			}
			if in.has(host) {
				t.Errorf("seed %d: the host has gone, and the target thinks that it is logged in", seed)
			}
			inside.Close(ctx)
			if err := x.Outside.Close(); err != nil {
				t.Error(err)
			}
			if err := x.Inside.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
