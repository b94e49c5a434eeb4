package socket_test

import (
	"net/netip"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet/packet/packettest"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/socket"
	"github.com/lunette-io/lunette/network/udp/udptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A place is where two hosts are.
type place struct {
	name, a, b, other string
	bits, mtu         int
	veth              bool
	wire              bool // the cable is one between hosts: what passes it is cut before, and has checksums
}

var places = []place{
	{"loopback, IPv4", "192.0.2.1", "192.0.2.1", "198.51.100.1", 32, 65535, false, false},
	{"loopback, IPv6", "2001:db8::1", "2001:db8::1", "2001:db8:1::", 128, 65536, false, false},
	{"cable, IPv4", "192.0.2.1", "192.0.2.2", "198.51.100.1", 24, 1500, true, false},
	{"cable, IPv6", "2001:db8::1", "2001:db8::2", "2001:db8:1::", 64, 1500, true, false},
	{"cable, link local", "fe80::1%wire", "fe80::2%wire", "2001:db8:1::", 64, 1500, true, false},
	{"wire, IPv4", "192.0.2.1", "192.0.2.2", "198.51.100.1", 24, 1500, true, true},
	{"wire, IPv6", "2001:db8::1", "2001:db8::2", "2001:db8:1::", 64, 1500, true, true},
}

// A pair is two hosts at a place, and the namespaces they are in.
type pair struct {
	udptest.Pair
	at [2]*packettest.Namespace
}

// make makes two hosts.
func (x place) make(t testing.TB) *pair {
	t.Helper()
	p := &pair{}
	p.Addr = [2]netip.Addr{netip.MustParseAddr(x.a), netip.MustParseAddr(x.b)}
	p.Other, p.MTU, p.Inside = netip.MustParseAddr(x.other), x.mtu, !x.wire
	one := packettest.New(t)
	two, dev := one, "lo"
	if x.veth {
		two, dev = packettest.New(t), "wire"
		one.VethTo(dev, two, dev, x.mtu)
	} else {
		one.SetUp(dev, true)
	}
	p.at = [2]*packettest.Namespace{one, two}
	for i, n := range p.at {
		n.Address(dev, netip.PrefixFrom(p.Addr[i].WithZone(""), x.bits))
		if x.wire {
			ethtool(t, n, dev, setChecksums, false)
		}
		p.Host[i] = udptest.In(n.Do, socket.New())
	}
	p.Identifies = identifies(two)
	p.Congest = func(to netip.AddrPort, payload []byte) {
		t.Helper()
		var err error
		one.Do(func() { err = congest(to, payload, p.Addr[0]) })
		if err != nil {
			t.Error(err)
		}
	}
	p.Reach(t)
	return p
}

// identifies reports that there is the right to see whole packets.
func identifies(n *packettest.Namespace) (is bool) {
	n.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
		if is = err == nil; is {
			_ = unix.Close(fd)
		}
	})
	return is
}

// congest sends a datagram that is marked CE.
func congest(to netip.AddrPort, payload []byte, from netip.Addr) error {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if family == unix.AF_INET {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, 3); err != nil {
			return err
		}
		return unix.Sendto(fd, payload, 0, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 3); err != nil {
		return err
	}
	a := &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
	if z := from.Zone(); z != "" {
		r, err := unix.NewIfreq(z)
		if err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r); err != nil {
			return err
		}
		a.ZoneId = r.Uint32()
	}
	return unix.Sendto(fd, payload, 0, a)
}

func TestSuite(t *testing.T) {
	for _, x := range places {
		t.Run(x.name, func(t *testing.T) {
			p := x.make(t)
			udptest.Run(t, func(*testing.T) *udptest.Pair {
				own := p.Pair
				return &own
			})
		})
	}
}

var _ udp.Host = socket.New()
