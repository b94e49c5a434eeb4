package socket

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

// headers of a packet of 48 bytes: the RTU's and acknowledgements of Linux look so.
const ack = "4500003024184000401102a30a0000010a000002d98112b7001c0000" + "1100ffff0000001100d8ad421f000001430c345b"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	var p udp.Packet
	b := unhex(t, ack)
	if v := parse(b, len(b), 100, &p); v != good || p.ID != 0x2418 || p.Fragment != 0x4000 || !p.Identified || p.Congested || len(p.Data) != 20 ||
		p.Remote != netip.MustParseAddrPort("10.0.0.1:55681") || p.Local != netip.MustParseAddrPort("10.0.0.2:4791") {
		t.Errorf("%v: %+v", v, p)
	}
	for _, x := range []struct {
		name    string
		change  func(b []byte) []byte
		longest int
		want    verdict
	}{
		{"a mark", func(b []byte) []byte { b[1] = 3; return b }, 100, good},
		{"as long as may be", func(b []byte) []byte { return b }, 20, good},
		{"too long", func(b []byte) []byte { return b }, 19, tooLong},
		{"nothing", func(b []byte) []byte { return b[:0] }, 100, damaged},
		{"half", func(b []byte) []byte { return b[:27] }, 100, damaged},
		{"a byte less", func(b []byte) []byte { return b[:47] }, 100, damaged},
		{"a byte more", func(b []byte) []byte { return append(b, 0) }, 100, damaged},
		{"options", func(b []byte) []byte { b[0] = 0x46; return b }, 100, damaged},
		{"IPv6", func(b []byte) []byte { b[0] = 0x65; return b }, 100, damaged},
		{"TCP", func(b []byte) []byte { b[9] = 6; return b }, 100, damaged},
		{"more fragments", func(b []byte) []byte { b[6] |= 0x20; return b }, 100, damaged},
		{"a fragment", func(b []byte) []byte { b[7] = 1; return b }, 100, damaged},
		{"UDP's length", func(b []byte) []byte { b[25]--; return b }, 100, damaged},
		{"a checksum", func(b []byte) []byte { b[27] = 1; return b }, 100, damaged},
		{"a group", func(b []byte) []byte { b[16] = 224; return b }, 100, others},
		{"all", func(b []byte) []byte { copy(b[16:], "\xff\xff\xff\xff"); return b }, 100, others},
		{"a checksum that is right", withChecksum, 100, good},
		{"a checksum of a packet that no wire has seen", withPseudo, 100, inside},
		{"a checksum that is right, and that of the pseudo header by chance", func(b []byte) []byte {
			withPseudo(b)
			binary.BigEndian.PutUint16(b[46:], 0)
			binary.BigEndian.PutUint16(b[46:], ^slow(append(append(b[12:20:20], 0, 17, b[24], b[25]), b[20:]...)))
			return b
		}, 100, good},
		{"several in one", withPseudo, 19, merged},
		{"too long, from a wire", withChecksum, 19, tooLong},
	} {
		b := x.change(unhex(t, ack))
		if v := parse(b, len(b), x.longest, &p); v != x.want {
			t.Errorf("%s: %d, not %d", x.name, v, x.want)
		}
	}
	if v := parse(withPseudo(b)[:40], len(b), 10, &p); v != merged {
		t.Errorf("several in one, and no room for all: %d", v)
	}
}

// withPseudo puts in the sum of the pseudo header.
func withPseudo(b []byte) []byte {
	binary.BigEndian.PutUint16(b[26:], slow(append(b[12:20:20], 0, 17, b[24], b[25])))
	return b
}

// withChecksum puts in the checksum.
func withChecksum(b []byte) []byte {
	b[26], b[27] = 0, 0
	binary.BigEndian.PutUint16(b[26:], ^slow(append(append(b[12:20:20], 0, 17, b[24], b[25]), b[20:]...)))
	return b
}

// slow is the sum of 16-bit words, one by one.
func slow(b []byte) uint16 {
	s := uint32(0)
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		s += w
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("a datagram"), uint16(17))
	f.Add(make([]byte, 100), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, first uint16) {
		head := binary.BigEndian.AppendUint16(nil, first)
		if got, want := fold(sum(b, uint64(first))), slow(append(head, b...)); got != want {
			t.Errorf("%#x, not %#x", got, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, ack), 0, 100)
	f.Add(withChecksum(unhex(f, ack)), 0, 100)
	f.Add(withPseudo(unhex(f, ack)), 1000, 10)
	f.Fuzz(func(t *testing.T, b []byte, more, longest int) {
		var p udp.Packet
		if more < 0 || more > 1<<16 || longest < 1 || longest > udp.MaxPayload {
			return
		}
		if v := parse(b, len(b)+more, longest, &p); (v == good || v == inside) && (more != 0 || len(p.Data) != len(b)-headersLen || len(p.Data) > longest) {
			t.Errorf("%+v of %x", p, b)
		}
	})
}

// refusing is a socket of whose messages the kernel cuts none: it adds no checksums, which has the same error as interfaces that cannot.
func refusing(t *testing.T, a *socket, is int) {
	t.Helper()
	level, name := unix.SOL_SOCKET, unix.SO_NO_CHECK
	if a.v6 {
		level, name = unix.SOL_UDP, 101 // UDP_NO_CHECK6_TX
	}
	if err := a.lanes[0].udp.control(func(fd uintptr) error { return unix.SetsockoptInt(int(fd), level, name, is) }); err != nil {
		t.Fatal(err)
	}
}

// If the kernel refuses to cut messages, datagrams of IPv6 are sent one by one. Those of IPv4 would not have the right identifications, and the user is told.
func TestRefused(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) {
			h := New()
			open := func() *socket {
				s, err := h.Open(t.Context(), udp.Config{Local: netip.MustParseAddrPort(at), Lanes: 1, Longest: 100, Receives: 1 << 20})
				if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
					t.Skipf("SKIPPED: this host has no such address: %v", err)
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				return s.(*socket)
			}
			a, b := open(), open()
			refusing(t, a, 1)
			k := &keep{came: make(chan []byte, 1000)}
			b.Start(k)
			whole := make([]byte, 0, 2000)
			for i := range 2000 {
				whole = append(whole, byte(i/100))
			}
			m := udp.Message{Local: a.local, Remote: b.local, Segment: 100, Vec: [][]byte{whole[:50], whole[50:1250], whole[1250:]}}
			one := udp.Message{Local: a.local, Remote: b.local, Vec: [][]byte{[]byte("one")}}
			all := int64(0)
			for round := range 3 {
				n := 20
				switch err := a.Send([]udp.Message{one, m, one}); {
				case a.v6 && err != nil || !a.v6 && !errors.Is(err, udp.ErrUncut):
					t.Fatal(err)
				case !a.v6 && round == 0:
					n = 1
				case !a.v6:
					n = 0
				}
				for i := range n + 2 {
					switch d := <-k.came; {
					case i == 0 || i == n+1:
						if string(d) != "one" {
							t.Fatalf("%d is %q", i, d)
						}
					case len(d) != 100 || d[0] != byte(i-1) || d[99] != byte(i-1):
						t.Fatalf("%d is %x", i, d)
					}
				}
				all += int64(n) + 2
			}
			if n := a.refused.Load(); n <= 0 || n > again {
				t.Errorf("the kernel is asked again after %d messages", n)
			}
			if s := a.Stats(); s.PacketsOut != all || s.PacketsOut+s.Lost != 66 {
				t.Errorf("%+v", s)
			}
			refusing(t, a, 0)
			a.refused.Store(1)
			before := a.Stats().Sends
			if err := a.Send([]udp.Message{m}); err != nil || a.Stats().Sends != before+1 || a.refused.Load() != 0 {
				t.Errorf("%v: %d", err, a.refused.Load())
			}
			// What is too long is no reason to ask no more.
			long := m
			long.Segment, long.Vec = 65000, [][]byte{make([]byte, 65001)}
			if err := a.Send([]udp.Message{long}); err != nil && !errors.Is(err, udp.ErrTooLong) || a.refused.Load() != 0 {
				t.Errorf("%v: %d", err, a.refused.Load())
			}
		})
	}
}

type keep struct{ came chan []byte }

// Received keeps.
func (k *keep) Received(_ int, batch []udp.Packet) {
	for _, p := range batch {
		k.came <- append([]byte(nil), p.Data...)
	}
}

// Nobody allocates for a datagram.
func TestAllocations(t *testing.T) {
	h := New()
	open := func() *socket {
		s, err := h.Open(t.Context(), udp.Config{Local: netip.MustParseAddrPort("127.0.0.1:0"), Lanes: 1, Longest: 1040, Receives: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s.(*socket)
	}
	a, b := open(), open()
	n := make(chan int, 1)
	b.Start(handler(func(_ int, batch []udp.Packet) { n <- len(batch) }))
	m := []udp.Message{{Local: a.local, Remote: b.local, Segment: 1000, Vec: [][]byte{make([]byte, 20), make([]byte, 9000)}}}
	if got := testing.AllocsPerRun(1000, func() {
		if err := a.Send(m); err != nil {
			t.Fatal(err)
		}
		for left := 10; left > 0; left -= <-n {
		}
	}); got >= 1 {
		t.Errorf("%.1f allocations", got)
	}
}

type handler func(lane int, batch []udp.Packet)

// Received is the function.
func (h handler) Received(lane int, batch []udp.Packet) { h(lane, batch) }
