package roce

import (
	"net/netip"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
	"github.com/lunette-io/lunette/network/udp"
)

// general takes a packet to QP1, the general services interface (13.5): management datagrams, of which only those of the communication manager concern us.
func (p *port) general(h ib.BTH, k *udp.Packet, b []byte) {
	if h.Opcode != ib.UDSendOnly {
		p.d.count.malformed.Add(1)
		return
	}
	x, ok := ib.ParseDETH(b[ib.BTHLen:])
	if !ok || x.QKey != ib.QKeyGSI || x.Source != ib.QP1 || len(b) != ib.BTHLen+ib.DETHLen+mad.Size {
		p.d.count.malformed.Add(1)
		return
	}
	p.d.cm.Received(ib.Path{Local: k.Local.Addr(), Remote: k.Remote.Addr()}, b[ib.BTHLen+ib.DETHLen:])
}

// sendMAD sends a management datagram. The manager's lock is held by the caller.
func (d *Device) sendMAD(p ib.Path, datagram []byte) {
	d.mu.RLock()
	from := d.portOf(p.Local)
	d.mu.RUnlock()
	if from == nil {
		return // closed meanwhile: it is lost as in the network
	}
	h := ib.BTH{Opcode: ib.UDSendOnly, PKey: ib.DefaultPKey, Dest: ib.QP1, PSN: ib.PSN(from.psn.Add(1) & 0xffffff)}
	x := ib.DETH{QKey: ib.QKeyGSI, Source: ib.QP1}
	from.single(p, h, func(b []byte) []byte { return append(x.Append(b), datagram...) })
}

// single sends a packet that is not of a queue pair's own: those are few. rest adds what follows the BTH, a multiple of 4 bytes.
func (p *port) single(path ib.Path, h ib.BTH, rest func(b []byte) []byte) {
	b := rest(h.Append(make([]byte, 0, 512)))
	local, remote := netip.AddrPortFrom(path.Local, Port), netip.AddrPortFrom(path.Remote, Port)
	f := newFlow(local, remote)
	t := p.d.sums
	n := len(b)
	b = append(b, make([]byte, ib.ICRCLen)...)
	f.start(t, t.of(len(b)), 0).packet(b).put(b[n:])
	if err := p.socket.Send([]udp.Message{{Local: local, Remote: remote, Vec: [][]byte{b}}}); err != nil {
		p.d.count.unsent.Add(1) // it is lost, and sent again
	}
}
