package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/lunette-io/lunette/network/udp"
)

const (
	// batch is how many datagrams are handed over at once at most.
	batch = 64
	// leastReceives is how many bytes may wait at the least in a lane.
	leastReceives = 64 << 10
	// firstPort is where ports begin that are given away.
	firstPort = 49152
)

// A socket is bound. Its fields are guarded by the network's lock.
type socket struct {
	net    *Network
	host   *Host
	config udp.Config
	local  netip.AddrPort
	room   int
	lanes  []*lane

	h               udp.Handler // nil before Start
	started, closed bool
	running         sync.WaitGroup
	stats           udp.Stats
}

// A lane is what waits for one goroutine.
type lane struct {
	in      []udp.Packet // what has come, and from handed on has not been handed over
	handed  int
	waiting int       // bytes of that
	wake    sync.Cond // for the goroutine
}

// Open binds a socket.
func (h *Host) Open(ctx context.Context, c udp.Config) (udp.Socket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	a := c.Local.Addr()
	switch {
	case !a.IsValid() || a.Is4In6() || c.Lanes < 1 || c.Longest < 1 || c.Longest > udp.MaxPayload || c.Word < 0:
		h.net.violate("a socket is opened at %v with %d lanes, for %d bytes, word %d", c.Local, c.Lanes, c.Longest, c.Word)
		return nil, fmt.Errorf("udp/sim: %v: %w", c.Local, syscall.EINVAL)
	case !a.IsUnspecified() && !slices.Contains(h.own, a):
		return nil, fmt.Errorf("udp/sim: %v: %w", c.Local, syscall.EADDRNOTAVAIL)
	case c.Identified && a.Is4() && !h.capable:
		return nil, fmt.Errorf("%w: identifications, on the host %q", udp.ErrDenied, h.name)
	}
	local := c.Local
	for tries := 0; local.Port() == 0; tries++ {
		if tries == 65536-firstPort {
			return nil, fmt.Errorf("udp/sim: %v: no port is free: %w", local, syscall.EADDRINUSE)
		}
		h.port = max(h.port+1, firstPort)
		if p := netip.AddrPortFrom(a, h.port); !h.taken(p) {
			local = p
		}
	}
	if h.taken(local) {
		return nil, fmt.Errorf("udp/sim: %v: %w", local, syscall.EADDRINUSE)
	}
	s := &socket{net: h.net, host: h, config: c, local: local, room: int(max(c.Receives, leastReceives))}
	for range c.Lanes {
		l := new(lane)
		l.wake.L = &h.net.mu
		s.lanes = append(s.lanes, l)
	}
	h.sockets = append(h.sockets, s)
	return s, nil
}

// taken reports that a socket has that address and port, or shares it. h.net.mu is held.
func (h *Host) taken(p netip.AddrPort) bool {
	return slices.ContainsFunc(h.sockets, func(s *socket) bool {
		o := s.local.Addr()
		return s.local.Port() == p.Port() && o.Is4() == p.Addr().Is4() && (o == p.Addr() || o.IsUnspecified() || p.Addr().IsUnspecified())
	})
}

// Start lets h have what comes.
func (s *socket) Start(h udp.Handler) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.started {
		s.net.violate("Start is called twice on %v of the host %q", s.local, s.host.name)
		return
	}
	if s.closed {
		return
	}
	s.started, s.h = true, h
	for i, l := range s.lanes {
		s.running.Go(func() { s.run(i, l) })
	}
}

// run hands over what comes to a lane, until Close.
func (s *socket) run(number int, l *lane) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for {
		for len(l.in) == l.handed && !s.closed {
			l.wake.Wait()
		}
		if s.closed {
			return
		}
		b := l.next()
		n := len(b)
		s.stats.Receives++
		s.stats.PacketsIn += int64(n)
		for i := range b {
			l.waiting -= len(b[i].Data)
			s.stats.BytesIn += int64(len(b[i].Data))
		}
		lent := slices.Clone(b)
		s.net.mu.Unlock()
		s.h.Received(number, lent)
		for i := range b {
			for k := range b[i].Data {
				b[i].Data[k] = 0xdb // whoever has kept it sees that it may not
			}
			lent[i] = udp.Packet{}
		}
		s.net.mu.Lock()
	}
}

// next takes the next batch: there is something. What was handed over is moved out of the way once it is half of all, so that a long queue costs each packet no more than a
// short one. net.mu is held.
func (l *lane) next() []udp.Packet {
	waiting := l.in[l.handed:]
	b := slices.Clone(waiting[:min(batch, len(waiting))])
	clear(waiting[:len(b)])
	if l.handed += len(b); 2*l.handed >= len(l.in) {
		l.in = slices.Delete(l.in, 0, l.handed)
		l.handed = 0
	}
	return b
}

// Send sends messages.
func (s *socket) Send(messages []udp.Message) (err error) {
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.closed {
		return fmt.Errorf("%w: %v", udp.ErrClosed, s.local)
	}
	s.stats.Sends++
	for i := range messages {
		if e := s.send(&messages[i]); err == nil {
			err = e
		}
	}
	return err
}

// send sends one. s.net.mu is held.
func (s *socket) send(m *udp.Message) error {
	n := s.net
	local, remote := m.Local.Addr(), m.Remote
	if !local.IsValid() || local.IsUnspecified() || !s.local.Addr().IsUnspecified() && local != s.local.Addr() {
		n.violate("a message is sent from %v by the socket at %v", local, s.local)
		return fmt.Errorf("%w: from %v", udp.ErrUnreachable, local)
	}
	if remote.Port() == 0 || remote.Addr().Is4In6() {
		n.violate("a message is sent to %v", remote)
		return fmt.Errorf("%w: %v", udp.ErrUnreachable, remote)
	}
	_, mtu, err := s.host.way(local, remote.Addr())
	if err != nil {
		return err
	}
	sent := slices.Concat(m.Vec...)
	whole := sent
	size := m.Segment
	if size == 0 {
		size = len(whole)
	}
	if size < 0 || m.Segment > 0 && len(whole) == 0 || len(whole) > udp.MaxPayload || m.Segment > 0 && len(whole) > size*udp.MaxSegments {
		n.violate("a message of %d bytes is cut into pieces of %d", len(whole), m.Segment)
		return fmt.Errorf("%w: %d bytes in pieces of %d", udp.ErrTooLong, len(whole), m.Segment)
	}
	if least := min(size, len(whole)) + headers(local); least > mtu {
		return fmt.Errorf("%w: %d bytes, the MTU to %v is %d", udp.ErrTooLong, least, remote.Addr(), mtu)
	}
	from := netip.AddrPortFrom(local, s.local.Port())
	for id := 0; ; id++ {
		b := whole[:min(size, len(whole))]
		whole = whole[len(b):]
		s.stats.PacketsOut++
		s.stats.BytesOut += int64(len(b))
		d := &datagram{from: from, to: remote, host: s.host, data: slices.Clone(b), capable: s.config.Capable}
		if local.Is4() {
			d.id = uint16(id)
		}
		n.carry(d)
		if len(whole) == 0 {
			break
		}
		if s.host.uncut && local.Is4() {
			s.stats.Lost += int64((len(whole) + size - 1) / size)
			return fmt.Errorf("%w: to %v", udp.ErrUncut, remote)
		}
	}
	if !bytes.Equal(slices.Concat(m.Vec...), sent) {
		n.violate("a message is changed while it is sent")
	}
	return nil
}

// headers is how long those of IP and UDP are.
func headers(a netip.Addr) int {
	if a.Is4() {
		return 20 + 8
	}
	return 40 + 8
}

// take gives a datagram to the lane that it is for. s.net.mu is held.
func (s *socket) take(d *datagram, congested bool) {
	l := s.lanes[s.lane(d.data)]
	switch {
	case len(d.data) > s.config.Longest:
		s.stats.TooLong++
	case l.waiting+len(d.data) > s.room:
		s.stats.Overflowed++
	default:
		p := udp.Packet{Local: d.to, Remote: d.from, Data: slices.Clone(d.data), Congested: congested}
		if s.config.Identified && d.to.Addr().Is4() {
			p.Identified, p.ID, p.Fragment = true, d.id, 0x4000 // Don't Fragment
		}
		l.in = append(l.in, p)
		l.waiting += len(d.data)
		l.wake.Signal()
	}
}

// lane is the number of the one that a payload is for.
func (s *socket) lane(b []byte) int {
	if s.config.Word+4 > len(b) {
		return 0
	}
	return int((binary.BigEndian.Uint32(b[s.config.Word:]) & s.config.Mask) % uint32(len(s.lanes)))
}

// Local is what it is bound to.
func (s *socket) Local() netip.AddrPort { return s.local }

// Stats is what it has done.
func (s *socket) Stats() udp.Stats {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.stats
}

// Close ends it.
func (s *socket) Close() error {
	s.net.mu.Lock()
	s.closed = true
	s.host.sockets = slices.DeleteFunc(s.host.sockets, func(x *socket) bool { return x == s })
	for _, l := range s.lanes {
		l.wake.Broadcast()
	}
	s.net.mu.Unlock()
	s.running.Wait()
	return nil
}
