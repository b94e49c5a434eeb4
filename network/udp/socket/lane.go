package socket

import (
	"encoding/binary"
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

// A lane is what one goroutine receives.
type lane struct {
	s      *socket
	number int
	udp    *endpoint // bound; nothing comes to it as long as the lane reads whole packets
	ip     *endpoint // that sees whole packets; nil: the lane reads datagrams

	fallen bool // the lane reads the bound socket, though it was to read whole packets
	merges bool // the kernel merges what comes to the bound socket

	calls sync.Mutex // held while the handler is called for the lane: other lanes may have something for it

	drops struct {
		sync.Mutex
		known bool   // that last is of the socket that is read
		raw   bool   // which one that is
		last  uint32 // what the system has said
		sum   int64  // of all that it has said
	}
}

// listen lets datagrams come to the bound socket, in pieces that the kernel has merged if it can.
func (l *lane) listen(fd uintptr) error {
	// There are kernels that have no such thing: datagrams come one by one.
	l.merges = unix.SetsockoptInt(int(fd), unix.SOL_UDP, udpGRO, 1) == nil
	l.drops.Lock()
	l.drops.known, l.drops.raw, l.drops.last = true, false, drops(int(fd))
	l.drops.Unlock()
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
}

// overflowed is how many datagrams had no room.
func (l *lane) overflowed() int64 {
	l.drops.Lock()
	defer l.drops.Unlock()
	e := l.udp
	if !l.drops.known {
		l.drops.known, l.drops.raw = true, l.ip != nil
	}
	if l.drops.raw {
		e = l.ip
	}
	_ = e.control(func(fd uintptr) error {
		now := drops(int(fd))
		l.drops.sum += int64(now - l.drops.last)
		l.drops.last = now
		return nil
	})
	return l.drops.sum
}

// run receives until the socket is closed.
func (l *lane) run() {
	if l.ip != nil {
		r := newReader(l.ip, l.s.config.Longest+headersLen+1, false)
		for {
			if r.read() != nil {
				return
			}
			l.s.stats.receives.Add(int64(r.calls))
			if l.wholes(r) {
				break
			}
		}
		if l.rest(r) != nil {
			return
		}
	}
	size := l.s.config.Longest + 1 // one datagram, and a byte that shows that it is too long
	if l.merges {
		size = piece
	}
	r := newReader(l.udp, size, true)
	r.drained = l.drained
	for r.read() == nil {
		l.s.stats.receives.Add(int64(r.calls))
		l.datagrams(r)
	}
}

// wholes hands over what has come as whole packets. It reports that something has come from inside this host: that the lane has to read from the bound socket, where
// the kernel says how long datagrams are.
func (l *lane) wholes(r *reader) (fall bool) {
	r.packets = r.packets[:0]
	for i := range r.n {
		b, n := r.data(i)
		var p udp.Packet
		switch parse(b, n, l.s.config.Longest, &p) {
		case good:
			r.packets = append(r.packets, p)
		case inside:
			fall = true
			r.packets = append(r.packets, p)
		case merged:
			fall = true
			l.s.stats.tooLong.Add(1)
		case tooLong:
			l.s.stats.tooLong.Add(1)
		case damaged:
			l.s.stats.damaged.Add(1)
		}
	}
	if fall && !l.fallen {
		l.fallen = true
		if l.turn() != nil { // closed
			return true
		}
	}
	l.hand(l, r.packets)
	return fall
}

// turn lets datagrams come to the bound socket from now on, and no whole packets. What comes in between comes twice, as it may in the network: what is lost would have to
// be sent again. It is done before the handler sees what was the reason: an answer to it comes once.
func (l *lane) turn() error {
	l.overflowed()
	if err := l.udp.control(l.listen); err != nil {
		return err
	}
	return l.ip.control(func(fd uintptr) error { return attach(int(fd), unix.SO_ATTACH_FILTER, nothing()) })
}

// rest hands over the whole packets that have come before [lane.turn].
func (l *lane) rest(r *reader) error {
	for {
		if err := r.once(); err != nil {
			return err
		}
		if r.n == 0 {
			return nil
		}
		l.wholes(r)
	}
}

// datagrams hands over what has come to the bound socket.
func (l *lane) datagrams(r *reader) {
	s := l.s
	longest, apart := s.config.Longest, false
	r.packets = r.packets[:0]
	for i := range r.n {
		b, n := r.data(i)
		var p udp.Packet
		size, mine := r.describe(i, s, &p)
		switch {
		case !mine:
			continue
		case n > len(b):
			s.stats.tooLong.Add(1)
			continue
		}
		if size <= 0 || size > len(b) {
			size = len(b)
		}
		for {
			p.Data = b[:min(size, len(b)):min(size, len(b))]
			b = b[len(p.Data):]
			if len(p.Data) > longest {
				s.stats.tooLong.Add(1)
			} else {
				r.packets = append(r.packets, p)
				apart = apart || s.laneOf(p.Data) != l.number
			}
			if len(b) == 0 {
				break
			}
		}
	}
	if apart {
		l.sort(r)
		return
	}
	l.hand(l, r.packets)
}

// hand calls the handler for a lane, which is this one or another.
func (l *lane) hand(to *lane, batch []udp.Packet) {
	if len(batch) == 0 {
		return
	}
	n := int64(0)
	for i := range batch {
		n += int64(len(batch[i].Data))
	}
	l.s.stats.packetsIn.Add(int64(len(batch)))
	l.s.stats.bytesIn.Add(n)
	to.calls.Lock()
	defer to.calls.Unlock()
	l.s.h.Received(to.number, batch)
}

// sort hands over datagrams of which some are for other lanes. The kernel has merged them on their way in with one that is for this lane; it is asked not to
// merge any more, since what is merged so overtakes what comes to those lanes by themselves.
func (l *lane) sort(r *reader) {
	l.s.apart.Store(true)
	for _, to := range l.s.lanes {
		r.apart = r.apart[:0]
		for i := range r.packets {
			if l.s.laneOf(r.packets[i].Data) == to.number {
				r.apart = append(r.apart, r.packets[i])
			}
		}
		l.hand(to, r.apart)
	}
}

// drained is called when nothing has come. It is the time to have nothing merged any more: of what is merged already the kernel would not tell any more how long
// its datagrams are.
func (l *lane) drained(fd uintptr) {
	if l.merges && l.s.apart.Load() {
		l.merges = false
		_ = unix.SetsockoptInt(int(fd), unix.SOL_UDP, udpGRO, 0)
	}
}

// laneOf is the number of the lane that a payload is for.
func (s *socket) laneOf(b []byte) int {
	if len(s.lanes) == 1 || s.config.Word+4 > len(b) {
		return 0
	}
	return int((binary.BigEndian.Uint32(b[s.config.Word:]) & s.config.Mask) % uint32(len(s.lanes)))
}

// close closes what the lane has.
func (l *lane) close() error {
	err := l.udp.file.Close()
	if l.ip != nil {
		err = errors.Join(err, l.ip.file.Close())
	}
	return err
}
