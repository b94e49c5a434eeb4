package tcp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// build makes vectors of the front of the queue. t.mu is held.
func (t *sender) build() {
	t.size = 0
	for t.head < len(t.q) && t.b.Room(pduVectors, perPDU) {
		it := t.q[t.head]
		switch {
		case it.enable != nil:
			t.params = *it.enable
			t.waiting.Add(-1)
		case it.p != nil:
			t.m.h.Stamp(&it.p.BHS, it.p.Owner)
			it.p.BHS.SetDataSegmentLength(len(it.p.Data))
			t.b.Append(it.p.BHS[:])
			t.header(&it.p.BHS)
			t.segment(it.p.Data)
			t.size += len(it.p.Data)
		default:
			if !t.dataIn(it.x) {
				return
			}
		}
		if it.enable == nil {
			t.done = append(t.done, it)
		}
		t.q[t.head] = item{}
		if t.head++; t.head == len(t.q) {
			t.q, t.head = t.q[:0], 0
		}
	}
	if t.head > 1024 { // the queue never got empty
		t.q = t.q[:copy(t.q, t.q[t.head:])]
		t.head = 0
	}
}

// header counts a PDU, and puts what follows its header.
func (t *sender) header(h *pdu.BHS) {
	t.count.PDUsOut++
	if t.params.HeaderDigest {
		pdu.HeaderDigest(h, nil).Put(t.b.Extend(pdu.DigestLen))
	}
}

// segment puts a data segment that does not change, and what follows it.
func (t *sender) segment(data []byte) {
	if len(data) == 0 {
		return
	}
	t.b.Append(data)
	var d pdu.Digest
	if t.params.DataDigest {
		d = d.Add(data)
	}
	t.trailer(len(data), d)
}

// trailer puts padding and digest of a segment of n bytes.
func (t *sender) trailer(n int, d pdu.Digest) {
	clear(t.b.Extend(pdu.PadLen(n)))
	if t.params.DataDigest {
		d.AddPadding(n).Put(t.b.Extend(pdu.DigestLen))
	}
}

// dataIn puts PDUs of x until x is done (true) or the batch is full.
func (t *sender) dataIn(x *iscsi.Transfer) bool {
	for x.Moved < x.Len {
		n := int(min(x.Len-x.Moved, int64(t.params.MaxSend)))
		if rest := t.params.MaxBurst - int(x.Moved)%t.params.MaxBurst; n > rest {
			n = rest
		}
		pieces := pieces(x.Data, x.At+x.Moved, n)
		staged := t.params.DataDigest || pieces > maxPieces
		if staged {
			pieces = 1
		}
		if !t.b.Room(pieces+2, perPDU) || staged && !t.b.StageRoom(n) {
			return false
		}
		last := x.Moved+int64(n) == x.Len
		d := pdu.DataIn{
			ITT: x.ITT, TTT: pdu.NoTag, BufferOffset: x.Offset + uint32(x.Moved),
			Final: last || (int(x.Moved)+n)%t.params.MaxBurst == 0,
		}
		if last && x.Status {
			d.HasStatus, d.Status = true, x.SCSI
			d.Overflow, d.Underflow, d.Residual = x.Overflow, x.Underflow, x.Residual
		}
		h := (*pdu.BHS)(t.b.Extend(pdu.HeaderLen))
		d.Put(h)
		h.SetDataSegmentLength(n)
		t.m.h.Stamp(h, x.Owner)
		t.header(h)
		t.trailer(n, t.payload(x, n, staged))
		x.Moved += int64(n)
		t.size += n
	}
	return true
}

// hot is how much is copied and digested at a time: it is still in the first cache.
const hot = 16 << 10

// maxPieces is in how many vectors the data of one PDU may lie.
const maxPieces = 64

// pieces is in how many pieces n bytes of l lie.
func pieces(l *buffer.Lease, at int64, n int) int {
	if l.Segments() == 1 {
		return 1
	}
	k := 0
	for ; n > 0; k++ {
		m := min(len(l.At(at)), n)
		at += int64(m)
		n -= m
	}
	return k
}

// payload puts n bytes of x. With a data digest they are copied first: the memory may be a
// store's own, which another command may change between the digest and the send.
func (t *sender) payload(x *iscsi.Transfer, n int, staged bool) (d pdu.Digest) {
	at := x.At + x.Moved
	if staged {
		b := t.b.Stage(n)
		t.count.Copied += int64(n)
		if t.params.DataDigest {
			t.count.Digested += int64(n)
		}
		for off := 0; off < n; off += hot {
			piece := b[off:min(n, off+hot)]
			x.Data.Read(at+int64(off), piece)
			if t.params.DataDigest {
				d = d.Add(piece)
			}
		}
		return d
	}
	for n > 0 {
		b := x.Data.At(at)
		b = b[:min(len(b), n)]
		t.b.Append(b)
		at += int64(len(b))
		n -= len(b)
	}
	return 0
}
