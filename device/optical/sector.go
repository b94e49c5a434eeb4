package optical

import "encoding/binary"

// What READ CD may ask of a sector in mode 1 (MMC-6 6.19, ECMA-130 14): its fields in the order in which they lie on the disc.
const (
	syncLength   = 12
	headerLength = 4
	codesLength  = 4 + 8 + 172 + 104 // EDC, zeros, P-parity, Q-parity
	sectorLength = syncLength + headerLength + BlockSize + codesLength
)

// Where they lie.
const (
	userAt = syncLength + headerLength
	edcAt  = userAt + BlockSize
	pAt    = edcAt + 12
	qAt    = pAt + 172
)

// A codes computes error detection and correction codes of CD sectors. It is a table of constants, made once for each drive.
type codes struct {
	edc [256]uint32 // by byte: the CRC of ECMA-130 14.3, least significant bit first
	exp [512]byte   // powers of α in GF(2⁸) with x⁸+x⁴+x³+x²+1
	log [256]byte
}

func newCodes() *codes {
	c := new(codes)
	for i := range c.edc {
		v := uint32(i)
		for range 8 {
			// (x¹⁶+x¹⁵+x²+1)(x¹⁶+x²+x+1), reflected.
			v = v>>1 ^ 0xd8018001*(v&1)
		}
		c.edc[i] = v
	}
	v := 1
	for i := range 255 {
		c.exp[i], c.exp[i+255] = byte(v), byte(v)
		c.log[v] = byte(i)
		if v <<= 1; v > 255 {
			v ^= 0x11d
		}
	}
	return c
}

// fill makes s, which has its user data, a whole sector: that of the block lba.
func (c *codes) fill(s *[sectorLength]byte, lba uint64) {
	s[0], s[11] = 0, 0
	for i := 1; i < 11; i++ {
		s[i] = 0xff
	}
	frame := lba + leadIn
	s[12], s[13], s[14], s[15] = bcd(frame/75/60), bcd(frame/75%60), bcd(frame%75), 1
	sum := uint32(0)
	for _, b := range s[:edcAt] {
		sum = sum>>8 ^ c.edc[byte(sum)^b]
	}
	binary.LittleEndian.PutUint32(s[edcAt:], sum)
	clear(s[edcAt+4 : pAt])
	// ECMA-130 annex A: all behind the sync field are words of two bytes, and each of the two planes is coded for itself. P goes down
	// 43 columns of 24 words, Q along 26 diagonals of 43.
	for plane := range 2 {
		at := func(word int) *byte { return &s[syncLength+2*word+plane] }
		for n := range 43 {
			p0, p1 := c.parity(24, func(m int) byte { return *at(43*m + n) })
			*at(43*24 + n), *at(43*25 + n) = p0, p1
		}
		for n := range 26 {
			q0, q1 := c.parity(43, func(m int) byte { return *at((44*m + 43*n) % 1118) })
			*at(1118 + n), *at(1144 + n) = q0, q1
		}
	}
}

// parity is the two last symbols of a Reed-Solomon code word of k symbols before them: the sum of all is 0, and so is the sum of
// each times a power of α that falls to 0 at the last.
func (c *codes) parity(k int, symbol func(int) byte) (p0, p1 byte) {
	var sum, weighted byte
	for i := range k {
		if v := symbol(i); v != 0 {
			sum ^= v
			weighted ^= c.exp[int(c.log[v])+k+1-i]
		}
	}
	if d := sum ^ weighted; d != 0 { // p0 = d / (α+1)
		p0 = c.exp[int(c.log[d])+255-int(c.log[3])]
	}
	return p0, sum ^ p0
}

// leadIn is how many sectors lie before that of block 0, whose time is 00:02:00.
const leadIn = 150

// bcd is a number up to 99 as two decimal digits. Larger ones have no code: a disc that long has hexadecimal digits there.
func bcd(n uint64) byte { return byte(n/10)<<4 | byte(n%10) }
