package roce

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// whole computes the ICRC of a packet from the header of IP on as the annex says it, byte by byte.
func whole(ip []byte) uint32 {
	b := append(bytes.Repeat([]byte{0xFF}, 8), ip[:len(ip)-4]...)
	h := b[8:]
	n := 20
	if h[0]>>4 == 4 {
		h[1], h[8], h[10], h[11] = 0xFF, 0xFF, 0xFF, 0xFF
	} else {
		n = 40
		h[0] |= 0x0F
		h[1], h[2], h[3], h[7] = 0xFF, 0xFF, 0xFF, 0xFF
	}
	h[n+6], h[n+7], h[n+8+4] = 0xFF, 0xFF, 0xFF
	return crc32.ChecksumIEEE(b)
}

// A packet of IP, taken apart.
type datagram struct {
	flow         flow
	id, fragment uint16
	payload      []byte
}

func apart(ip []byte) (d datagram) {
	n, from, to := 40, netip.Addr{}, netip.Addr{}
	if ip[0]>>4 == 4 {
		n = 20
		from, to = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		d.id, d.fragment = binary.BigEndian.Uint16(ip[4:]), binary.BigEndian.Uint16(ip[6:])
	} else {
		from, to = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
	}
	d.flow = newFlow(netip.AddrPortFrom(from, binary.BigEndian.Uint16(ip[n:])), netip.AddrPortFrom(to, binary.BigEndian.Uint16(ip[n+2:])))
	d.payload = ip[n+8:]
	return d
}

// vectors are packets of hardware and of Linux's rxe, and two that were computed by hand, from the header of IP on.
var vectors = map[string]string{
	"CNP of an adapter": "ip:45c2003c718c4000401191610a0011010a001201 udp:000012b700280000 bth:8100ffff4000011800000000 zero:00*16 icrc:82fd002a",
	"ACK over IPv4":     "ip:450000300000400040110000c0000201c0000202 udp:12b712b7001c0000 bth:1140ffff0000001100000100 aeth:1f000001 icrc:789bc712",
	"ACK over IPv6":     "ip:60000000001c114020010db8+00*11+0120010db8+00*11+02 udp:12b712b7001c0000 bth:1140ffff0000001100000100 aeth:1f000001 icrc:8c94f0ff",
	"Write of nothing":  "ip:4500003c142b4000401112840a0000020a000001 udp:d98112b700280000 op:0a flags:00 pkey:ffff r:00 dqp:000011 a:80 psn:d8ad42 va:00*8 rkey:00000000 dlen:00000000 icrc:2db179a3",
	"Send":              "ip:4500005014444000401112570a0000020a000001 udp:e18612b7003c0000 op:04 flags:00 pkey:ffff r:00 dqp:000012 a:80 psn:201aff payload:c1+00*6+01300001+00*25 icrc:ed5f0474",
}

func TestICRCVectors(t *testing.T) {
	tables := newICRCTables()
	for name, v := range vectors {
		ip := golden.Bytes(t, v)
		if got := whole(ip); got != binary.LittleEndian.Uint32(ip[len(ip)-4:]) {
			t.Errorf("%s: the test computes %08x", name, got)
		}
		d := apart(ip)
		if !d.flow.check(tables, d.payload, d.id, d.fragment) {
			t.Errorf("%s: refused", name)
		}
		if !d.flow.six && !d.flow.explained(tables, d.payload) {
			t.Errorf("%s: no identification explains it", name)
		}
		// What may change on the way changes nothing.
		d.payload[4] ^= 0xC0
		if !d.flow.check(tables, d.payload, d.id, d.fragment) {
			t.Errorf("%s: refused when it is marked", name)
		}
		for i := range 8 * len(d.payload) {
			if i/8 == 4 {
				continue
			}
			d.payload[i/8] ^= 1 << (i % 8)
			if d.flow.check(tables, d.payload, d.id, d.fragment) || !d.flow.six && d.flow.explained(tables, d.payload) {
				t.Errorf("%s: taken with bit %d wrong", name, i)
			}
			d.payload[i/8] ^= 1 << (i % 8)
		}
	}
}

// TestICRCCapture: the ICRC of every packet that rxe has sent is what is computed here.
func TestICRCCapture(t *testing.T) {
	tables := newICRCTables()
	for name, want := range map[string]int{"srp-rxe": 3720, "iser-rxe": 3583, "iser-rxe-9000": 1299} {
		all := golden.Capture(t, "../ib/testdata/"+name+".txt.gz")
		if len(all) != want {
			t.Errorf("%s: %d packets", name, len(all))
		}
		for i, p := range all {
			d := apart(p.Bytes)
			if !d.flow.check(tables, d.payload, d.id, d.fragment) || !d.flow.explained(tables, d.payload) {
				t.Fatalf("%s %d: refused: %x", name, i, p.Bytes)
			}
		}
	}
}

// random is a packet of n bytes of UDP with a right ICRC, from the header of IP on.
func random(r *rand.Rand, six bool, n int) []byte {
	var ip []byte
	if six {
		ip = make([]byte, 48+n)
		fill(r, ip)
		ip[0] = 0x60 | ip[0]&15
		binary.BigEndian.PutUint16(ip[4:], uint16(n+8))
		ip[6] = 17
	} else {
		ip = make([]byte, 28+n)
		fill(r, ip)
		ip[0] = 0x45
		binary.BigEndian.PutUint16(ip[2:], uint16(n+28))
		ip[6], ip[7], ip[9] = 0x40, 0, 17
	}
	binary.BigEndian.PutUint16(ip[len(ip)-n-4:], uint16(n+8))
	binary.LittleEndian.PutUint32(ip[len(ip)-4:], whole(ip))
	return ip
}

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// Packets of all lengths, in pieces of any size, have the CRC that the annex says; each identification explains the packet that has it, and a packet that is damaged is explained by one in 65536 times.
func TestICRCOfAll(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tables := newICRCTables()
	explained, tries := 0, 0
	for n := minDatagram; n <= maxDatagram; n += 4 {
		for _, six := range []bool{false, true} {
			ip := random(r, six, n)
			d := apart(ip)
			if !d.flow.check(tables, d.payload, d.id, d.fragment) {
				t.Fatalf("%d bytes, IPv6 %v: refused", n, six)
			}
			c := d.flow.start(tables, tables.of(n), d.id).bth(d.payload)
			for rest := d.payload[ib.BTHLen : n-4]; len(rest) > 0; {
				m := 1 + r.IntN(min(len(rest), 200))
				c = c.add(rest[:m])
				rest = rest[m:]
			}
			var b [4]byte
			if c.put(b[:]); !bytes.Equal(b[:], ip[len(ip)-4:]) {
				t.Fatalf("%d bytes in pieces: %x, want %x", n, b, ip[len(ip)-4:])
			}
			if six {
				continue
			}
			if !d.flow.explained(tables, d.payload) {
				t.Fatalf("%d bytes: no identification explains it", n)
			}
			if d.fragment = 0; d.flow.check(tables, d.payload, d.id, 0) {
				t.Fatal("taken with other flags")
			}
			ip[6] = 0x20
			binary.LittleEndian.PutUint32(ip[len(ip)-4:], whole(ip))
			if !d.flow.check(tables, d.payload, d.id, 0x2000) || d.flow.explained(tables, d.payload) {
				t.Fatal("flags are not looked at")
			}
			for range 500 {
				binary.LittleEndian.PutUint32(ip[len(ip)-4:], r.Uint32())
				if tries++; d.flow.explained(tables, d.payload) {
					explained++
				}
			}
		}
	}
	if explained > 40 { // 8 of half a million are expected
		t.Errorf("%d of %d wrong CRCs are explained", explained, tries)
	}
	for _, n := range []int{0, 4, minDatagram - 4, 17, maxDatagram + 4, 65536} {
		if f := (flow{}); f.check(tables, make([]byte, n), 0, 0) || f.explained(tables, make([]byte, n)) {
			t.Errorf("%d bytes are taken", n)
		}
	}
}

func TestICRCPad(t *testing.T) {
	for n := range 4 {
		if got, want := icrc(7).pad(n), icrc(7).add(make([]byte, n)); got != want {
			t.Errorf("%d bytes: %08x, want %08x", n, got, want)
		}
	}
}

func TestICRCAllocates(t *testing.T) {
	tables := newICRCTables()
	ip := random(rand.New(rand.NewPCG(1, 2)), false, 1024+32)
	from, to := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:4791")
	d := apart(ip)
	d.flow.explained(tables, d.payload)
	if n := testing.AllocsPerRun(100, func() {
		f := newFlow(from, to)
		f.check(tables, d.payload, 7, dontFragment)
		f.explained(tables, d.payload)
		f.start(tables, tables.of(len(d.payload)), 3).bth(d.payload).add(d.payload[12:]).pad(2).put(d.payload[:4])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzICRC(f *testing.F) {
	for _, v := range vectors {
		f.Add(golden.Bytes(f, v))
	}
	tables := newICRCTables()
	f.Fuzz(func(t *testing.T, ip []byte) {
		n := 40
		if len(ip) > 0 && ip[0]>>4 == 4 {
			n = 20
		}
		if len(ip) < n+8 {
			return
		}
		d := apart(ip)
		ok := d.flow.check(tables, d.payload, d.id, d.fragment)
		if ok && d.fragment == dontFragment && !d.flow.six && !d.flow.explained(tables, d.payload) {
			t.Error("right, and not explained")
		}
	})
}

func BenchmarkICRC(b *testing.B) {
	tables := newICRCTables()
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name string
		n    int
	}{{"ack", 20}, {"1k", 1024 + 32}, {"4k", 4096 + 32}} {
		d := apart(random(r, false, c.n))
		b.Run("check/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(c.n))
			for b.Loop() {
				d.flow.check(tables, d.payload, d.id, dontFragment)
			}
		})
		b.Run("explained/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(c.n))
			for b.Loop() {
				d.flow.explained(tables, d.payload)
			}
		})
	}
	from, to := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:4791")
	b.Run("flow", func(b *testing.B) {
		for b.Loop() {
			_ = newFlow(from, to)
		}
	})
	b.Run("length", func(b *testing.B) {
		for b.Loop() {
			newLength(1056)
		}
	})
}
