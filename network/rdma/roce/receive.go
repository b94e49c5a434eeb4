package roce

import (
	"net/netip"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/udp"
)

// A lane is what one receiving goroutine of a port has for itself.
type lane struct {
	touched []*Conn // those that got something in this batch
	last    *Conn   // to whom the packet before was; nil: to nobody
	flows   [8]seen // that packets have come by, by the port of the sender
}

// A seen is a flow that a packet has come by.
type seen struct {
	local, remote netip.AddrPort
	flow          flow
}

// flow is that by which a packet has come.
func (l *lane) flow(k *udp.Packet) *flow {
	s := &l.flows[int(k.Remote.Port())%len(l.flows)]
	if s.remote != k.Remote || s.local != k.Local {
		*s = seen{k.Local, k.Remote, newFlow(k.Remote, k.Local)}
	}
	return &s.flow
}

// intact reports that the ICRC of a packet is right, as far as it can be checked: the identification of IPv4 is not always known.
func (p *port) intact(l *lane, k *udp.Packet) bool {
	f := l.flow(k)
	if k.Identified || f.six {
		return f.check(p.d.sums, k.Data, k.ID, k.Fragment)
	}
	if p.knows {
		p.blinded()
	}
	return f.explained(p.d.sums, k.Data)
}

// Received implements udp.Handler.
func (p *port) Received(n int, batch []udp.Packet) {
	l := &p.lanes[n]
	for i := range batch {
		p.packet(l, &batch[i])
	}
	for i, c := range l.touched {
		c.touched = false
		c.Batch()
		l.touched[i] = nil
	}
	l.touched, l.last = l.touched[:0], nil
}

// packet takes one packet. Nothing in it is believed before its ICRC has been checked.
func (p *port) packet(l *lane, k *udp.Packet) {
	n := &p.d.count
	if len(k.Data) < ib.BTHLen+ib.ICRCLen {
		n.malformed.Add(1)
		return
	}
	if !p.intact(l, k) {
		n.damaged.Add(1)
		return
	}
	h, _ := ib.ParseBTH(k.Data)
	end := len(k.Data) - ib.ICRCLen - int(h.Pad)
	// The lowest 15 bits of the P_Key are the partition (10.9.1.1).
	if h.Version != 0 || h.PKey&0x7fff != ib.DefaultPKey&0x7fff || end < ib.BTHLen {
		n.malformed.Add(1)
		return
	}
	if h.Dest == ib.QP1 {
		p.general(h, k, k.Data[:end])
		return
	}
	c := l.last
	if c == nil || c.number != h.Dest {
		c = p.d.queues.find(h.Dest)
	}
	if c == nil || c.port != p || c.path.Remote != k.Remote.Addr() || c.path.Local != k.Local.Addr() {
		n.unknown.Add(1) // somebody who has no connection, or whose connection has ended
		return
	}
	l.last = c
	if k.Congested {
		c.notify()
	}
	if h.Opcode == ib.CNP {
		c.notified()
		return
	}
	if !c.touched {
		c.touched = true
		l.touched = append(l.touched, c)
		c.heard()
	}
	c.QP.Received(h, k.Data[:end])
}
