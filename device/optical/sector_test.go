package optical

import (
	"encoding/binary"
	"math/bits"
	"testing"
)

// multiply is multiplication in GF(2⁸), by shifting and adding.
func multiply(a, b byte) (p byte) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		carry := a & 0x80
		if a <<= 1; carry != 0 {
			a ^= 0x1d
		}
	}
	return p
}

// A sector is what ECMA-130 says: the codes have no syndrome, computed in another way than they are made.
func TestSectorCodes(t *testing.T) {
	c := newCodes()
	for _, lba := range []uint64{0, 1, 16, 4500, 333000} {
		var s [sectorLength]byte
		for i := range BlockSize {
			s[userAt+i] = byte(uint64(i*i+7*i)*(lba+3)>>2) ^ byte(lba)
		}
		c.fill(&s, lba)
		if lba == 16 && [4]byte(s[12:16]) != [4]byte{0, 2, 0x16, 1} {
			t.Errorf("header %x", s[12:16])
		}
		// EDC: the sector is a multiple of the polynomial, bits in the order in which they are written.
		rest := uint32(0)
		for _, b := range s[:edcAt+4] {
			for i := range 8 {
				top := rest >> 31
				rest = rest<<1 | uint32(b>>i&1)
				if top != 0 {
					rest ^= 0x8001801b
				}
			}
		}
		if rest != 0 {
			t.Errorf("LBA %d: EDC %08x leaves %08x", lba, binary.LittleEndian.Uint32(s[edcAt:]), bits.Reverse32(rest))
		}
		word := func(w, plane int) byte { return s[syncLength+2*w+plane] }
		check := func(name string, n int, symbol func(i int) byte) {
			var sum, weighted byte
			for i := range n {
				sum ^= symbol(i)
				weighted = multiply(weighted, 2) ^ symbol(i)
			}
			if sum != 0 || weighted != 0 {
				t.Errorf("LBA %d: %s: syndromes %02x %02x", lba, name, sum, weighted)
			}
		}
		for plane := range 2 {
			for n := range 43 {
				check("P", 26, func(i int) byte { return word(43*i+n, plane) })
			}
			for n := range 26 {
				check("Q", 45, func(i int) byte {
					if i < 43 {
						return word((44*i+43*n)%1118, plane)
					}
					return word(26*i+n, plane)
				})
			}
		}
	}
}
