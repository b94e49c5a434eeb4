package socket

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

// anyPort is the port that a way is asked for: there is no difference.
const anyPort = 9

// MTU is how long a packet may be on its way, and where it comes from. The kernel is asked by a socket that is connected and sends nothing.
func (*Host) MTU(local, remote netip.Addr) (netip.Addr, int, error) {
	fail := func(err error) (netip.Addr, int, error) {
		return local, 0, fmt.Errorf("%w: %v from %v: %w", udp.ErrUnreachable, remote, local, err)
	}
	if !remote.IsValid() || remote.Is4In6() || remote.IsUnspecified() || local.IsValid() && local.Is4() != remote.Is4() {
		return fail(unix.EAFNOSUPPORT)
	}
	family, level, name := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU
	if remote.Is6() {
		family, level, name = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = unix.Close(fd) }()
	to := func(a netip.Addr, port int) unix.Sockaddr {
		if a.Is4() {
			return &unix.SockaddrInet4{Addr: a.As4(), Port: port}
		}
		return &unix.SockaddrInet6{Addr: a.As16(), Port: port, ZoneId: number(a.Zone())}
	}
	if local.IsValid() && !local.IsUnspecified() {
		if err := unix.Bind(fd, to(local, 0)); err != nil {
			return fail(err)
		}
	}
	if err := unix.Connect(fd, to(remote, anyPort)); err != nil {
		return fail(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return fail(err)
	}
	mtu, err := unix.GetsockoptInt(fd, level, name)
	if err != nil {
		return fail(err)
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		local = netip.AddrFrom4(at.Addr)
	case *unix.SockaddrInet6:
		local = netip.AddrFrom16(at.Addr)
		if at.ZoneId != 0 {
			local = local.WithZone(remote.Zone())
		}
	}
	return local, mtu, nil
}
