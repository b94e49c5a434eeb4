package message

// The length of an [Inflight]: the protocol has 20 bytes (Cloud Hypervisor sends them), QEMU 24.
const (
	inflightLen       = 20
	inflightPaddedLen = 24
)

// An Inflight is about the area where a back-end notes what it has in flight, so that the next one can go on: GET_INFLIGHT_FD, its reply, and SET_INFLIGHT_FD. The area is Size bytes at Offset of
// the file whose descriptor comes with the reply, and with SET_INFLIGHT_FD.
type Inflight struct {
	Size, Offset      uint64
	Queues, QueueSize uint16
	// Padded: it has 24 bytes. A reply is as long as what it answers.
	Padded bool
}

// ParseInflight reads the payload of a message of the type r.
func ParseInflight(r Request, b []byte) (i Inflight, err error) {
	if len(b) != inflightLen && len(b) != inflightPaddedLen {
		return i, Errorf(r, "the payload has %d bytes, neither %d nor %d", len(b), inflightLen, inflightPaddedLen)
	}
	return Inflight{u64(b), u64(b[8:]), u16(b[16:]), u16(b[18:]), len(b) == inflightPaddedLen}, nil
}

// Append appends the payload.
func (i Inflight) Append(dst []byte) []byte {
	dst = put16(put16(put64(put64(dst, i.Size), i.Offset), i.Queues), i.QueueSize)
	if i.Padded {
		dst = put32(dst, 0)
	}
	return dst
}
