package socket

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/lunette-io/lunette/network/udp"
)

// Headers of IPv4 (RFC 791, 3.1) without options, and of UDP (RFC 768).
const (
	ipLen         = 20
	headersLen    = ipLen + 8
	moreFragments = 0x2000
	offsetMask    = 0x1fff
	ecnMask       = 3
	ecnCE         = 3 // congestion experienced (RFC 3168, 5)
)

// A verdict is what becomes of a packet.
type verdict uint8

const (
	good    verdict = iota
	damaged         // a header or the checksum is wrong
	tooLong
	inside // good, from a sender that is on this host or in a guest of it. It may be several datagrams in one piece; how long each is nobody knows
	merged // the same, and too long for one
	others // not to this host alone
)

// parse reads an IPv4 packet of n bytes with a UDP datagram into p, which lies in b then; b is as much of it as there was room for, all if it is not too long.
// The kernel has checked the header of IP; it is looked at here as if it had not.
func parse(b []byte, n, longest int, p *udp.Packet) verdict {
	if len(b) < headersLen || n < len(b) || b[0] != 4<<4|5 || b[9] != 17 {
		return damaged
	}
	be := binary.BigEndian
	fragment := be.Uint16(b[6:])
	if int(be.Uint16(b[2:])) != n || fragment&(moreFragments|offsetMask) != 0 || int(be.Uint16(b[ipLen+4:])) != n-ipLen {
		return damaged
	}
	from, to := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	if to.IsMulticast() || to == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return others
	}
	// The sum of a packet that has not been on a wire is that of the pseudo header alone: an adapter would have added the rest. One in 65536 of those that have
	// been has that sum by chance, and is right.
	pseudo := sum(b[12:ipLen], uint64(n-ipLen)+17)
	check := be.Uint16(b[ipLen+6:])
	right := check == 0 || n == len(b) && fold(sum(b[ipLen:], pseudo)) == 0xffff
	local := !right && check == fold(pseudo)
	if n-headersLen > longest || n > len(b) {
		if local {
			return merged
		}
		return tooLong
	}
	if !right && !local {
		return damaged
	}
	*p = udp.Packet{
		Local: netip.AddrPortFrom(to, be.Uint16(b[ipLen+2:])), Remote: netip.AddrPortFrom(from, be.Uint16(b[ipLen:])),
		Data: b[headersLen:len(b):len(b)], Congested: b[1]&ecnMask == ecnCE,
	}
	if local {
		return inside
	}
	p.Identified, p.ID, p.Fragment = true, be.Uint16(b[4:]), fragment
	return good
}

// sum adds the 16-bit words of b to a sum, as the Internet's checksum has them (RFC 1071). Eight bytes are added at a time, with what is carried.
func sum(b []byte, s uint64) uint64 {
	var carry uint64
	for len(b) >= 32 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[8:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[16:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var rest [8]byte
	copy(rest[:], b)
	s, carry = bits.Add64(s, binary.BigEndian.Uint64(rest[:]), carry)
	s, carry = bits.Add64(s, 0, carry)
	return s + carry
}

// fold makes a sum of 16 bits of it.
func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
