package tcp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// build makes vectors of the front of the queue. The lock is held.
func (t *sender) build() {
	t.n, t.used, t.staged, t.size = 0, 0, 0, 0
	for t.head < len(t.q) && t.roomFor(3) {
		it := t.q[t.head]
		switch {
		case it.enable != nil:
			t.params = *it.enable
		case it.p != nil:
			t.m.h.Stamp(&it.p.BHS, it.p.Owner)
			it.p.BHS.SetDataSegmentLength(len(it.p.Data))
			t.put(&it.p.BHS, nil)
			t.put2(it.p.Data)
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

// roomFor reports whether the batch has room for a PDU of n vectors of data.
func (t *sender) roomFor(n int) bool {
	return t.n+n+2 <= maxSend && t.used+perPDU <= slabLen
}

func (t *sender) vector(b []byte) {
	if len(b) > 0 {
		t.out.iov[t.n] = tcp.Vector(b)
		t.n++
	}
}

// put puts a header, which is in h or already at the end of the slab, and its digest.
func (t *sender) put(h *pdu.BHS, inSlab []byte) {
	t.count.PDUsOut++
	if inSlab == nil {
		t.vector(h[:])
		if t.params.HeaderDigest {
			d := t.out.slab[t.used : t.used+pdu.DigestLen]
			t.used += pdu.DigestLen
			pdu.HeaderDigest(h, nil).Put(d)
			t.vector(d)
		}
		return
	}
	if t.params.HeaderDigest {
		inSlab = inSlab[:pdu.HeaderLen+pdu.DigestLen]
		pdu.HeaderDigest(h, nil).Put(inSlab[pdu.HeaderLen:])
		t.used += pdu.DigestLen
	}
	t.vector(inSlab)
}

// put2 puts a data segment that does not change, padded, and its digest.
func (t *sender) put2(data []byte) {
	if len(data) == 0 {
		return
	}
	t.vector(data)
	var d pdu.Digest
	if t.params.DataDigest {
		d = d.Add(data)
	}
	t.trailer(len(data), d)
}

// trailer puts padding and digest of a segment of n bytes.
func (t *sender) trailer(n int, d pdu.Digest) {
	at := t.used
	for range pdu.PadLen(n) {
		t.out.slab[t.used] = 0
		t.used++
	}
	if t.params.DataDigest {
		d.AddPadding(n).Put(t.out.slab[t.used:])
		t.used += pdu.DigestLen
	}
	t.vector(t.out.slab[at:t.used])
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
			if t.out.stage == nil {
				t.out.stage = make([]byte, stageLen)
			}
		}
		if !t.roomFor(pieces) || (staged && t.staged+n > stageLen) {
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
		b := t.out.slab[t.used : t.used+pdu.HeaderLen]
		h := (*pdu.BHS)(b)
		t.used += pdu.HeaderLen
		d.Put(h)
		h.SetDataSegmentLength(n)
		t.m.h.Stamp(h, x.Owner)
		t.put(h, t.out.slab[t.used-pdu.HeaderLen:t.used:slabLen])
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
		b := t.out.stage[t.staged : t.staged+n]
		t.staged += n
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
		t.vector(b)
		return d
	}
	for n > 0 {
		b := x.Data.At(at)
		b = b[:min(len(b), n)]
		t.vector(b)
		at += int64(len(b))
		n -= len(b)
	}
	return 0
}
