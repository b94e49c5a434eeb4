package socket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet/packet/packettest"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/socket"
)

// listen has an AF_PACKET socket hear what passes an interface.
func listen(t *testing.T, n *packettest.Namespace, dev string) (fd int) {
	t.Helper()
	index := n.Index(dev)
	var err error
	n.Do(func() {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: index}) // ETH_P_IP, in the order of the network
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}); err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	return fd
}

// capture is n packets to a port.
func capture(t *testing.T, fd, n int, port uint16) (all [][]byte) {
	t.Helper()
	b := make([]byte, 70000)
	for len(all) < n {
		size, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			t.Fatalf("%d packets have come, then %v", len(all), err)
		}
		if at, ok := from.(*unix.SockaddrLinklayer); ok && at.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if p := b[:size]; size >= 28 && p[9] == 17 && binary.BigEndian.Uint16(p[22:]) == port {
			all = append(all, bytes.Clone(p))
		}
	}
	return all
}

// A sink throws away what comes.
type sink struct{}

// Received does so.
func (sink) Received(int, []udp.Packet) {}

// opened opens a socket that ends with the test.
func opened(t testing.TB, p *pair, side int, h udp.Handler, f func(*udp.Config)) udp.Socket {
	t.Helper()
	c := udp.Config{Local: netip.AddrPortFrom(p.Addr[side], 0), Lanes: 1, Longest: 1400, Receives: 8 << 20}
	if f != nil {
		f(&c)
	}
	s, err := p.Host[side].Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if h != nil {
		s.Start(h)
	}
	return s
}

// A datagram alone has the identification 0, the i-th of a message i; none may be fragmented; and those of sockets that are capable are marked so.
func TestIdentification(t *testing.T) {
	p := places[5].make(t)
	fd := listen(t, p.at[1], "wire")
	a := opened(t, p, 0, sink{}, func(c *udp.Config) { c.Capable = true })
	b := opened(t, p, 1, sink{}, nil)
	one := udp.Message{Local: a.Local(), Remote: b.Local(), Vec: [][]byte{make([]byte, 100)}}
	many := one
	many.Vec, many.Segment = [][]byte{make([]byte, 20*1024+5)}, 1024
	few := one
	few.Vec, few.Segment = [][]byte{make([]byte, 40)}, 20 // shorter than a datagram may be
	if err := a.Send([]udp.Message{one, many, one, many, one, few}); err != nil {
		t.Fatal(err)
	}
	want := []uint16{0}
	for range 2 {
		for i := range 21 {
			want = append(want, uint16(i))
		}
		want = append(want, 0)
	}
	want = append(want, 0, 1)
	for i, c := range capture(t, fd, len(want), b.Local().Port()) {
		if id, fragment := binary.BigEndian.Uint16(c[4:]), binary.BigEndian.Uint16(c[6:]); id != want[i] || fragment != 0x4000 || c[1] != 2 {
			t.Errorf("packet %d has the identification %d, not %d; fragment %#x, class %d", i, id, want[i], fragment, c[1])
		}
	}
	if s := a.Stats(); s.Sends > 2 || s.PacketsOut != int64(len(want)) {
		t.Errorf("%+v", s)
	}
}

// What an interface can be told (linux/ethtool.h).
const (
	setChecksums = 0x17 // ETHTOOL_STXCSUM: that it adds them. One that does not cuts nothing: what passes it is as it is on a wire.
	setGRO       = 0x2c // ETHTOOL_SGRO: that the kernel merges what comes
)

// ethtool changes what an interface does (linux/ethtool.h).
func ethtool(t testing.TB, n *packettest.Namespace, dev string, what uint32, on bool) {
	t.Helper()
	value := struct{ command, data uint32 }{command: what}
	if on {
		value.data = 1
	}
	r := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(r.name[:], dev)
	var e unix.Errno
	n.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Close(fd) }()
		_, _, e = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
	})
	if e != 0 {
		t.Fatalf("ethtool %#x of %s: %v", what, dev, e)
	}
}

// A counter counts what comes.
type counter struct {
	mu      sync.Mutex
	changed sync.Cond
	n       int
	lanes   []int
	wrong   string
	check   func(lane int, p *udp.Packet) string
}

// Received counts.
func (c *counter) Received(lane int, batch []udp.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += len(batch)
	for i := range batch {
		if c.check != nil && c.wrong == "" {
			c.wrong = c.check(lane, &batch[i])
		}
	}
	c.changed.Broadcast()
}

// count is how many have come.
func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// wait waits for n.
func (c *counter) wait(t *testing.T, n int) {
	t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() {
		c.mu.Lock()
		late = true
		c.changed.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.n < n && !late {
		c.changed.Wait()
	}
	if c.n != n || c.wrong != "" {
		t.Fatalf("%d of %d have come; %s", c.n, n, c.wrong)
	}
}

func newCounter(check func(lane int, p *udp.Packet) string) *counter {
	c := &counter{check: check}
	c.changed.L = &c.mu
	return c
}

// What comes in one piece may be for several lanes: what the kernel has merged on its way in, and what it need not cut.
func TestMerged(t *testing.T) {
	for _, x := range []place{places[0], places[2], places[3]} {
		for _, identified := range []bool{false, true} {
			t.Run(x.name, func(t *testing.T) {
				p := x.make(t)
				if x.veth {
					ethtool(t, p.at[0], "wire", setChecksums, false)
					ethtool(t, p.at[1], "wire", setGRO, true)
				}
				const size, rounds, many, lanes = 500, 40, 60, 3
				c := newCounter(func(lane int, q *udp.Packet) string {
					if len(q.Data) != size || int(q.Data[3])%lanes != lane {
						return "a datagram is in the wrong lane"
					}
					return ""
				})
				a := opened(t, p, 0, sink{}, nil)
				b := opened(t, p, 1, c, func(c *udp.Config) { c.Lanes, c.Mask, c.Identified = lanes, 0xff, identified && p.Identifies })
				m := udp.Message{Local: a.Local(), Remote: b.Local(), Segment: size}
				for i := range many {
					d := make([]byte, size)
					d[3] = byte(i)
					m.Vec = append(m.Vec, d)
				}
				for c.count() < rounds*many { // some may be lost when the lanes change how they read
					if err := a.Send([]udp.Message{m}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(100 * time.Microsecond)
				}
				_ = b.Close()
				if c.wrong != "" {
					t.Error(c.wrong)
				}
			})
		}
	}
}

// Room is waited for, for a while; what does not fit is lost, and counted.
func TestNoRoom(t *testing.T) {
	p := places[2].make(t)
	a := opened(t, p, 0, sink{}, nil)
	if err := socket.SetSends(a, 1); err != nil {
		t.Fatal(err)
	}
	nobody := netip.AddrPortFrom(p.Addr[1].Next(), 9) // what is sent to it waits until it is found
	var all []udp.Message
	for range 200 {
		all = append(all, udp.Message{Local: a.Local(), Remote: nobody, Vec: [][]byte{make([]byte, 1000)}})
	}
	if err := a.Send(all); err != nil {
		t.Fatal(err)
	}
	if s := a.Stats(); s.Lost == 0 || s.Lost+s.PacketsOut != int64(len(all)) {
		t.Errorf("%+v", s)
	}
}

// A peer may leave the checksum out, with IPv6 too.
func TestNoChecksum(t *testing.T) {
	for _, x := range []place{places[2], places[3]} {
		t.Run(x.name, func(t *testing.T) {
			p := x.make(t)
			c := newCounter(nil)
			b := opened(t, p, 1, c, func(c *udp.Config) { c.Identified = p.Identifies && p.Addr[0].Is4() })
			p.at[0].Do(func() {
				family, level, name, v := unix.AF_INET, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1
				var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(p.Addr[1].AsSlice()), Port: int(b.Local().Port())}
				if p.Addr[0].Is6() {
					family, level, name = unix.AF_INET6, unix.SOL_UDP, 101 // UDP_NO_CHECK6_TX
					to = &unix.SockaddrInet6{Addr: p.Addr[1].As16(), Port: int(b.Local().Port())}
				}
				fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = unix.Close(fd) }()
				if err := unix.SetsockoptInt(fd, level, name, v); err != nil {
					t.Error(err)
				}
				if err := unix.Sendto(fd, []byte("unchecked"), 0, to); err != nil {
					t.Error(err)
				}
			})
			c.wait(t, 1)
		})
	}
}

// What a whole packet says of itself is checked: no options, no fragments, lengths and checksums that are right. Its identification is told.
func TestWhole(t *testing.T) {
	p := places[2].make(t)
	if !p.Identifies {
		t.Skip("SKIPPED: no right to see whole packets (CAP_NET_RAW)")
	}
	var got []uint16
	c := newCounter(func(_ int, q *udp.Packet) string {
		got = append(got, q.ID)
		return ""
	})
	b := opened(t, p, 1, c, func(c *udp.Config) { c.Identified = true })
	be := binary.BigEndian
	var raw int
	var err error
	p.at[0].Do(func() { raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(raw) }()
	send := func(id uint16, change func(b []byte) []byte) {
		x := make([]byte, 60)
		x[0], x[6], x[8], x[9] = 4<<4|5, 0x40, 64, 17
		be.PutUint16(x[4:], id)
		copy(x[12:], p.Addr[0].AsSlice())
		copy(x[16:], p.Addr[1].AsSlice())
		be.PutUint16(x[20:], 4791)
		be.PutUint16(x[22:], b.Local().Port())
		be.PutUint16(x[24:], uint16(len(x)-20))
		if change != nil {
			x = change(x)
		}
		if err := unix.Sendto(raw, x, 0, &unix.SockaddrInet4{Addr: p.Addr[1].As4()}); err != nil {
			t.Error(err)
		}
	}
	send(100, nil)
	send(1, func(x []byte) []byte {
		return append(append(append([]byte{4<<4 | 6}, x[1:20]...), 1, 1, 1, 1), x[20:]...)
	}) // options
	send(2, func(x []byte) []byte { be.PutUint16(x[24:], 39); return x })     // of UDP, too short
	send(3, func(x []byte) []byte { be.PutUint16(x[24:], 41); return x })     // too long
	send(4, func(x []byte) []byte { be.PutUint16(x[26:], 0x1234); return x }) // the checksum
	send(5, func(x []byte) []byte { be.PutUint16(x[6:], 0x2000); return x })  // the first fragment
	send(6, func(x []byte) []byte { be.PutUint16(x[22:], 9); return x })      // the port
	send(101, func(x []byte) []byte {                                         // the checksum is right
		sum := uint32(0)
		for i := 12; i < len(x); i += 2 {
			sum += uint32(be.Uint16(x[i:]))
		}
		sum += 17 + 40
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		be.PutUint16(x[26:], ^uint16(sum))
		return x
	})
	send(102, nil)
	c.wait(t, 3)
	if !slices.Equal(got, []uint16{100, 101, 102}) {
		t.Errorf("%d have come", got)
	}
	if s := b.Stats(); s.Damaged != 3 {
		t.Errorf("%+v", s)
	}
}
