package socket

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options that golang.org/x/sys has not got (linux/udp.h).
const (
	udpSegment  = 103 // UDP_SEGMENT
	udpGRO      = 104 // UDP_GRO
	noCheck6RX  = 102 // UDP_NO_CHECK6_RX
	memDrops    = 8   // SK_MEMINFO_DROPS
	memInfo     = 9   // words of SO_MEMINFO
	pmtuDisc    = unix.IP_PMTUDISC_DO
	maxReceives = 1 << 30
)

// open makes and binds the sockets of all lanes.
func (s *socket) open() (err error) {
	c := &s.config
	s.local = c.Local
	defer func() {
		if err != nil {
			for _, l := range s.lanes {
				_ = l.close()
			}
		}
	}()
	for i := range c.Lanes {
		l := &lane{s: s, number: i}
		if l.udp, err = s.bind(i); err != nil {
			return err
		}
		s.lanes = append(s.lanes, l)
	}
	first := s.lanes[0].udp
	if c.Lanes > 1 {
		err = first.control(func(fd uintptr) error {
			return attach(int(fd), unix.SO_ATTACH_REUSEPORT_CBPF, byWord(c.Word, c.Mask, c.Lanes))
		})
		if err != nil {
			return fmt.Errorf("several lanes: %w", err)
		}
	}
	for _, l := range s.lanes {
		if c.Identified {
			if l.ip, err = s.openRaw(l.number); err != nil {
				return err
			}
			continue
		}
		if err = l.udp.control(l.listen); err != nil {
			return err
		}
	}
	return nil
}

// bind makes a socket for a lane, which nothing comes to yet. The first one is bound without sharing its port, so that a port that is taken is found, whoever
// has it; the others share it with the first one.
func (s *socket) bind(number int) (*endpoint, error) {
	family, name := unix.AF_INET, "udp"
	if s.v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	e, err := newEndpoint(fd, name)
	if err != nil {
		return nil, err
	}
	err = e.control(func(uintptr) error {
		if err := attach(fd, unix.SO_ATTACH_FILTER, nothing()); err != nil {
			return err
		}
		if err := s.prepare(fd); err != nil {
			return err
		}
		share := func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
		if number > 0 {
			if err := share(); err != nil {
				return err
			}
		}
		if err := unix.Bind(fd, s.address(s.local)); err != nil {
			return err
		}
		if number > 0 {
			return nil
		}
		at, err := unix.Getsockname(fd)
		if err != nil {
			return err
		}
		switch at := at.(type) {
		case *unix.SockaddrInet4:
			s.local = netip.AddrPortFrom(s.local.Addr(), uint16(at.Port))
		case *unix.SockaddrInet6:
			s.local = netip.AddrPortFrom(s.local.Addr(), uint16(at.Port))
		}
		if s.config.Lanes > 1 {
			return share()
		}
		return nil
	})
	if err != nil {
		_ = e.file.Close()
		return nil, err
	}
	return e, nil
}

// address is an address for bind.
func (s *socket) address(a netip.AddrPort) unix.Sockaddr {
	if s.v6 {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: number(a.Addr().Zone())}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// prepare sets what a socket has. Its datagrams are not fragmented; those of IPv4 have the identification 0 then, since the socket is not connected.
func (s *socket) prepare(fd int) error {
	type option struct{ level, name, value int }
	var all []option
	capable := 0
	if s.config.Capable {
		capable = 2 // ECT(0)
	}
	if s.v6 {
		all = append(all,
			option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1},
			option{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, pmtuDisc},
			option{unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1},
			option{unix.IPPROTO_IPV6, unix.IPV6_TCLASS, capable},
			option{unix.SOL_UDP, noCheck6RX, 1})
		if s.any {
			all = append(all, option{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1})
		}
	} else {
		all = append(all,
			option{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, pmtuDisc},
			option{unix.IPPROTO_IP, unix.IP_RECVTOS, 1},
			option{unix.IPPROTO_IP, unix.IP_TOS, capable})
		if s.any {
			all = append(all, option{unix.IPPROTO_IP, unix.IP_PKTINFO, 1})
		}
	}
	for _, o := range all {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("option %d of level %d of the socket: %w", o.name, o.level, err)
		}
	}
	room(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sends)
	room(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, s.config.Receives)
	return nil
}

// room lets so many bytes wait; without the capability (CAP_NET_ADMIN) it is what net.core.rmem_max and wmem_max allow.
func room(fd, force, name int, n int64) {
	v := int(min(n, maxReceives))
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, v) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, name, v)
	}
}

// openRaw makes the socket that sees the whole packets of a lane.
func (s *socket) openRaw(number int) (*endpoint, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, err
	}
	e, err := newEndpoint(fd, "udp: raw")
	if err != nil {
		return nil, err
	}
	err = e.control(func(uintptr) error {
		c := &s.config
		if err := attach(fd, unix.SO_ATTACH_FILTER, whole(s.local.Port(), number, c.Lanes, c.Word, c.Mask)); err != nil {
			return err
		}
		if !s.any {
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: s.local.Addr().As4()}); err != nil {
				return err
			}
		}
		// What has come before there was a filter is thrown away.
		for err := error(nil); err == nil; {
			_, _, err = unix.Recvfrom(fd, nil, unix.MSG_TRUNC)
		}
		room(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, c.Receives)
		return nil
	})
	if err != nil {
		_ = e.file.Close()
		return nil, err
	}
	return e, nil
}

// attach gives a program to a socket.
func attach(fd, how int, p []unix.SockFilter) error {
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, how, &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]})
}

// drops is how many datagrams a socket has not taken, most of them for want of room.
func drops(fd int) uint32 {
	var m [memInfo]uint32
	size := uint32(unsafe.Sizeof(m))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&size)), 0); e != 0 {
		return 0
	}
	return m[memDrops]
}
