package iwarp

import (
	"errors"
	"fmt"
	"math"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
	"github.com/lunette-io/lunette/network/tcp"
)

// A build is the state of the one who sends: the message that is being cut into FPDUs, and the batch
// that takes them.
type build struct {
	limits struct{ tagged, untagged int } // of payload in an FPDU
	msn    [queues]uint32                 // of the last message of each queue
	cur    message                        // the message that was begun
	turn   bool                           // the next message is an answer, if there is one

	b     *tcp.Batch        // the batch that is being filled or sent; nil while nothing is
	sent  works             // the works whose last byte is in the batch
	size  int               // bytes of works in the batch
	total int               // bytes of payload in the batch, of answers as well
	using []*windows.Window // the windows that the batch leads to
	bad   error             // why the connection has to end, if it has
}

// A message is one that is being sent.
type message struct {
	active bool
	op     opcode
	work   *rdma.Work      // nil for an answer to a Read of the peer
	win    *windows.Window // where the data of an answer is
	key    uint32          // of win, when the peer asked
	head   []byte
	data   *buffer.Lease
	at     int64 // where the message begins in data
	len    int64 // bytes of head and data
	moved  int64 // bytes of these that are in FPDUs
	stag   uint32
	to     uint64
}

// init says that an FPDU has limit bytes at most. As long as lengths are multiples of 8, only the
// last FPDU of a message has padding.
func (b *build) init(limit int) {
	limit = min(max(limit, minFPDU), longestFPDU-8) &^ 7
	b.limits.tagged = limit - taggedLen - crcLen
	b.limits.untagged = limit - untaggedLen - crcLen
}

// batch fills the batch from the front of the queues. t.mu is held.
func (t *sender) batch() {
	t.size, t.total = 0, 0
	switch {
	case t.shut && t.how != orderly:
		if t.last != nil {
			t.terminate()
			t.last = nil
		}
	case t.started && !t.silent:
		for t.bad == nil && t.total < maxBatch && t.b.Room(0, perFPDU) && (t.cur.active || t.next()) {
			if !t.segment() {
				break
			}
		}
	}
}

// next begins the next message. It returns false if there is none. t.mu is held.
func (t *sender) next() bool {
	if t.answers.n > 0 && (t.turn || t.queue.head == nil) {
		a := t.answers.front()
		t.cur = message{active: true, op: opReadResponse, win: a.win, key: a.key, at: a.at, len: a.size, stag: a.sink, to: a.sinkTO}
		t.turn = false
		return true
	}
	t.turn = true
	for w := t.queue.pop(); w != nil; w = t.queue.pop() {
		if w.Op == rdma.Read && t.shut { // nobody would take the answer
			t.flushed.push(w)
			continue
		}
		t.cur = message{active: true, work: w, data: w.Data, at: w.At, len: w.Len}
		m := &t.cur
		switch w.Op {
		case rdma.Write:
			m.op, m.stag, m.to = opWrite, uint32(w.Remote.Key), w.Remote.Addr
			t.c.count.writes.Add(1)
		case rdma.Read:
			m.op = opReadRequest
			t.c.count.reads.Add(1)
		default:
			inv := w.Op == rdma.SendInvalidate
			m.op = sendOp(w.Solicited, inv)
			if inv {
				m.stag = uint32(w.Invalidate)
			}
			m.head = w.Head
			m.len += int64(len(m.head))
			t.c.count.messagesOut.Add(1)
		}
		if m.len > math.MaxUint32 {
			t.bad = fmt.Errorf("%w: %d bytes", rdma.ErrLength, m.len)
			return false
		}
		if w.Op == rdma.Read && t.never {
			t.bad = fmt.Errorf("%w: a Read where none are agreed on", rdma.ErrClosed)
			return false
		}
		return true
	}
	return false
}

// segment puts the next FPDU of the message into the batch. It returns false if the batch has no room
// for it, or if the connection has to end. t.mu is held.
func (t *sender) segment() bool {
	m := &t.cur
	if m.op == opReadRequest {
		if !t.b.Room(1, 0) {
			return false
		}
		t.request(m.work)
		return true
	}
	h := header{tagged: m.op.tagged(), op: m.op, ddp: version, rdmap: version, stag: m.stag}
	most := t.limits.untagged
	if h.tagged {
		most = t.limits.tagged
	}
	n := int(min(m.len-m.moved, int64(most)))
	if m.win != nil && !t.use(m) {
		return false
	}
	pieces := 1
	if !t.c.crc {
		pieces, n = m.pieces(n)
	}
	if !t.b.Room(pieces+2, 0) || t.c.crc && !t.b.StageRoom(n) {
		return false
	}
	h.last = m.moved+int64(n) == m.len
	h.length = uint16(h.len() - lengthLen + n)
	if h.tagged {
		h.to = m.to + uint64(m.moved)
	} else {
		if m.moved == 0 {
			t.msn[queueSend]++
		}
		h.qn, h.msn, h.mo = queueSend, t.msn[queueSend], uint32(m.moved)
	}
	b := t.b.Extend(h.len())
	h.put(b)
	t.trailer(n, t.payload(m, n, crc(0), b))
	m.moved += int64(n)
	t.total += n
	if m.work != nil {
		t.size += n
	}
	if h.last {
		if m.work != nil {
			t.sent.push(m.work)
		} else {
			t.answers.pop()
		}
		*m = message{}
	}
	return true
}

// use borrows the window of an answer for the batch. It returns false if the window was revoked: then
// the connection has to end. t.mu is held.
func (t *sender) use(m *message) bool {
	mem := &t.c.mem
	mem.mu.Lock()
	defer mem.mu.Unlock()
	if m.win.Key != m.key {
		t.bad = failure(causeReadKey, "the window of a Read was revoked")
		return false
	}
	m.win.Users++
	m.data = m.win.Data
	t.using = append(t.using, m.win)
	return true
}

// maxPieces is in how many vectors the payload of one FPDU may lie.
const maxPieces = 128

// pieces is how many pieces of memory the next n bytes of m lie in, maxPieces at most, and how many
// bytes these pieces have.
func (m *message) pieces(n int) (int, int) {
	k, got := 0, 0
	for got < n && k < maxPieces {
		got += min(len(m.from(m.moved+int64(got))), n-got)
		k++
	}
	return k, got
}

// from is the piece of memory that has the bytes of m from off on.
func (m *message) from(off int64) []byte {
	if h := int64(len(m.head)); off < h {
		return m.head[off:]
	} else {
		return m.data.At(m.at + off - h)
	}
}

// hot is how much is copied and checked at a time: it is still in the first cache.
const hot = 16 << 10

// payload puts the next n bytes of m into the batch, and returns the CRC of the FPDU so far: sum, the
// header head, and these bytes. A connection with CRCs copies the bytes first: the memory may be a
// store's own, which another command may change between the CRC and the sending.
func (t *sender) payload(m *message, n int, sum crc, head []byte) crc {
	if !t.c.crc {
		for off := m.moved; n > 0; {
			b := m.from(off)
			b = b[:min(len(b), n)]
			t.b.Append(b)
			off += int64(len(b))
			n -= len(b)
		}
		return 0
	}
	sum = sum.add(head)
	if n == 0 {
		return sum
	}
	stage := t.b.Stage(n)
	t.c.count.copied.Add(int64(n))
	for done := 0; done < n; {
		k := copy(stage[done:min(n, done+hot)], m.from(m.moved+int64(done)))
		sum = sum.add(stage[done : done+k])
		done += k
	}
	return sum
}

// trailer puts the padding and the CRC of an FPDU with n bytes of payload. The lengths of headers are
// multiples of four, so that the padding depends on the payload alone.
func (t *sender) trailer(n int, sum crc) {
	pad := -n & 3
	b := t.b.Extend(pad + crcLen)
	clear(b)
	if t.c.crc {
		sum.add(b[:pad]).put(b[pad:])
	}
}

// request puts the FPDU that asks the peer for a Read. t.mu is held.
func (t *sender) request(w *rdma.Work) {
	r := readRequest{size: uint32(w.Len), source: uint32(w.Remote.Key), sourceTO: w.Remote.Addr}
	mem := &t.c.mem
	if w.Len >= bigRead {
		mem.filling.Lock() // a receive that has begun takes none of the answer, and may take as much as it likes
		defer mem.filling.Unlock()
	}
	mem.mu.Lock() // no answer is handled before the Read is known
	r.sink = mem.windows.Number()
	w.State = r.sink
	mem.reads.push(w)
	mem.mu.Unlock()
	t.msn[queueRead]++
	h := header{last: true, op: opReadRequest, ddp: version, rdmap: version, length: untaggedLen - lengthLen + readRequestLen, qn: queueRead, msn: t.msn[queueRead]}
	b := t.b.Extend(untaggedLen + readRequestLen)
	h.put(b)
	r.put(b[untaggedLen:])
	t.trailer(0, t.sum(b))
	t.asking++
	t.cur = message{}
}

// terminate puts the FPDU of the Terminate message. t.mu is held.
func (t *sender) terminate() {
	var mem [maxTerminate]byte
	p := t.last.append(mem[:0])
	h := header{last: true, op: opTerminate, ddp: version, rdmap: version, length: uint16(untaggedLen - lengthLen + len(p)), qn: queueTerminate, msn: 1}
	b := t.b.Extend(untaggedLen + len(p))
	h.put(b)
	copy(b[untaggedLen:], p)
	t.trailer(len(p), t.sum(b))
}

// sum is the CRC of b, which is a whole FPDU but for its trailer.
func (t *sender) sum(b []byte) crc {
	if !t.c.crc {
		return 0
	}
	return crc(0).add(b)
}

// lastWords makes the Terminate message that tells the peer of err.
func lastWords(err error) *terminate {
	var e *TerminateError
	if !errors.As(err, &e) || e.Peer {
		return &terminate{cause: causeLocal}
	}
	t := &terminate{cause: cause{e.Layer, e.Type, e.Code}}
	if len(e.head) > 0 {
		t.segment, t.length = true, uint16(e.head[0])<<8|uint16(e.head[1])
		t.ddp, t.rdmap = e.head[lengthLen:], e.request
	}
	return t
}
