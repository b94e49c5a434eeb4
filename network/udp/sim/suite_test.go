package sim_test

import (
	"context"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/sim"
	"github.com/lunette-io/lunette/network/udp/udptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network is one that ends with the test, whose users do what they may.
func network(t *testing.T) *sim.Network {
	n := sim.New()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestSuite(t *testing.T) {
	for _, x := range []struct{ name, a, b, other string }{
		{"IPv4", "192.0.2.1", "192.0.2.2", "198.51.100.1"},
		{"IPv6", "2001:db8::1", "2001:db8::2", "2001:db8:1::"},
		{"link local", "fe80::1%eth0", "fe80::2%eth0", "fe80::3%eth0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			udptest.Run(t, func(t *testing.T) *udptest.Pair {
				n := network(t)
				p := &udptest.Pair{Addr: [2]netip.Addr{netip.MustParseAddr(x.a), netip.MustParseAddr(x.b)}, Other: netip.MustParseAddr(x.other), MTU: 1500, Identifies: true}
				a, b := n.Host("a", 9000, p.Addr[0]), n.Host("b", 1500, p.Addr[1])
				p.Host = [2]udp.Host{a, b}
				p.Congest = func(to netip.AddrPort, payload []byte) {
					s, err := a.Open(context.Background(), udp.Config{Local: netip.AddrPortFrom(p.Addr[0], 0), Lanes: 1, Longest: 100, Capable: true})
					if err != nil {
						t.Fatal(err)
					}
					n.Break(func(sim.Event) sim.Fate { return sim.Fate{Mark: true} })
					if err := s.Send([]udp.Message{{Local: s.Local(), Remote: to, Vec: [][]byte{payload}}}); err != nil {
						t.Error(err)
					}
					n.Break(nil)
					_ = s.Close()
				}
				return p
			})
		})
	}
}
