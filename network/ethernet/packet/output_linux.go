package packet

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spareOutputs is how many outputs there are beside the one of the socket itself.
const spareOutputs = 3

// An output is a socket with a ring to send from. The kernel sends what is in the ring in its order, and gives a slot back when the last one who has the
// frame has freed it. On virtual interfaces that is whoever has received it, and who may keep it: a socket that nobody reads, a driver that has lost it. Then
// nothing more is sent from that ring once the others are used up, and another one is used.
type output struct {
	fd   int
	ring ring
	own  []byte // the mapping of a spare one; nil: it has no ring yet
}

// newSpare makes an output without a ring, bound to nothing.
func newSpare(priority uint8) (o *output, err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := prepare(fd, priority); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &output{fd: fd}, nil
}

// prepare sets what a socket has that sends.
func prepare(fd int, priority uint8) error {
	for _, o := range []struct{ name, value int }{
		{unix.PACKET_VERSION, unix.TPACKET_V2},
		{unix.PACKET_LOSS, 1}, // a frame that the kernel does not like is skipped, and does not hold up the others
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, o.name, o.value); err != nil {
			return fmt.Errorf("option %d of the socket: %w", o.name, err)
		}
	}
	if priority != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, int(priority)); err != nil {
			return fmt.Errorf("priority %d: %w", priority, err)
		}
	}
	// More than net.core.wmem_max is not given; what there is is used.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*sends)
	return nil
}

// open gives a spare output a ring as r is, and binds it to an interface, from which it receives nothing.
func (o *output) open(r *ring, index int) error {
	n := *r
	n.memory, n.at = nil, 0
	q := n.request()
	if err := setRing(o.fd, unix.PACKET_TX_RING, &q); err != nil {
		return err
	}
	m, err := unix.Mmap(o.fd, 0, n.blocks*blockLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	n.memory = m
	o.ring, o.own = n, m
	return o.bind(index)
}

// bind has it send to the interface with a number. Nothing comes from there.
func (o *output) bind(index int) error {
	return unix.Bind(o.fd, &unix.SockaddrLinklayer{Ifindex: index})
}

// close gives back what a spare output has.
func (o *output) close() {
	if o.own != nil {
		_ = unix.Munmap(o.own)
	}
	o.own, o.ring.memory = nil, nil
	_ = unix.Close(o.fd)
}

// room reports that the next slot is free.
func (r *ring) room() bool {
	return atomic.LoadUint32(status(r.slot(r.at))) == unix.TP_STATUS_AVAILABLE
}

// held reports that the next slot is somebody's still, though the kernel has sent all, and slots behind it, which it has sent later, are back.
func (r *ring) held() bool {
	if r.room() {
		return false
	}
	for i := range r.slots {
		if atomic.LoadUint32(status(r.slot(i))) == unix.TP_STATUS_AVAILABLE {
			return true
		}
	}
	return false
}

// whole reports that all slots are free.
func (r *ring) whole() bool {
	for i := range r.slots {
		if atomic.LoadUint32(status(r.slot(i))) != unix.TP_STATUS_AVAILABLE {
			return false
		}
	}
	return true
}

// relieve has another output send if somebody holds a frame of the one that does, and all in it is sent. w.tx is held.
func (w *wire) relieve() {
	if w.pending || !w.out.ring.held() {
		return
	}
	for _, o := range w.socket.outs {
		switch {
		case o == w.out, o.ring.memory != nil && !o.ring.whole():
		case o.ring.memory == nil && o.open(&w.out.ring, w.sendsTo) != nil: // a host may be short of memory
		default:
			w.out = o
			return
		}
	}
}
