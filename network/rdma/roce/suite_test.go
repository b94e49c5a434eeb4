package roce

import (
	"net/netip"
	"testing"

	"github.com/lunette-io/lunette/network/rdma/rdmatest"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/sim"
)

// traits are RoCE's: its messages are those of InfiniBand's communication manager.
var traits = rdmatest.Traits{Asks: MaxPrivateRequest, Rejects: MaxPrivateReject, Padded: true}

// device makes a device, and closes it with the test.
func device(t testing.TB, c Config) *Device {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// hosts are two hosts of a network inside the process, which is closed with the test.
func hosts(t testing.TB, mtu int, addresses ...string) (n *sim.Network, a, b *sim.Host) {
	t.Helper()
	n = sim.New()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n, n.Host("a", mtu, netip.MustParseAddr(addresses[0])), n.Host("b", mtu, netip.MustParseAddr(addresses[1]))
}

// TestSuite holds the provider to the contract, inside the process.
func TestSuite(t *testing.T) {
	for name, c := range map[string]struct {
		mtu       int
		addresses [2]string
		capable   bool
		config    Config
	}{
		"IPv4, 9000, whole check":   {mtu: 9000, addresses: [2]string{"10.0.0.1", "10.0.0.2"}, capable: true, config: Config{Lanes: 2}},
		"IPv4, 1500, partial check": {mtu: 1500, addresses: [2]string{"10.0.0.1", "10.0.0.2"}, config: Config{Lanes: 1}},
		"IPv6, 1500":                {mtu: 1500, addresses: [2]string{"2001:db8::1", "2001:db8::2"}, config: Config{Lanes: 3}},
		"link-local, 256":           {mtu: 9000, addresses: [2]string{"fe80::1%eth0", "fe80::2%eth0"}, config: Config{MTU: 256}},
	} {
		t.Run(name, func(t *testing.T) {
			rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
				_, a, b := hosts(t, c.mtu, c.addresses[:]...)
				end := func(h *sim.Host) *Device {
					h.SetCapable(c.capable)
					x := c.config
					x.Host = udp.Host(h)
					return device(t, x)
				}
				return rdmatest.Network{
					Listens: end(a), Dials: end(b), Addr: netip.AddrPortFrom(netip.MustParseAddr(c.addresses[0]), 0).String(), Traits: traits,
				}
			})
		})
	}
}
