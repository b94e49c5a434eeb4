package iwarp

import "encoding/binary"

// A header is what an FPDU begins with: its length, and the header of a DDP segment (RFC 5041 4.1 to
// 4.3), whose second byte and the four bytes after it are RDMAP's (RFC 5040 4.1).
type header struct {
	length uint16 // of the ULPDU
	tagged bool
	last   bool
	ddp    byte // version
	rdmap  byte // version
	op     opcode
	stag   uint32 // of an untagged segment: the key that the message invalidates

	to uint64 // of a tagged segment

	qn, msn, mo uint32 // of an untagged segment
}

const (
	taggedLen   = 16 // with the length of the FPDU
	untaggedLen = 20
	minLen      = taggedLen // of any header

	version = 1 // of DDP and RDMAP

	bitTagged = 0x80
	bitLast   = 0x40
)

// Queues of untagged messages.
const (
	queueSend uint32 = iota
	queueRead
	queueTerminate
	queues
)

// len is the length of the header, with that of the FPDU.
func (h *header) len() int {
	if h.tagged {
		return taggedLen
	}
	return untaggedLen
}

// payload is how many bytes follow the header; it is negative if the segment is too short.
func (h *header) payload() int { return lengthLen + int(h.length) - h.len() }

// parseHeader parses a header: of an untagged segment untaggedLen bytes have to be there, of a
// tagged one taggedLen.
func parseHeader(b []byte) (h header) {
	h = header{
		length: binary.BigEndian.Uint16(b),
		tagged: b[2]&bitTagged != 0, last: b[2]&bitLast != 0, ddp: b[2] & 3,
		rdmap: b[3] >> 6, op: opcode(b[3] & 15),
		stag: binary.BigEndian.Uint32(b[4:]),
	}
	if h.tagged {
		h.to = binary.BigEndian.Uint64(b[8:])
	} else {
		h.qn, h.msn, h.mo = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:])
	}
	return h
}

// put writes h to b, which has h.len() bytes.
func (h *header) put(b []byte) {
	binary.BigEndian.PutUint16(b, h.length)
	b[2], b[3] = h.ddp, h.rdmap<<6|byte(h.op)
	if h.tagged {
		b[2] |= bitTagged
	}
	if h.last {
		b[2] |= bitLast
	}
	binary.BigEndian.PutUint32(b[4:], h.stag)
	if h.tagged {
		binary.BigEndian.PutUint64(b[8:], h.to)
		return
	}
	binary.BigEndian.PutUint32(b[8:], h.qn)
	binary.BigEndian.PutUint32(b[12:], h.msn)
	binary.BigEndian.PutUint32(b[16:], h.mo)
}
