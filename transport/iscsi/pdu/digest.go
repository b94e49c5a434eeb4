package pdu

import (
	"encoding/binary"
	"hash/crc32"
)

// DigestLen is the length of a header or data digest in bytes.
const DigestLen = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digest is a CRC32C being computed over any number of pieces; the zero value
// has seen nothing (RFC 7143 section 13.1).
type Digest uint32

// Add continues the digest over p.
func (d Digest) Add(p []byte) Digest {
	return Digest(crc32.Update(uint32(d), castagnoli, p))
}

// AddPadding continues the digest over the zero bytes that pad a segment of n
// bytes: data digests cover the padding.
func (d Digest) AddPadding(n int) Digest {
	return d.Add(Padding(n))
}

// Put writes the digest to the first 4 bytes of b in the order of the wire,
// which is little-endian.
func (d Digest) Put(b []byte) { binary.LittleEndian.PutUint32(b, uint32(d)) }

// Matches reports whether the first 4 bytes of b are this digest.
func (d Digest) Matches(b []byte) bool { return binary.LittleEndian.Uint32(b) == uint32(d) }

// HeaderDigest is the digest over a header and its additional headers, which
// may be empty.
func HeaderDigest(h *BHS, ahs []byte) Digest {
	return Digest(0).Add(h[:]).Add(ahs)
}

// DataDigest is the digest over a data segment in one piece and its padding.
func DataDigest(data []byte) Digest {
	return Digest(0).Add(data).AddPadding(len(data))
}
