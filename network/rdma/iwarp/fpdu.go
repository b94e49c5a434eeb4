package iwarp

import (
	"encoding/binary"
	"hash/crc32"
)

// FPDUs are the framing of MPA (RFC 5044 4). An FPDU has the length of the ULPDU that it carries, the
// ULPDU, padding to a multiple of four bytes, and four bytes for a CRC, which are there even if both
// sides have agreed not to compute it. We use no markers.
const (
	lengthLen = 2
	crcLen    = 4
	maxULPDU  = 1<<16 - 1
)

// padLen is the padding after a ULPDU of n bytes.
func padLen(n int) int { return -(lengthLen + n) & 3 }

// fpduLen is the length of an FPDU with a ULPDU of n bytes.
func fpduLen(n int) int { return lengthLen + n + padLen(n) + crcLen }

// crcTable is Castagnoli's polynomial (RFC 5044 4.4, as RFC 7143 uses it).
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// A crc is the CRC of an FPDU so far.
type crc uint32

func (c crc) add(b []byte) crc { return crc(crc32.Update(uint32(c), crcTable, b)) }

// put writes it as it is on the wire.
func (c crc) put(b []byte) { binary.LittleEndian.PutUint32(b, uint32(c)) }

func (c crc) matches(b []byte) bool { return binary.LittleEndian.Uint32(b) == uint32(c) }
