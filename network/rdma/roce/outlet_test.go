package roce

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/udp"
)

// A tap is a host whose sockets keep what is sent, cut as the kernel does it.
type tap struct {
	udp.Socket
	messages, sends int
	datagrams       [][]byte
	ids             []uint16
	quiet           bool
}

func (s *tap) Open(context.Context, udp.Config) (udp.Socket, error) { return s, nil }
func (s *tap) MTU(local, _ netip.Addr) (netip.Addr, int, error)     { return local, 9000, nil }
func (s *tap) Start(udp.Handler)                                    {}
func (s *tap) Close() error                                         { return nil }
func (s *tap) Stats() udp.Stats                                     { return udp.Stats{} }

func (s *tap) Send(batch []udp.Message) error {
	s.sends++
	s.messages += len(batch)
	if s.quiet {
		return nil
	}
	for _, m := range batch {
		b := bytes.Join(m.Vec, nil)
		if len(b) > udp.MaxPayload {
			return errors.New("too long")
		}
		step := m.Segment
		if step == 0 {
			step = len(b)
		}
		for id := 0; len(b) > 0; id++ {
			if id >= udp.MaxSegments {
				return errors.New("too many")
			}
			n := min(step, len(b))
			s.datagrams = append(s.datagrams, b[:n])
			s.ids = append(s.ids, uint16(id))
			b = b[n:]
		}
	}
	return nil
}

// tapped is the outlet of a connection whose packets are kept.
func tapped(t testing.TB) (*outlet, *tap) {
	t.Helper()
	s := &tap{}
	d := device(t, Config{Host: s})
	path := ib.Path{Local: netip.MustParseAddr("10.0.0.1"), Remote: netip.MustParseAddr("10.0.0.2")}
	p, err := d.use(t.Context(), path.Local)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.newConn(p, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.abandon)
	return &c.out, s
}

// header is that of a packet with an opcode.
func header(o ib.Opcode, psn int) []byte {
	h := ib.BTH{Opcode: o, PKey: ib.DefaultPKey, Dest: 7, PSN: ib.PSN(psn)}
	return append(h.Append(nil), make([]byte, o.HeaderLen()-ib.BTHLen)...)
}

// What goes into an outlet comes out as datagrams with padding and the right ICRC, in order, in few messages.
func TestOutlet(t *testing.T) {
	o, s := tapped(t)
	var want [][]byte
	packet := func(op ib.Opcode, pieces ...[]byte) {
		o.Packet(header(op, len(want)), pieces...)
		want = append(want, bytes.Join(pieces, nil))
	}
	data := numbered(4096, 1)
	packet(ib.WriteFirst, data)
	for range 150 { // more than a message has
		packet(ib.WriteMiddle, data[:1000], data[1000:1001], nil, data[1001:])
	}
	packet(ib.WriteLast, data[:77])
	packet(ib.Acknowledge)
	for n := range 6 {
		packet(ib.SendOnly, data[:n])
	}
	if got := o.Room(); got != bundlePackets-len(want) {
		t.Errorf("room for %d", got)
	}
	o.Flush()
	o.Flush()
	if s.sends != 1 || s.messages > 1+150*4136/udp.MaxPayload+1+1+6 || len(s.datagrams) != len(want) {
		t.Fatalf("%d calls, %d messages, %d datagrams", s.sends, s.messages, len(s.datagrams))
	}
	f, sums := newFlow(o.local, o.remote), newICRCTables()
	for i, b := range s.datagrams {
		h, _ := ib.ParseBTH(b)
		if int(h.PSN) != i || !f.check(sums, b, s.ids[i], dontFragment) {
			t.Fatalf("datagram %d: PSN %d", i, h.PSN)
		}
		end := len(b) - ib.ICRCLen - int(h.Pad)
		if len(b)%4 != 0 || !bytes.Equal(b[h.Opcode.HeaderLen():end], want[i]) || !bytes.Equal(b[end:len(b)-ib.ICRCLen], make([]byte, h.Pad)) {
			t.Fatalf("datagram %d is wrong", i)
		}
	}
	for range 2 * bundlePackets {
		o.Packet(header(ib.SendOnly, 0))
	}
	if o.Room() != 0 {
		t.Errorf("room for %d", o.Room())
	}
	o.Flush()
	if len(s.datagrams) != len(want)+bundlePackets || o.Room() != bundlePackets {
		t.Errorf("%d datagrams", len(s.datagrams)-len(want))
	}
}

// Sending takes no memory for each packet.
func TestOutletAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED: the race detector makes pools forget; allocations are counted without it")
	}
	o, s := tapped(t)
	s.quiet = true
	data := numbered(4096, 1)
	first, middle, last := header(ib.WriteFirst, 0), header(ib.WriteMiddle, 1), header(ib.WriteLast, 2)
	if n := testing.AllocsPerRun(100, func() {
		o.Packet(first, data)
		for range 100 {
			o.Packet(middle, data[:2000], data[2000:])
		}
		o.Packet(last, data[:3])
		o.Flush()
	}); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOutlet(b *testing.B) {
	o, s := tapped(b)
	s.quiet = true
	data, middle := numbered(4096, 1), header(ib.WriteMiddle, 1)
	b.SetBytes(16 * 4096)
	for b.Loop() {
		for range 16 {
			o.Packet(middle, data)
		}
		o.Flush()
	}
}
