package tcp

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A segment is a data segment that is arriving in pieces.
type segment struct {
	left    int // data bytes still to come
	tail    int // padding and digest still to come
	pad     int
	digest  pdu.Digest
	check   bool
	trailer [7]byte // padding and digest as received
	got     int     // bytes of it
	head    pdu.BHS // for a Reject, if check

	final    bool // last PDU of its sequence
	solicit  bool // Data-Out that answers an R2T
	anything bool // a segment is arriving
}

// placed accounts for n received bytes that went to the place of the segment, and
// returns how many went to the batch buffer.
func (v *receiver) placed(n int) int {
	s, m := &v.seg, v.m
	m.mu.Lock()
	x := m.placing
	for i := 0; i < v.place && n > 0; i++ {
		k := min(int(v.iov[i].Len), n)
		if s.check && x != nil { // the memory is ours to read only as long as x is
			s.digest = s.digest.Add(unsafeBytes(v.iov[i], k))
			m.digested.Add(int64(k))
		}
		s.left -= k
		n -= k
		m.dataOut.Add(int64(k))
		if x != nil {
			x.Moved += int64(k)
		}
	}
	m.mu.Unlock()
	return n
}

// finish takes what the batch buffer has of the arriving segment. more says that the
// segment is not complete.
func (v *receiver) finish() (more bool, err error) {
	s, m := &v.seg, v.m
	if s.left > 0 {
		k := min(s.left, v.w-v.r)
		piece := v.mem[v.r : v.r+k]
		m.mu.Lock()
		if x := m.placing; x != nil {
			if take := min(int64(k), x.Len-x.Moved); take > 0 {
				x.Data.Copy(x.At+x.Moved, piece[:take])
				x.Moved += take
				m.copied.Add(take)
			}
		}
		m.mu.Unlock()
		if s.check {
			s.digest = s.digest.Add(piece)
		}
		v.r += k
		m.dataOut.Add(int64(k))
		if s.left -= k; s.left > 0 {
			return true, nil
		}
	}
	for s.tail > 0 {
		if v.r == v.w {
			return true, nil
		}
		s.trailer[s.got] = v.mem[v.r]
		s.got++
		s.tail--
		v.r++
	}
	bad := s.check && !s.digest.Add(s.trailer[:s.pad]).Matches(s.trailer[s.pad:])
	s.anything = false
	v.segmentDone(bad)
	return false, nil
}

// segmentDone ends an arriving segment: its transfer is given back when it is complete.
func (v *receiver) segmentDone(bad bool) {
	m := v.m
	m.mu.Lock()
	x := m.placing
	m.placing = nil
	if x == nil {
		m.mu.Unlock()
		return
	}
	if bad {
		m.reject(pdu.RejectDataDigest, &v.seg.head)
		if x.Failed == nil {
			x.Failed = iscsi.ErrDataDigest
		}
	}
	if v.seg.solicit {
		if !v.seg.final {
			m.mu.Unlock()
			return // more Data-Outs of the sequence follow
		}
		if x.Moved != x.Len && x.Failed == nil {
			x.Failed = iscsi.ErrDataAmount
		}
		m.forget(x)
	}
	err := x.Failed
	m.mu.Unlock()
	m.h.DataMoved(x, err)
}

// Accept implements iscsi.Mover.
func (m *Mover) Accept(x *iscsi.Transfer) (done bool, err error) {
	v := &m.recv
	x.Moved, x.Failed = 0, nil
	if v.in.Pending > 0 {
		m.mu.Lock()
		m.placing = x // finish copies what is here, and the rest is received in place
		m.mu.Unlock()
		return false, nil
	}
	x.Moved = min(x.Len, int64(len(v.in.Data)))
	if x.Moved > 0 {
		x.Data.Copy(x.At, v.in.Data[:x.Moved])
		m.copied.Add(x.Moved)
	}
	if v.in.BadDigest {
		m.reject(pdu.RejectDataDigest, &v.seg.head)
		return true, iscsi.ErrDataDigest
	}
	return true, nil
}

// solicited takes a Data-Out that answers an R2T (RFC 7143 11.7). One that answers none,
// because the task was aborted, is thrown away: the initiator may have sent it before
// it knew.
func (v *receiver) solicited(h *pdu.BHS) {
	m := v.m
	out, err := pdu.ParseDataOut(h)
	n := int64(len(v.in.Data) + v.in.Pending)
	m.mu.Lock()
	x := m.lookup(out.TTT)
	if x == nil {
		m.mu.Unlock()
		return
	}
	switch {
	case x.Failed != nil:
	case err != nil || out.ITT != x.ITT || out.DataSN != x.Expect || out.BufferOffset != x.Offset+uint32(x.Moved):
		x.Failed = iscsi.ErrDataSequence
	case x.Moved+n > x.Len:
		x.Failed = iscsi.ErrDataAmount
	}
	if x.Failed == nil {
		x.Failed = x.Data.Fill() // the memory is leased now that data comes
	}
	x.Expect++
	v.seg.solicit = true
	if x.Failed == nil {
		m.placing = x
	}
	if v.seg.anything {
		if m.placing == nil && out.Final {
			m.forget(x) // its data is skipped, and it was the last
			m.mu.Unlock()
			m.h.DataMoved(x, x.Failed)
			return
		}
		m.mu.Unlock()
		return
	}
	if x.Failed == nil {
		x.Data.Copy(x.At+x.Moved, v.in.Data)
		x.Moved += n
		m.copied.Add(n)
	}
	if x.Failed != nil && out.Final {
		m.forget(x)
		m.mu.Unlock()
		m.h.DataMoved(x, x.Failed)
		return
	}
	good := x.Failed == nil
	m.mu.Unlock()
	if good {
		v.segmentDone(v.in.BadDigest)
	}
}

// reject sends a Reject for a data PDU; the session rejects all others.
func (m *Mover) reject(reason pdu.RejectReason, h *pdu.BHS) {
	p := m.Control()
	pdu.Reject{Reason: reason}.Put(&p.BHS)
	p.Data, p.Echo = append(p.Room[:0], h[:]...), true
	m.SendControl(p)
}

func unsafeBytes(v unix.Iovec, n int) []byte { return unsafe.Slice(v.Base, n) }
