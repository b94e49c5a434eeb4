package socket

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

// again is after how many messages to cut the kernel is asked again to do that, after it has refused.
const again = 1024

// A sender sends for one goroutine at a time.
type sender struct {
	s     *socket
	to    *endpoint
	main  train
	parts train // datagrams of a message that the kernel does not cut
	late  time.Time
	err   error // the first one
}

// Send sends messages.
func (s *socket) Send(messages []udp.Message) error {
	if len(messages) == 0 {
		return nil
	}
	x := s.sender()
	x.late, x.err = time.Time{}, nil
	for i := range messages {
		x.add(&messages[i])
	}
	x.flush(&x.main)
	err := x.err
	x.err = nil
	s.senders.Lock()
	s.senders.idle = append(s.senders.idle, x)
	s.senders.Unlock()
	return err
}

// sender is one that nobody uses. There are as many as goroutines have sent at once; they send from all lanes' sockets.
func (s *socket) sender() *sender {
	s.senders.Lock()
	defer s.senders.Unlock()
	if n := len(s.senders.idle); n > 0 {
		x := s.senders.idle[n-1]
		s.senders.idle = s.senders.idle[:n-1]
		return x
	}
	x := &sender{s: s, to: s.lanes[s.senders.made%len(s.lanes)].udp}
	x.main.init(s)
	s.senders.made++
	return x
}

// add takes a message along. The kernel cuts those of several datagrams. If it does not those of IPv6 are cut here; of IPv4 they would not have the identifications
// that they are to have.
func (x *sender) add(m *udp.Message) {
	total := 0
	for _, p := range m.Vec {
		total += len(p)
	}
	switch {
	case total > udp.MaxPayload || m.Segment < 0 || m.Segment > 0 && (total == 0 || total > m.Segment*udp.MaxSegments):
		x.fail(fmt.Errorf("%w: %d bytes in pieces of %d to %v", udp.ErrTooLong, total, m.Segment, m.Remote))
	case m.Segment == 0 || total <= m.Segment:
		x.put(&x.main, m, m.Vec, total, 0)
	case x.s.cuts():
		x.put(&x.main, m, m.Vec, total, m.Segment)
	case x.s.v6:
		x.cut(&x.main, m)
	default:
		x.uncut(m, total, 0)
	}
}

// uncut says that a message is lost, but for so many datagrams.
func (x *sender) uncut(m *udp.Message, total, sent int) {
	x.s.stats.lost.Add(int64((total+m.Segment-1)/m.Segment - sent))
	x.fail(fmt.Errorf("%w: to %v", udp.ErrUncut, m.Remote))
}

// cuts reports that the kernel may be asked to cut.
func (s *socket) cuts() bool {
	n := s.refused.Load()
	return n == 0 || s.refused.Add(-1) <= 0 && s.refused.Swap(0) <= 0
}

// put takes along a datagram, or several if segment is not 0.
func (x *sender) put(t *train, m *udp.Message, vec [][]byte, total, segment int) {
	if t.full() {
		x.flush(t)
	}
	if err := t.put(m, vec, total, segment); err != nil {
		x.fail(err)
	}
}

// cut takes along the datagrams of a message.
func (x *sender) cut(t *train, m *udp.Message) {
	c := cutter{vec: m.Vec}
	for {
		vec, n := c.next(m.Segment, t)
		if n == 0 {
			return
		}
		x.put(t, m, vec, n, 0)
	}
}

// fail keeps the first error.
func (x *sender) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

// flush sends what was taken along.
func (x *sender) flush(t *train) {
	for at := 0; at < t.n; {
		n, e, err := x.sendmmsg(t, at)
		if err != nil {
			x.fail(fmt.Errorf("%w: %v", err, x.s.local))
			break
		}
		for ; n > 0; n-- {
			x.sent(t, at)
			at++
		}
		if e == 0 || e == unix.EINTR {
			continue
		}
		i := &t.infos[at]
		switch {
		case e == unix.EAGAIN || e == unix.ENOBUFS || e == unix.ENOMEM:
			if e == unix.EAGAIN && x.wait() {
				continue
			}
			x.s.stats.lost.Add(int64(i.datagrams))
		case i.segment != 0 && e != unix.ENETUNREACH && e != unix.EHOSTUNREACH:
			x.refuse(i)
		case e == unix.EMSGSIZE:
			x.fail(fmt.Errorf("%w: %d bytes to %v", udp.ErrTooLong, i.bytes, i.m.Remote))
		default:
			if e == unix.ENODEV || e == unix.ENXIO || e == unix.EINVAL {
				x.s.zones.forget()
			}
			x.fail(fmt.Errorf("%w: %v from %v: %w", udp.ErrUnreachable, i.m.Remote, i.m.Local.Addr(), e))
		}
		at++
	}
	t.reset()
}

// refuse sends one by one the datagrams of a message that the kernel does not cut: the interface cannot (EIO), or they are too long, which they are one by one too;
// of IPv4 the first one alone.
func (x *sender) refuse(i *info) {
	if x.parts.headers == nil {
		x.parts.init(x.s)
	}
	before := x.err
	x.err = nil
	if x.s.v6 {
		x.cut(&x.parts, i.m)
	} else {
		c := cutter{vec: i.m.Vec}
		vec, n := c.next(i.segment, &x.parts)
		x.put(&x.parts, i.m, vec, n, 0)
	}
	x.flush(&x.parts)
	if x.err == nil {
		x.s.refused.Store(again)
		if !x.s.v6 {
			x.uncut(i.m, i.bytes, 1)
		}
	}
	if before != nil {
		x.err = before
	}
}

// sent counts what has been sent.
func (x *sender) sent(t *train, at int) {
	x.s.stats.packetsOut.Add(int64(t.infos[at].datagrams))
	x.s.stats.bytesOut.Add(int64(t.infos[at].bytes))
}

// wait waits for room, for as long as a Send may. It reports that there may be some.
func (x *sender) wait() bool {
	now := time.Now()
	if x.late.IsZero() {
		x.late = now.Add(patience)
	}
	left := x.late.Sub(now)
	if left <= 0 {
		return false
	}
	err := x.to.control(func(fd uintptr) error {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(left/time.Millisecond)+1)
		return err
	})
	return err == nil || errors.Is(err, unix.EINTR)
}
