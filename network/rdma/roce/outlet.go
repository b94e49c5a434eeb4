package roce

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/udp"
)

// An outlet is the rc.Outlet of a connection. It adds padding and ICRC to packets and makes messages of several out of those of equal length, up to the first that is
// shorter. Headers and what is behind the payload lie in a bundle, which is the outlet's from the first packet until Flush.
type outlet struct {
	c             *Conn
	flow          flow
	local, remote netip.AddrPort
	b             *bundle // nil: there is no packet
	uncut         bool    // messages of several packets are not cut on this way: each packet is a message

	sends, bytes atomic.Int64
}

// A bundle is memory for the packets of one Flush.
type bundle struct {
	mem      []byte // headers and ends
	vec      [][]byte
	messages []message
	batch    []udp.Message
	packets  int
}

// A message is one of udp's while it can grow: its pieces are those of the bundle from one on, up to those of the next.
type message struct {
	from    int // in vec
	segment int // the length of its packets
	packets int
	length  int  // of all of them
	full    bool // the last one is shorter
}

// Sizes of a bundle.
const (
	bundlePackets = 256
	bundleHeaders = 48 // the longest header of a packet, and its end
	// messagePieces is how many pieces a message has at the most: the kernel takes 1024.
	messagePieces = 512
)

func newBundle() *bundle {
	return &bundle{
		mem: make([]byte, 0, bundlePackets*bundleHeaders), vec: make([][]byte, 0, 4*bundlePackets),
		messages: make([]message, 0, bundlePackets), batch: make([]udp.Message, 0, bundlePackets),
	}
}

func (o *outlet) init(c *Conn) {
	o.c = c
	o.local, o.remote = netip.AddrPortFrom(c.path.Local, Port), netip.AddrPortFrom(c.path.Remote, Port)
	o.flow = newFlow(o.local, o.remote)
}

// Room implements rc.Outlet.
func (o *outlet) Room() int {
	if o.b == nil {
		return bundlePackets
	}
	return bundlePackets - o.b.packets
}

// Packet implements rc.Outlet.
func (o *outlet) Packet(header []byte, payload ...[]byte) {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	pad := ib.Padding(n)
	size := len(header) + n + pad + ib.ICRCLen
	t := o.c.d.sums
	l := t.of(size)
	if l == nil || o.Room() == 0 || len(header) > bundleHeaders-8 {
		return // it is lost as in the network: who sends asks for room before
	}
	if o.b == nil {
		o.b = o.c.d.bundles.Get().(*bundle)
	}
	b := o.b
	m := b.message(size, len(payload)+2, o.uncut)

	start := len(b.mem)
	b.mem = append(b.mem, header...)
	h := b.mem[start:len(b.mem):len(b.mem)]
	ib.SetPad(h, pad)
	b.vec = append(b.vec, h)
	sum := o.flow.start(t, l, uint16(m.packets)).bth(h).short(h[ib.BTHLen:])
	for _, p := range payload {
		if len(p) > 0 {
			sum = sum.add(p)
			b.vec = append(b.vec, p)
		}
	}
	sum = sum.pad(pad)
	start = len(b.mem)
	b.mem = b.mem[:start+pad+ib.ICRCLen]
	clear(b.mem[start : start+pad])
	sum.put(b.mem[start+pad:])
	b.vec = append(b.vec, b.mem[start:len(b.mem):len(b.mem)])

	m.packets++
	m.length += size
	m.full = size < m.segment
	b.packets++
	o.bytes.Add(int64(size))
}

// message is the message that a packet of a size goes into, with so many pieces. alone: it is to have no other packet.
func (b *bundle) message(size, pieces int, alone bool) *message {
	if k := len(b.messages) - 1; k >= 0 && !alone {
		m := &b.messages[k]
		if !m.full && size <= m.segment && m.packets < udp.MaxSegments && m.length+size <= udp.MaxPayload && len(b.vec)-m.from+pieces <= messagePieces {
			return m
		}
	}
	b.messages = append(b.messages, message{from: len(b.vec), segment: size})
	return &b.messages[len(b.messages)-1]
}

// Flush implements rc.Outlet.
func (o *outlet) Flush() {
	b := o.b
	if b == nil {
		return
	}
	o.b = nil
	for i, m := range b.messages {
		to := len(b.vec)
		if i+1 < len(b.messages) {
			to = b.messages[i+1].from
		}
		x := udp.Message{Local: o.local, Remote: o.remote, Vec: b.vec[m.from:to]}
		if m.packets > 1 {
			x.Segment = m.segment
		}
		b.batch = append(b.batch, x)
	}
	o.sends.Add(1)
	if err := o.c.port.socket.Send(b.batch); err != nil {
		o.c.d.count.unsent.Add(1) // it is lost, and sent again
		o.uncut = o.uncut || errors.Is(err, udp.ErrUncut)
	}
	b.reset()
	o.c.d.bundles.Put(b)
}

// reset empties the bundle: it holds nobody's memory.
func (b *bundle) reset() {
	clear(b.vec)
	clear(b.batch)
	b.mem, b.vec, b.messages, b.batch, b.packets = b.mem[:0], b.vec[:0], b.messages[:0], b.batch[:0], 0
}
