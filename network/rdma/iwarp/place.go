package iwarp

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
	"github.com/lunette-io/lunette/network/tcp"
)

// Placing. The payload of a large tagged segment is received directly into the memory that it is
// for. The vector behind that memory takes what lies between two payloads (padding, CRC and the next
// header): it leads to a small piece of the batch (batch.side), or, where no data of a large Read can
// follow, to the batch buffer, which then takes a little more.
//
// The answer to a Read comes in segments that nearly always have the same size. So one receive
// guesses where the payloads of several segments go, and has a vector for each. A wrong guess does no
// harm: all of these vectors lead to memory of this Read, which the answer will fill anyway, and
// which the poster of the Read has lent to the connection until then. When the headers are here they
// are compared with the guess. From the first header on that differs, what was received is moved to
// the batch buffer and handled there. The connection never guesses what the peer writes into a window.

// A segment is a tagged segment whose payload is arriving.
type segment struct {
	active bool
	h      header
	head   [taggedLen]byte
	size   int // bytes of payload
	left   int // bytes of payload that have not come
	tail   int // bytes of padding and CRC
	sum    crc // of what has come

	read *rdma.Work      // the Read that a Read Response answers
	win  *windows.Window // the window that a Write with payload writes to
	off  int64           // where in the window's data the next byte goes
}

// minGuess is how many FPDUs a receive guesses at first. After a wrong guess the next receive guesses
// one.
const minGuess = 8

// early reports whether the payload of a tagged segment is placed before all of it is here.
func (v *receiver) early(h *header, n int) bool {
	if n > early {
		return true
	}
	if h.op != opReadResponse {
		return false
	}
	m := &v.c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads.head != nil && m.reads.head.Len >= bigRead
}

// begin finds out where the payload of a segment goes, and whether the peer may do that. The segment
// is the one that arrives from now on.
func (v *receiver) begin(h *header, n int) *TerminateError {
	m := &v.c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	s := segment{active: true, h: *h, size: n, left: n, tail: padLen(int(h.length)) + crcLen}
	var bad *TerminateError
	switch {
	case h.op == opReadResponse:
		s.read, bad = m.expect(h, n)
	case n > 0: // else nothing is looked up (RFC 5041 7.1)
		s.win, s.off, bad = m.reach(h.stag, h.to, int64(n), rdma.RemoteWrite)
	}
	if bad != nil {
		return bad
	}
	v.seg = s
	return nil
}

// arrive places what the batch buffer has of the segment that has just begun. have is its header and
// as much of its payload as is here.
func (v *receiver) arrive(h *header, have []byte, whole bool, size int) (again bool, bad *TerminateError) {
	s := &v.seg
	p := have[taggedLen:]
	copy(s.head[:], have)
	if v.c.crc && !whole {
		s.sum = s.sum.add(have)
	}
	v.copied(len(p))
	v.r += len(have)
	v.store(p)
	if whole { // the CRC is good
		v.r += s.tail
		return true, v.complete()
	}
	v.fit(s.tail)
	return v.next()
}

// copied counts n bytes of payload that were copied to their place.
func (v *receiver) copied(n int) {
	v.c.count.copied.Add(int64(n))
	v.c.count.copiedPlaced.Add(int64(n))
}

// store copies p, the next part of the payload, to its place.
func (v *receiver) store(p []byte) {
	s := &v.seg
	if s.read != nil {
		s.read.Data.Copy(s.read.At+s.read.Moved, p)
	} else if s.win != nil {
		m := &v.c.mem
		m.mu.Lock()
		if s.win.Key == s.h.stag { // else it was revoked: places says so
			s.win.Data.Copy(s.off, p)
		}
		m.mu.Unlock()
	}
	v.moved(len(p))
}

// moved accounts for n more bytes of payload that are in place.
func (v *receiver) moved(n int) {
	s := &v.seg
	s.left -= n
	s.off += int64(n)
	if s.read != nil {
		s.read.Moved += int64(n)
	}
	v.c.count.placed.Add(int64(n))
}

// places makes vectors of the memory that the payload is for. It returns false if that memory was
// revoked: then the batch buffer has to take the payload. v.c.mem.mu is held.
func (v *receiver) places() bool {
	s := &v.seg
	data, off := s.place()
	if data == nil {
		return false
	}
	if !v.memory(data, off, s.left) {
		return true
	}
	off += int64(s.left)
	if v.behind = v.small(); v.behind {
		v.vector(v.mem[:s.tail+narrow]) // it is empty
		return true
	}
	v.vector(v.b.side[0][:s.tail+minLen])
	if s.read == nil || s.h.last || s.tail != crcLen {
		return true
	}
	left := s.read.At + s.read.Len - off
	for i, total := 1, sideLen; i <= v.guess && left > 0; i++ {
		n := int(min(int64(s.size), left))
		if total += n + sideLen; total > batchSize || !v.memory(data, off, n) {
			break
		}
		off += int64(n)
		left -= int64(n)
		v.vector(v.b.side[i][:-n&3+crcLen+minLen])
	}
	return true
}

// small reports that no data of a large Read can follow the segment: a little of what follows may
// be received into the batch buffer, and copied from there. v.c.mem.mu is held.
func (v *receiver) small() bool {
	big := v.c.mem.reads.big
	if r := v.seg.read; r != nil && r.Len >= bigRead && v.seg.h.last {
		big-- // it ends here
	}
	return big == 0
}

// place is the memory that the rest of the payload goes to, and the offset in it; or nil if the
// window was revoked.
func (s *segment) place() (*buffer.Lease, int64) {
	switch {
	case s.read != nil:
		return s.read.Data, s.read.At + s.read.Moved
	case s.win.Key == s.h.stag:
		return s.win.Data, s.off
	}
	return nil, 0
}

// memory makes vectors of n bytes of data from off on. It returns false when there is no room for
// more vectors: then some of the n bytes may have theirs, and no other vector can follow.
func (v *receiver) memory(data *buffer.Lease, off int64, n int) bool {
	for n > 0 {
		if len(v.iov) >= maxVectors-1 {
			return false
		}
		p := data.At(off)
		p = p[:min(len(p), n)]
		v.vector(p)
		off += int64(len(p))
		n -= len(p)
	}
	return len(v.iov) < maxVectors
}

// placed accounts for n bytes that were received by the vectors that places has made.
func (v *receiver) placed(n int) *TerminateError {
	v.adapt(n)
	s := &v.seg
	for i := 0; ; {
		for s.left > 0 {
			k := min(int(v.iov[i].Len), n)
			if v.c.crc && !v.summed(bytesOf(&v.iov[i], k)) {
				return failure(causeKey, "the window of a Write was revoked").of(s.head[:])
			}
			v.moved(k)
			if n -= k; n == 0 {
				return nil
			}
			i++
		}
		if v.behind {
			v.r, v.w = 0, n
			v.fit(s.tail)
			return nil
		}
		side := bytesOf(&v.iov[i], min(int(v.iov[i].Len), n))
		if !v.guessed(side, i) {
			if n > len(side) { // a payload has come that is somewhere else
				v.guess = 1
			}
			v.gather(i, n)
			return nil
		}
		n -= len(side)
		i++
		head := side[len(side)-taggedLen:]
		if bad := v.verify(side[:s.tail]); bad != nil {
			return bad
		}
		*s = segment{active: true, h: parseHeader(head), size: s.size, read: s.read}
		s.size = s.h.payload()
		s.left, s.tail = s.size, padLen(int(s.h.length))+crcLen
		copy(s.head[:], head)
		if v.c.crc {
			s.sum = crc(0).add(head)
		}
		v.fpdus++
		if n == 0 {
			return nil
		}
	}
}

// summed adds p, which was just received in place, to the CRC. It returns false if the window was
// revoked: its memory may have been changed since, so that the CRC cannot be known.
func (v *receiver) summed(p []byte) bool {
	s := &v.seg
	if s.win != nil {
		m := &v.c.mem
		m.mu.Lock()
		defer m.mu.Unlock()
		if s.win.Key != s.h.stag {
			return false
		}
	}
	s.sum = s.sum.add(p)
	return true
}

// guessed reports whether the guess was right for the next segment: side, which vector i has taken
// behind the payload of the current segment, ends with the header of the segment that comes next of
// the same Read, and that has the guessed size. Then its payload is already where it belongs.
func (v *receiver) guessed(side []byte, i int) bool {
	s := &v.seg
	if len(side) < s.tail+taggedLen || i+1 == len(v.iov) {
		return false
	}
	left := s.read.Len - s.read.Moved
	n := min(int64(s.size), left)
	want := header{length: uint16(taggedLen - lengthLen + n), tagged: true, last: n == left, ddp: version, rdmap: version, op: opReadResponse, stag: s.h.stag, to: uint64(s.read.Moved)}
	var b [taggedLen]byte
	want.put(b[:])
	return string(b[:]) == string(side[s.tail:])
}

// gather moves the last n received bytes, which the vectors from i on have taken, to the batch
// buffer.
func (v *receiver) gather(i, n int) {
	v.r, v.w = 0, 0
	total := 0
	for ; n > 0; i++ {
		k := min(int(v.iov[i].Len), n)
		v.w += copy(v.mem[v.w:], bytesOf(&v.iov[i], k))
		n -= k
		total += k
	}
	if total > sideLen { // more than what is always between two payloads
		v.copied(total - sideLen)
	}
	v.fit(v.seg.tail)
}

// adapt decides how many FPDUs the next receive guesses: about as many as come with one receive.
func (v *receiver) adapt(n int) {
	switch {
	case n == v.asked:
		v.guess = min(2*v.guess, maxGuess)
	case n < v.asked/2:
		v.guess = max(v.guess/2, minGuess)
	}
}

// rests places what the batch buffer has of the payload, and reports whether all of the segment is
// here.
func (v *receiver) rests() bool {
	s := &v.seg
	if s.left > 0 {
		p := v.mem[v.r:min(v.w, v.r+s.left)]
		if v.c.crc {
			s.sum = s.sum.add(p)
		}
		v.copied(len(p))
		v.r += len(p)
		v.store(p)
	}
	if s.left > 0 || v.w-v.r < s.tail {
		v.fit(s.tail)
		return false
	}
	return true
}

// finish checks the trailer of the segment, which is in the batch buffer, and ends the segment.
func (v *receiver) finish() *TerminateError {
	s := &v.seg
	bad := v.verify(v.mem[v.r : v.r+s.tail])
	v.r += s.tail
	if bad != nil {
		return bad
	}
	return v.complete()
}

// verify checks the CRC of the segment; tail is its padding and its CRC.
func (v *receiver) verify(tail []byte) *TerminateError {
	s := &v.seg
	pad := s.tail - crcLen
	if v.c.crc && !s.sum.add(tail[:pad]).matches(tail[pad:]) {
		return failure(causeCRC, "in an FPDU of %d bytes", binary.BigEndian.Uint16(s.head[:]))
	}
	return nil
}

// complete ends the segment: all of it is in place.
func (v *receiver) complete() *TerminateError {
	c, s := v.c, &v.seg
	h, read, win := s.h, s.read, s.win
	*s = segment{}
	v.need = minLen
	if read == nil {
		v.open = !h.last
		if win != nil {
			c.mem.mu.Lock()
			gone := win.Key != h.stag
			c.mem.mu.Unlock()
			if gone {
				return failure(causeKey, "the window of a Write was revoked").of(headBytes(&h))
			}
		}
		return nil
	}
	if h.last {
		c.mem.mu.Lock()
		c.mem.reads.pop()
		c.mem.mu.Unlock()
		c.tx.answered()
		c.done(read, nil)
	}
	return nil
}

func headBytes(h *header) []byte {
	b := make([]byte, h.len())
	h.put(b)
	return b
}

var _ tcp.Handler = (*Conn)(nil)
var _ rdma.Conn = (*Conn)(nil)
