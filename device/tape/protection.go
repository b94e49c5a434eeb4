package tape

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/lunette-io/lunette/buffer"
)

// Methods of logical block protection (SSC-5 8.3.9, mode page 0Ah/F0h).
const (
	protectNone        = 0
	protectReedSolomon = 1 // ECMA-319 annex D, most significant byte first
	protectCRC32C      = 2 // least significant byte first
)

// guardLen is how long the protection information of a block is.
const guardLen = 4

// guards compute the protection information of blocks.
type guards struct {
	castagnoli *crc32.Table
	solomon    *[8][256]uint32 // by how many bytes follow; nil if the drive does not have the method
}

// newGuards makes the tables for the methods.
func newGuards(methods []byte) guards {
	g := guards{castagnoli: crc32.MakeTable(crc32.Castagnoli)}
	if !slices.Contains(methods, protectReedSolomon) {
		return g
	}
	// The generator polynomial is x^4 + a^201 x^3 + a^246 x^2 + a^201 x + 1 over GF(256) with the field polynomial 11Dh; a^201 is
	// 38h and a^246 is CFh.
	t := new([8][256]uint32)
	for i := range 256 {
		t[0][i] = uint32(multiply(i, 0x38))<<24 | uint32(multiply(i, 0xcf))<<16 | uint32(multiply(i, 0x38))<<8 | uint32(i)
	}
	for k := 1; k < 8; k++ {
		for i := range 256 {
			r := t[k-1][i]
			t[k][i] = r<<8 ^ t[0][r>>24]
		}
	}
	g.solomon = t
	return g
}

// multiply is the product in GF(256) with the field polynomial 11Dh.
func multiply(a, b int) (p int) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		if a <<= 1; a&0x100 != 0 {
			a ^= 0x11d
		}
	}
	return p
}

// of is the guard of n bytes at off of l, as it lies behind the block. Memory of l is only read.
func (g *guards) of(method byte, l *buffer.Lease, off, n int64) (guard [guardLen]byte) {
	var sum uint32
	for n > 0 {
		b := l.At(off)
		if int64(len(b)) > n {
			b = b[:n]
		}
		if method == protectReedSolomon {
			sum = g.reedSolomon(sum, b)
		} else {
			sum = crc32.Update(sum, g.castagnoli, b)
		}
		off += int64(len(b))
		n -= int64(len(b))
	}
	if method == protectReedSolomon {
		binary.BigEndian.PutUint32(guard[:], sum)
	} else {
		binary.LittleEndian.PutUint32(guard[:], sum)
	}
	return guard
}

// reedSolomon goes on with the sum of what came before b.
func (g *guards) reedSolomon(sum uint32, b []byte) uint32 {
	t := g.solomon
	for ; len(b) >= 8; b = b[8:] {
		sum ^= binary.BigEndian.Uint32(b)
		low := binary.BigEndian.Uint32(b[4:])
		sum = t[7][sum>>24] ^ t[6][sum>>16&0xff] ^ t[5][sum>>8&0xff] ^ t[4][sum&0xff] ^
			t[3][low>>24] ^ t[2][low>>16&0xff] ^ t[1][low>>8&0xff] ^ t[0][low&0xff]
	}
	for _, c := range b {
		sum = sum<<8 ^ t[0][byte(sum>>24)^c]
	}
	return sum
}

// right reports that the guard behind the n bytes at off is theirs.
func (g *guards) right(method byte, l *buffer.Lease, off, n int64) bool {
	var have [guardLen]byte
	l.Read(off+n, have[:])
	return have == g.of(method, l, off, n)
}
