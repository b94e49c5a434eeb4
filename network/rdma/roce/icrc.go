package roce

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"net/netip"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma/ib"
)

// The invariant CRC (annex A17.3.3): CRC-32 over eight bytes of ones, the headers of IP and UDP, the BTH, and all that follows, with ones in the place of what
// may change on the way. It is linear: the CRC of a datagram is that of its flow, plus what its length adds, plus what its identification adds.

const (
	// maxDatagram is the longest payload of UDP that a packet is: the longest headers, 4096 bytes and the ICRC.
	maxDatagram = ib.BTHLen + ib.AtomicETHLen + ib.ImmediateLen + 4096 + ib.ICRCLen
	minDatagram = ib.BTHLen + ib.ICRCLen
	// dontFragment is the flags and fragment offset of IPv4 that all datagrams of RoCE have.
	dontFragment = 0x4000
	// afterID and afterFragment are how many bytes of the headers of IPv4 and UDP follow identification and fragment offset.
	afterID       = 22
	afterFragment = 20
)

// An icrc is a CRC that is being computed.
type icrc uint32

// A flow is what the ICRCs of datagrams from one port to another have in common.
type flow struct {
	base icrc // of the headers of IP and UDP, their lengths and the identification being zero
	six  bool
}

// newFlow is the flow from one port to another. Their addresses are of one family; IPv4 is not mapped.
func newFlow(from, to netip.AddrPort) flow {
	var b [8 + 40 + 8]byte // more than the headers of IPv4 have
	for i := range 8 {
		b[i] = 0xFF
	}
	if from.Addr().Is4() {
		h := b[8:36]
		copy(h, []byte{0x45, 0xFF, 0, 0, 0, 0, dontFragment >> 8, dontFragment & 0xFF, 0xFF, 17, 0xFF, 0xFF})
		s, d := from.Addr().As4(), to.Addr().As4()
		copy(h[12:], s[:])
		copy(h[16:], d[:])
		return flow{base: ports(b[:36], from, to)}
	}
	h := b[8:]
	copy(h, []byte{0x6F, 0xFF, 0xFF, 0xFF, 0, 0, 17, 0xFF})
	s, d := from.Addr().As16(), to.Addr().As16()
	copy(h[8:], s[:])
	copy(h[24:], d[:])
	return flow{base: ports(b[:], from, to), six: true}
}

// ports fills in the header of UDP at the end of b, and is the CRC of all of it.
func ports(b []byte, from, to netip.AddrPort) icrc {
	h := b[len(b)-8:]
	binary.BigEndian.PutUint16(h, from.Port())
	binary.BigEndian.PutUint16(h[2:], to.Port())
	h[6], h[7] = 0xFF, 0xFF
	return icrc(0).short(b)
}

// icrcTables has what depends on the lengths of datagrams. It is filled as lengths are seen, and takes 80 KiB at the most. It may be used by many goroutines.
type icrcTables struct {
	ids     [2][256]uint32 // what the bytes of an identification add
	lengths [maxDatagram/4 + 1]atomic.Pointer[length]
}

// A length is what is the same for all datagrams of one length.
type length struct {
	adds [2]icrc // to the base of a flow: IPv4, IPv6
	// unexplained are masks: a difference of CRCs that some identification makes has an even number of ones under each.
	unexplained [16]uint32
}

func newICRCTables() *icrcTables {
	t := new(icrcTables)
	for i := range 256 {
		t.ids[0][i] = multiply(uint32(i), power(8*(afterID+2)))
		t.ids[1][i] = multiply(uint32(i)<<8, power(8*(afterID+2)))
	}
	return t
}

// of is the length of n bytes; nil: no packet has that.
func (t *icrcTables) of(n int) *length {
	if n < minDatagram || n > maxDatagram || n&3 != 0 {
		return nil
	}
	if l := t.lengths[n/4].Load(); l != nil {
		return l
	}
	l := newLength(n)
	t.lengths[n/4].Store(l)
	return l
}

func newLength(n int) *length {
	l := new(length)
	// What differs from zero in the headers: the length of IPv4 with 24 bytes behind, that of the payload of IPv6 with 42, and that of UDP with 2.
	udp := swapped(n + 8)
	l.adds[0] = icrc(multiply(swapped(n+28), power(8*(24+2))) ^ multiply(udp, power(8*(2+2))))
	l.adds[1] = icrc(multiply(udp, power(8*(42+2))) ^ multiply(udp, power(8*(2+2))))
	// An identification is added to the lower half of the register; then it and n-4+afterID bytes shift it. So a difference, shifted back, has a lower
	// half alone. Each bit of the upper half is the parity of some bits of the difference.
	back := power(-8 * (n - ib.ICRCLen + afterID + 2))
	for i := range 32 {
		for upper := multiply(1<<i, back) >> 16; upper != 0; upper &= upper - 1 {
			l.unexplained[bits.TrailingZeros32(upper)] |= 1 << i
		}
	}
	return l
}

// swapped is a length of 16 bits as the CRC sees it: the first byte in the lowest bits.
func swapped(n int) uint32 { return uint32(bits.ReverseBytes16(uint16(n))) }

// start is the CRC of the headers of IP and UDP of a datagram of a length, with identification id if it is IPv4.
func (f *flow) start(t *icrcTables, l *length, id uint16) icrc {
	if f.six {
		return f.base ^ l.adds[1]
	}
	return f.base ^ l.adds[0] ^ icrc(t.ids[0][id>>8]^t.ids[1][id&0xFF])
}

// check reports that the ICRC of a packet is right: b is the payload of UDP. id and fragment are of the header of IPv4; they do not matter for IPv6.
func (f *flow) check(t *icrcTables, b []byte, id, fragment uint16) bool {
	l := t.of(len(b))
	if l == nil {
		return false
	}
	c := f.start(t, l, id)
	if fragment != dontFragment && !f.six {
		c ^= icrc(multiply(swapped(int(fragment^dontFragment)), power(8*(afterFragment+2))))
	}
	return c.packet(b) == received(b)
}

// explained reports that the ICRC of a packet is right with some identification: 16 of its bits are checked. The packet came by IPv4, whole, and with Don't Fragment.
func (f *flow) explained(t *icrcTables, b []byte) bool {
	l := t.of(len(b))
	if l == nil {
		return false
	}
	d := uint32(f.start(t, l, 0).packet(b) ^ received(b))
	odd := 0
	for _, m := range &l.unexplained {
		odd |= bits.OnesCount32(d & m)
	}
	return odd&1 == 0
}

// received is the ICRC at the end of a packet.
func received(b []byte) icrc { return icrc(binary.LittleEndian.Uint32(b[len(b)-ib.ICRCLen:])) }

// packet adds all of a packet but its ICRC.
func (c icrc) packet(b []byte) icrc {
	return c.bth(b).add(b[ib.BTHLen : len(b)-ib.ICRCLen])
}

// bth adds the BTH that b starts with.
func (c icrc) bth(b []byte) icrc {
	c = c.word(binary.LittleEndian.Uint32(b))
	c = c.word(binary.LittleEndian.Uint32(b[4:]) | 0xFF)
	return c.word(binary.LittleEndian.Uint32(b[8:]))
}

// add adds what follows the BTH, all of it or a piece.
func (c icrc) add(b []byte) icrc {
	if len(b) <= 2*4 {
		return c.short(b)
	}
	return icrc(crc32.Update(uint32(c), crc32.IEEETable, b))
}

// pad adds n bytes of padding.
func (c icrc) pad(n int) icrc {
	for range n {
		c = ^icrc(words[0][byte(^c)] ^ uint32(^c)>>8)
	}
	return c
}

// put writes the ICRC to b.
func (c icrc) put(b []byte) { binary.LittleEndian.PutUint32(b, uint32(c)) }

// short adds some bytes. Unlike add it does not make b escape.
func (c icrc) short(b []byte) icrc {
	for ; len(b) >= 4; b = b[4:] {
		c = c.word(binary.LittleEndian.Uint32(b))
	}
	for _, v := range b {
		c = ^icrc(words[0][byte(^c)^v] ^ uint32(^c)>>8)
	}
	return c
}

// word adds four bytes, the first of them in the lowest bits.
func (c icrc) word(w uint32) icrc {
	v := uint32(^c) ^ w
	return ^icrc(words[3][v&0xFF] ^ words[2][v>>8&0xFF] ^ words[1][v>>16&0xFF] ^ words[0][v>>24])
}

// words are CRCs of one byte with none to three bytes of zero behind.
var words = func() (t [4][256]uint32) {
	for i := range 256 {
		t[0][i] = crc32.IEEETable[i]
	}
	for k := 1; k < 4; k++ {
		for i, v := range t[k-1] {
			t[k][i] = t[0][v&0xFF] ^ v>>8
		}
	}
	return t
}()

// Numbers of 32 bits are polynomials modulo that of CRC-32 in what follows, the highest bit being the constant. What a register holds is multiplied by x with each bit
// that is added.

// one is the polynomial 1, and order how often x has to be multiplied by itself to be 1: the polynomial of CRC-32 is primitive.
const (
	one   = 1 << 31
	order = 1<<32 - 1
)

// multiply is the product of two polynomials.
func multiply(a, b uint32) (p uint32) {
	for ; a != 0; a <<= 1 {
		if a&one != 0 {
			p ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return p
}

// power is x to the power of n, which may be less than 0.
func power(n int) uint32 {
	p, square := uint32(one), uint32(one>>1)
	for e := uint32((int64(n)%order + order) % order); e != 0; e >>= 1 {
		if e&1 != 0 {
			p = multiply(p, square)
		}
		square = multiply(square, square)
	}
	return p
}
