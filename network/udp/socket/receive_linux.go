package socket

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

const (
	// batch is how many messages are received with one system call at most.
	batch = 64
	// pieces is batch where each may be many datagrams that the kernel has merged.
	pieces = 32
	// piece is how long a message is that the kernel has merged, at most.
	piece = 65535
	// controlIn is room for what is told beside a message: where it came, its class, how long each datagram of it is.
	controlIn = 128
	// stagger is how much farther than a page apart buffers are, so that their beginnings do not share a few lines of a cache.
	stagger = 192
)

// An mmsghdr is struct mmsghdr (recvmmsg(2)).
type mmsghdr struct {
	h   unix.Msghdr
	len uint32
}

// A reader receives many messages with one system call, into memory of its own. It is used by one goroutine.
type reader struct {
	at      *endpoint
	headers []mmsghdr
	names   []unix.RawSockaddrInet6 // or of IPv4, which is shorter
	iovs    []unix.Iovec
	control []byte
	memory  []byte
	stride  int // of buffers in memory
	size    int // of each

	n       int // messages that have come
	calls   int // system calls for them
	try     func(fd uintptr) bool
	drained func(fd uintptr) // called when nothing has come; nil: nobody minds
	packets []udp.Packet     // room for who reads
	apart   []udp.Packet
}

// newReader makes a reader of messages of size bytes. told: what is beside messages, and whom they are from, is wanted; whole packets say it themselves.
func newReader(e *endpoint, size int, told bool) *reader {
	n := batch
	if size == piece {
		n = pieces
	}
	r := &reader{at: e, size: size, stride: (size+63)&^63 + stagger, headers: make([]mmsghdr, n), iovs: make([]unix.Iovec, n)}
	r.memory = make([]byte, n*r.stride)
	if told {
		r.names = make([]unix.RawSockaddrInet6, n)
		r.control = make([]byte, n*controlIn)
	}
	for i := range r.headers {
		b := r.memory[i*r.stride:]
		r.iovs[i].Base = &b[0]
		r.iovs[i].SetLen(size)
		h := &r.headers[i].h
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		if told {
			h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
			h.Control = &r.control[i*controlIn]
		}
	}
	r.try = func(fd uintptr) bool {
		r.recv(fd)
		return r.n > 0
	}
	r.reset(n)
	return r
}

// reset makes the first n headers ready again: the system has written how much there was.
func (r *reader) reset(n int) {
	if r.names == nil {
		return
	}
	for i := range r.headers[:n] {
		h := &r.headers[i].h
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlIn)
	}
}

// recv receives what there is.
func (r *reader) recv(fd uintptr) {
	r.reset(r.n)
	r.n = 0
	for range 8 {
		r.calls++ // it cannot block: the scheduler need not know of it
		n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), uintptr(len(r.headers)), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch e {
		case 0:
			r.n = int(n)
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if r.drained != nil {
				r.drained(fd)
			}
		default: // An error that the network has told of is told once, and is no matter of who receives.
			continue
		}
		return
	}
}

// read waits until something has come. An error says that the socket is closed.
func (r *reader) read() error {
	r.calls = 0
	return r.at.raw.Read(r.try)
}

// once receives what there is, which may be nothing.
func (r *reader) once() error {
	r.calls = 0
	return r.at.raw.Control(r.recv)
}

// data is a message that has come, as much of it as there was room for, and how long it was.
func (r *reader) data(i int) ([]byte, int) {
	n := int(r.headers[i].len)
	b := r.memory[i*r.stride:][:r.size:r.size]
	return b[:min(n, r.size)], n
}

// describe fills in what is told of a message beside its data, and says how long each datagram in it is; 0: it is one. It is not mine if it was sent to many.
func (r *reader) describe(i int, s *socket, p *udp.Packet) (size int, mine bool) {
	h := &r.headers[i].h
	name := &r.names[i]
	p.Local, mine = s.local, true
	var remote netip.Addr
	var port [2]byte
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		remote = netip.AddrFrom4(v4.Addr)
		port = *(*[2]byte)(unsafe.Pointer(&v4.Port))
	} else {
		remote = netip.AddrFrom16(name.Addr)
		if name.Scope_id != 0 {
			remote = remote.WithZone(s.zones.name(name.Scope_id))
		}
		port = *(*[2]byte)(unsafe.Pointer(&name.Port))
	}
	p.Remote = netip.AddrPortFrom(remote, binary.BigEndian.Uint16(port[:]))
	c := r.control[i*controlIn:][:min(int(h.Controllen), controlIn)]
	e := binary.NativeEndian
	for len(c) >= unix.SizeofCmsghdr {
		m := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
		n := int(m.Len)
		if n < unix.SizeofCmsghdr || n > len(c) {
			break
		}
		d := c[unix.SizeofCmsghdr:n]
		switch {
		case m.Level == unix.IPPROTO_IP && m.Type == unix.IP_TOS && len(d) >= 1:
			p.Congested = d[0]&ecnMask == ecnCE
		case m.Level == unix.IPPROTO_IPV6 && m.Type == unix.IPV6_TCLASS && len(d) >= 4:
			p.Congested = e.Uint32(d)&ecnMask == ecnCE
		case m.Level == unix.SOL_UDP && m.Type == udpGRO && len(d) >= 4:
			size = int(e.Uint32(d))
		case m.Level == unix.IPPROTO_IP && m.Type == unix.IP_PKTINFO && len(d) >= unix.SizeofInet4Pktinfo:
			// The local address that a packet is to is another one than that in its header if it was sent to many.
			if [4]byte(d[4:]) != [4]byte(d[8:]) {
				return 0, false
			}
			p.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(d[8:])), s.local.Port())
		case m.Level == unix.IPPROTO_IPV6 && m.Type == unix.IPV6_PKTINFO && len(d) >= unix.SizeofInet6Pktinfo:
			a := netip.AddrFrom16([16]byte(d))
			if a.IsMulticast() {
				return 0, false
			}
			if a.IsLinkLocalUnicast() {
				a = a.WithZone(s.zones.name(e.Uint32(d[16:])))
			}
			p.Local = netip.AddrPortFrom(a, s.local.Port())
		}
		n = (n + int(unsafe.Sizeof(uintptr(0))) - 1) &^ (int(unsafe.Sizeof(uintptr(0))) - 1)
		if n >= len(c) {
			break
		}
		c = c[n:]
	}
	return size, mine
}
