package roce

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/udp"
)

// Stats count what a device has done.
type Stats struct {
	Connections int64      // now
	Damaged     int64      // packets whose ICRC was wrong
	Malformed   int64      // packets that are none of RoCE
	Unknown     int64      // packets to queue pairs that are not there, or from others than their peers
	Marked      int64      // packets that came marked: there is congestion on their way
	Notified    int64      // notifications of congestion that came
	Unsent      int64      // calls that sent packets, or tried to, and failed
	Ended       rdma.Stats // of connections that have ended: what they have sent and received, in all
	UDP         udp.Stats  // of all sockets
}

// counters are what is counted as it happens.
type counters struct {
	damaged, malformed, unknown, marked, notified, unsent atomic.Int64

	mu    sync.Mutex // what follows
	past  udp.Stats  // of sockets that are closed
	ended rdma.Stats
}

// keep adds what a socket has done that is about to be closed.
func (n *counters) keep(s udp.Stats) {
	n.mu.Lock()
	n.past = add(n.past, s)
	n.mu.Unlock()
}

// end adds what a connection has done that has ended.
func (n *counters) end(s rdma.Stats) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := &n.ended
	for _, x := range []struct {
		sum *int64
		v   int64
	}{
		{&t.MessagesIn, s.MessagesIn}, {&t.MessagesOut, s.MessagesOut}, {&t.Writes, s.Writes}, {&t.Reads, s.Reads}, {&t.BytesIn, s.BytesIn}, {&t.BytesOut, s.BytesOut},
		{&t.Placed, s.Placed}, {&t.Receives, s.Receives}, {&t.Sends, s.Sends}, {&t.Blocked, s.Blocked}, {&t.Copied, s.Copied}, {&t.CopiedPlaced, s.CopiedPlaced},
	} {
		*x.sum += x.v
	}
}

func add(a, b udp.Stats) udp.Stats {
	a.PacketsIn += b.PacketsIn
	a.PacketsOut += b.PacketsOut
	a.BytesIn += b.BytesIn
	a.BytesOut += b.BytesOut
	a.Receives += b.Receives
	a.Sends += b.Sends
	a.Lost += b.Lost
	a.TooLong += b.TooLong
	a.Overflowed += b.Overflowed
	return a
}

// Stats is what the device has done.
func (d *Device) Stats() Stats {
	n := &d.count
	s := Stats{
		Connections: int64(d.queues.len()), Damaged: n.damaged.Load(), Malformed: n.malformed.Load(), Unknown: n.unknown.Load(),
		Marked: n.marked.Load(), Notified: n.notified.Load(), Unsent: n.unsent.Load(),
	}
	n.mu.Lock()
	s.UDP, s.Ended = n.past, n.ended
	n.mu.Unlock()
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range d.ports {
		s.UDP = add(s.UDP, p.socket.Stats())
	}
	return s
}

// A PortInfo is a local address of a device.
type PortInfo struct {
	Address string
	Whole   bool // all of the ICRC of what comes is checked
	// Inside: it was, until something came from this host or from a guest of it, whose packets the system does not show as they are.
	Inside bool
}

// Ports are the local addresses that the device has sockets at, in order.
func (d *Device) Ports() (all []PortInfo) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range d.ports {
		all = append(all, p.info())
	}
	slices.SortFunc(all, func(a, b PortInfo) int { return cmp.Compare(a.Address, b.Address) })
	return all
}

func (p *port) info() PortInfo {
	return PortInfo{Address: p.at.String(), Whole: p.whole.Load(), Inside: p.knows && !p.whole.Load()}
}

// Opened lets f know of each local address that a socket is opened at, and once more if not all of the ICRC can be checked there any more. It is called before Listen and Dial;
// f does not wait.
func (d *Device) Opened(f func(p PortInfo)) { d.opened = f }
