package roce

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/lunette-io/lunette/network/ethernet/packet/packettest"
	"github.com/lunette-io/lunette/network/rdma/rdmatest"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/socket"
	"github.com/lunette-io/lunette/network/udp/udptest"
)

// loopback is an address of this host that nobody else has a socket at, most likely.
func loopback() netip.Addr {
	x := random32()
	return netip.AddrFrom4([4]byte{127, byte(1 + x%250), byte(x >> 8), byte(1 + x>>16%250)})
}

// cable makes two hosts that are namespaces with a cable between, and addresses of IPv4 or IPv6 on it.
func cable(t testing.TB, mtu int, a, b string) (left, right udp.Host) {
	t.Helper()
	one, two := packettest.New(t), packettest.New(t)
	one.VethTo("wire", two, "wire", mtu)
	for n, text := range map[*packettest.Namespace]string{one: a, two: b} {
		addr := netip.MustParseAddr(text)
		n.Address("wire", netip.PrefixFrom(addr.WithZone(""), map[bool]int{true: 24, false: 64}[addr.Is4()]))
	}
	return udptest.In(one.Do, socket.New()), udptest.In(two.Do, socket.New())
}

// TestSuiteHost holds the provider to the contract over sockets of this host.
func TestSuiteHost(t *testing.T) {
	run := func(t *testing.T, listens, dials Config, addr netip.Addr) {
		rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
			return rdmatest.Network{Listens: device(t, listens), Dials: device(t, dials), Addr: netip.AddrPortFrom(addr, 0).String(), Traits: traits}
		})
	}
	t.Run("loopback", func(t *testing.T) {
		run(t, Config{Host: socket.New(), Lanes: 2}, Config{Host: socket.New(), Lanes: 2}, loopback())
	})
	for _, mtu := range []int{1500, 9000} {
		t.Run(fmt.Sprintf("cable, IPv4, MTU %d", mtu), func(t *testing.T) {
			a, b := cable(t, mtu, "192.0.2.1", "192.0.2.2")
			run(t, Config{Host: a, Lanes: 2}, Config{Host: b, Lanes: 2}, netip.MustParseAddr("192.0.2.1"))
		})
	}
	t.Run("cable, link-local", func(t *testing.T) {
		a, b := cable(t, 1500, "fe80::1%wire", "fe80::2%wire")
		run(t, Config{Host: a}, Config{Host: b}, netip.MustParseAddr("fe80::1%wire"))
	})
}
