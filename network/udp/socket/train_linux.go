package socket

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

const (
	// controlOut is room for what is said beside a message: where it is from, and how it is cut.
	controlOut = 96
	// maxVec is how many pieces of memory the system takes for a message (UIO_MAXIOV).
	maxVec = 1024
)

// A train is messages that are sent with one system call. Who sends them lends their memory until then.
type train struct {
	s       *socket
	headers []mmsghdr
	infos   []info
	names   []unix.RawSockaddrInet6 // or of IPv4, which is shorter
	control []byte
	iovs    []unix.Iovec
	n       int
	cut     [][]byte // room for a cutter

	at  int // what send is asked
	sys struct {
		n int
		e unix.Errno
	}
	send func(fd uintptr)
}

// An info is what is known of a message of a train.
type info struct {
	m                         *udp.Message
	segment, datagrams, bytes int
}

// init makes room. A train that is full is sent.
func (t *train) init(s *socket) {
	t.s = s
	t.headers = make([]mmsghdr, batch)
	t.infos = make([]info, batch)
	t.names = make([]unix.RawSockaddrInet6, batch)
	t.control = make([]byte, batch*controlOut)
	t.iovs = make([]unix.Iovec, 0, 4*batch)
	t.send = func(fd uintptr) { // it cannot block: the scheduler need not know of it
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&t.headers[t.at])), uintptr(t.n-t.at), unix.MSG_DONTWAIT, 0, 0)
		t.sys.n, t.sys.e = int(n), e
	}
}

func (t *train) full() bool { return t.n == len(t.headers) }

// reset forgets all messages.
func (t *train) reset() {
	clear(t.infos[:t.n])
	clear(t.iovs)
	for i := range t.headers[:t.n] {
		t.headers[i].h.Iov = nil
	}
	t.iovs = t.iovs[:0]
	t.n = 0
}

// put takes a message along.
func (t *train) put(m *udp.Message, vec [][]byte, total, segment int) error {
	k := t.n
	h := &t.headers[k].h
	if err := t.name(k, m.Remote); err != nil {
		return err
	}
	c := t.control[k*controlOut:][:0:controlOut]
	if t.s.any {
		if c = t.source(c, m.Local.Addr()); c == nil {
			return fmt.Errorf("%w: %v from %v", udp.ErrUnreachable, m.Remote, m.Local.Addr())
		}
	} else if m.Local.Addr() != t.s.local.Addr() {
		return fmt.Errorf("%w: %v from %v, by a socket at %v", udp.ErrUnreachable, m.Remote, m.Local.Addr(), t.s.local)
	}
	if segment != 0 {
		c = message(c, unix.SOL_UDP, udpSegment, 2)
		binary.NativeEndian.PutUint16(c[len(c)-8:], uint16(segment))
	}
	h.Control = nil
	if len(c) > 0 {
		h.Control = &c[0]
	}
	h.SetControllen(len(c))
	if len(vec) > maxVec { // nobody has so many who minds what a copy costs
		whole := make([]byte, 0, total)
		for _, p := range vec {
			whole = append(whole, p...)
		}
		vec = [][]byte{whole}
	}
	first := len(t.iovs)
	for _, p := range vec {
		if len(p) > 0 {
			v := unix.Iovec{Base: &p[0]}
			v.SetLen(len(p))
			t.iovs = append(t.iovs, v)
		}
	}
	h.Iov = nil
	if len(t.iovs) > first {
		h.Iov = &t.iovs[first]
	}
	h.SetIovlen(len(t.iovs) - first)
	i := info{m: m, segment: segment, datagrams: 1, bytes: total}
	if segment != 0 {
		i.datagrams = (total + segment - 1) / segment
	}
	t.infos[k] = i
	t.n++
	return nil
}

// name says where a message goes.
func (t *train) name(k int, a netip.AddrPort) error {
	h, n := &t.headers[k].h, &t.names[k]
	h.Name = (*byte)(unsafe.Pointer(n))
	var port *[2]byte
	switch {
	case t.s.v6 && a.Addr().Is6() && !a.Addr().Is4In6():
		*n = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.Addr().As16()}
		if z := a.Addr().Zone(); z != "" {
			n.Scope_id = t.s.zones.index(z)
		}
		port = (*[2]byte)(unsafe.Pointer(&n.Port))
		h.Namelen = unix.SizeofSockaddrInet6
	case !t.s.v6 && a.Addr().Is4():
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
		*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
		port = (*[2]byte)(unsafe.Pointer(&v4.Port))
		h.Namelen = unix.SizeofSockaddrInet4
	default:
		return fmt.Errorf("%w: %v, by a socket at %v", udp.ErrUnreachable, a, t.s.local)
	}
	binary.BigEndian.PutUint16(port[:], a.Port())
	return nil
}

// source says where a message is from; nil: it is no address of the socket's family.
func (t *train) source(c []byte, a netip.Addr) []byte {
	switch {
	case t.s.v6 && a.Is6() && !a.Is4In6() && !a.IsUnspecified():
		c = message(c, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		d := c[len(c)-(unix.SizeofInet6Pktinfo+7)&^7:]
		b := a.As16()
		copy(d, b[:])
		if z := a.Zone(); z != "" {
			binary.NativeEndian.PutUint32(d[16:], t.s.zones.index(z))
		}
		return c
	case !t.s.v6 && a.Is4() && !a.IsUnspecified():
		c = message(c, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		d := c[len(c)-(unix.SizeofInet4Pktinfo+7)&^7:]
		b := a.As4()
		copy(d[4:], b[:])
		return c
	}
	return nil
}

// message appends the header of a control message with n bytes behind it, which are 0.
func message(c []byte, level, kind int32, n int) []byte {
	at := len(c)
	c = c[:at+unix.CmsgSpace(n)]
	clear(c[at:])
	m := (*unix.Cmsghdr)(unsafe.Pointer(&c[at]))
	m.Level, m.Type = level, kind
	m.SetLen(unix.CmsgLen(n))
	return c
}

// sendmmsg sends from the message at on: how many have been sent, or why the first one was not. An error says that the socket is closed.
func (x *sender) sendmmsg(t *train, at int) (n int, e unix.Errno, err error) {
	t.at = at
	x.s.stats.sends.Add(1)
	if x.to.raw.Control(t.send) != nil {
		return 0, 0, udp.ErrClosed
	}
	if t.sys.e != 0 {
		return 0, t.sys.e, nil
	}
	return t.sys.n, 0, nil
}

// A cutter makes datagrams of a message.
type cutter struct {
	vec [][]byte
	at  int // in the first one
}

// next is the next n bytes at most, in room of the train's until it is called again.
func (c *cutter) next(n int, t *train) (vec [][]byte, got int) {
	t.cut = t.cut[:0]
	for len(c.vec) > 0 && got < n {
		p := c.vec[0][c.at:]
		if len(p) > n-got {
			p = p[:n-got]
			c.at += len(p)
		} else {
			c.vec, c.at = c.vec[1:], 0
		}
		if len(p) > 0 {
			t.cut = append(t.cut, p)
			got += len(p)
		}
	}
	return t.cut, got
}
