package tcp

import (
	"errors"
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Receiving. Whenever the engine calls Receive,
//
//  1. one receive takes what the socket has: into the batch buffer, or, while the data
//     segment of a large PDU is arriving, straight into its place, with the batch buffer
//     behind it for what follows;
//  2. all PDUs that are complete in the batch buffer are handled in place;
//  3. a large data segment of which a part is here is handled early: the handler says
//     where it goes (Accept), the part is copied, the rest is received in place by 1;
//  4. what was queued meanwhile is sent with one call.
//
// Nothing waits. When too much is queued the rest of the batch stays where it is, and the
// connection receives no more until the queue is shorter.
type receiver struct {
	m     *Mover
	b     *batch
	mem   []byte // b.mem, or a larger piece for a PDU that does not fit
	r, w  int    // mem[r:w] is received and not yet handled
	iov   []unix.Iovec
	rest  []byte // the begin of a PDU while there is no batch buffer
	late  int    // bytes that were thrown away after the end
	place int    // how many of iov are memory of the transfer that is being placed
	left  bool   // the batch was left for a shorter queue, or since its next PDU was not taken
	// stopped: the handler has not taken a PDU, and takes none before the connection is detached.
	stopped bool
	take    int   // how much one receive takes into the batch buffer: see window
	full    bool  // the last receive took as much
	large   bool  // a large data segment was in it
	pdus    int   // that were handled since
	err     error // why the connection ends
	charged int64 // for what is kept of a PDU that does not arrive
	seg     segment
	in      iscsi.Arrival
}

// early is the size from which on a data segment is handled before all of it is here.
// Smaller ones are waited for: copying them once costs less than a system call.
const early = 8 << 10

// narrow is how much a receive takes into the batch buffer after a large data segment.
const narrow = 256

// maxQueuedBytes and maxQueuedPDUs are how much may wait to be sent before the connection receives no more.
const (
	maxQueuedBytes = 4 << 20
	maxQueuedPDUs  = 4096
	// maxEchoes is that of answers which the initiator can ask for as often as it likes: one that is
	// long, or some short ones.
	maxEchoes = 16 << 10
)

// maxLate is how much is received and thrown away before an orderly end.
const maxLate = 1 << 20

// Receive implements tcp.Handler.
func (m *Mover) Receive(fd uintptr) tcp.Next {
	v := &m.recv
	for {
		m.tx.Hold()
		next := v.receive(fd)
		m.tx.Release()
		switch {
		case next == tcp.End:
			return next
		case v.stopped:
			return tcp.Pause
		case m.tx.pause():
			return tcp.Pause
		case !v.left: // else the queue is short again already
			return next
		}
	}
}

// receive receives once and handles that. While large data segments arrive, of which one
// receive brings one, it goes on, so that their answers leave together.
func (v *receiver) receive(fd uintptr) tcp.Next {
	m := v.m
	for total := 0; ; {
		all := false
		if !v.left || m.ending.Load() { // a connection that ends handles nothing more
			v.left = false
			n, err := v.attempt(fd)
			switch {
			case tcp.Again(err):
				return tcp.Nothing
			case err != nil:
				return v.end(fmt.Errorf("receive: %w", err))
			case n == 0:
				return v.end(io.EOF)
			case m.ending.Load():
				if v.r, v.w, v.late = 0, 0, v.late+n; v.late > maxLate {
					return v.end(io.EOF) // this peer does not want to hear our last words
				}
				return tcp.More
			}
			all = n < room(v.iov)
			v.took(n)
			total += n
			v.pdus = 0
		}
		v.left = false
		if err := v.advance(); err != nil {
			return v.end(err)
		}
		one := v.pdus == 1 && !v.large
		v.window()
		switch {
		case v.left:
			return tcp.More
		case all && one:
			return tcp.One
		case all:
			return tcp.All
		case v.take == batchSize || total >= batchSize:
			return tcp.More
		}
	}
}

// room is how much iov takes.
func room(iov []unix.Iovec) (n int) {
	for i := range iov {
		n += int(iov[i].Len)
	}
	return n
}

func (v *receiver) end(err error) tcp.Next {
	v.err = err
	return tcp.End
}

// attempt is one receive.
func (v *receiver) attempt(fd uintptr) (int, error) {
	m := v.m
	if v.b == nil {
		v.fetch()
	}
	n, err := v.fill(fd)
	m.receives.Add(1)
	if tcp.Again(err) {
		m.again.Add(1)
	}
	m.bytesIn.Add(int64(n))
	return n, err
}

// fill receives. While it may write to a transfer's memory, Cancel waits for it.
func (v *receiver) fill(fd uintptr) (int, error) {
	if v.seg.left > 0 {
		v.m.mu.Lock()
		defer v.m.mu.Unlock()
	}
	v.iov = v.vectors(v.b.iov[:0])
	return tcp.RecvMsg(fd, v.iov)
}

// vectors says where the next bytes go. If a data segment is arriving, v.m.mu is held.
func (v *receiver) vectors(iov []unix.Iovec) []unix.Iovec {
	if v.m.ending.Load() {
		return append(iov, tcp.Vector(v.mem))
	}
	if v.r == v.w {
		v.r, v.w = 0, 0
	}
	v.place = 0
	room := v.mem[v.w:]
	if s := &v.seg; s.left > 0 {
		left := s.left
		if x := v.m.placing; x != nil {
			for off := x.At + x.Moved; left > 0 && off < x.At+x.Len && len(iov) < maxVectors-1; {
				p := x.Data.At(off)
				p = p[:min(int64(len(p)), x.At+x.Len-off, int64(left))]
				iov = append(iov, tcp.Vector(p))
				off += int64(len(p))
				left -= len(p)
			}
			v.place = len(iov)
			if left > 0 && len(iov) == maxVectors-1 {
				return iov
			}
		}
		// What nobody wants goes to the batch buffer and is skipped there. Behind data that
		// is placed comes the trailer and one header: more would be data of the next PDU,
		// which then had to be copied.
		if left == 0 {
			room = room[:min(len(room), s.tail+pdu.HeaderLen)]
		}
	} else {
		room = room[:min(len(room), v.take)]
	}
	return append(iov, tcp.Vector(room))
}

// took accounts for n received bytes.
func (v *receiver) took(n int) {
	if v.seg.left > 0 {
		n = v.placed(n)
	}
	v.full = n >= v.take
	v.w += n
}

// window decides how much the next receive takes into the batch buffer. Many small PDUs
// are best received with one call; but what is received of a large data segment before its
// header was seen must be copied to its place. So after a large segment little is taken,
// and more again when that was full of small PDUs.
func (v *receiver) window() {
	switch {
	case v.large:
		v.take = narrow
	case v.full:
		v.take = min(2*v.take, batchSize)
	}
	v.large, v.full = false, false
}

// advance handles what has been received, as long as not too much is queued.
func (v *receiver) advance() error {
	for {
		if v.seg.anything {
			more, err := v.finish()
			if err != nil || more {
				return err
			}
		}
		again, err := v.handle()
		if err != nil || !again {
			return err
		}
		if v.m.tx.full() { // a batch may hold thousands of commands
			v.left = true
			return nil
		}
		if v.m.ending.Load() {
			return nil
		}
	}
}

// handle handles one PDU of the batch buffer. again: there may be another.
func (v *receiver) handle() (again bool, err error) {
	m := v.m
	have := v.mem[v.r:v.w]
	if len(have) < pdu.HeaderLen {
		return false, v.fit(pdu.HeaderLen)
	}
	h := (*pdu.BHS)(unsafe.Pointer(&have[0]))
	head := pdu.HeaderLen + h.TotalAHSLength()
	if m.params.HeaderDigest {
		head += pdu.DigestLen
	}
	if len(have) < head {
		return false, v.fit(head)
	}
	ahs := have[pdu.HeaderLen : pdu.HeaderLen+h.TotalAHSLength()]
	if m.params.HeaderDigest && !pdu.HeaderDigest(h, ahs).Matches(have[head-pdu.DigestLen:]) {
		return false, errors.New("header digest error") // ERL 0: the stream cannot be trusted
	}
	n := h.DataSegmentLength()
	if n > m.params.MaxRecv {
		return false, fmt.Errorf("%v with %d bytes of data, %d allowed", h.Opcode(), n, m.params.MaxRecv)
	}
	tail := pdu.PadLen(n)
	if m.params.DataDigest && n > 0 {
		tail += pdu.DigestLen
	}
	whole := len(have) >= head+n+tail
	op := h.Opcode()
	if n > early {
		v.large = true
	}
	if !whole && (n <= early || (op != pdu.OpDataOut && op != pdu.OpSCSICommand)) {
		return false, v.fit(head + n + tail)
	}
	m.pdusIn.Add(1)
	v.pdus++
	v.in = iscsi.Arrival{H: h, AHS: ahs}
	s := &v.seg
	*s = segment{tail: tail, left: n, pad: pdu.PadLen(n), check: m.params.DataDigest && n > 0, final: h.Final()}
	if s.check {
		s.head = *h
	}
	v.r += head
	if whole {
		s.left = 0
		v.in.Data = have[head : head+n]
		if op == pdu.OpDataOut {
			m.dataOut.Add(int64(n))
		}
		if s.check {
			m.digested.Add(int64(n))
			v.in.BadDigest = !pdu.DataDigest(v.in.Data).Matches(have[head+n+tail-pdu.DigestLen:])
		}
	} else {
		v.in.Data = have[head:min(len(have), head+n)]
		v.in.Pending = n - len(v.in.Data)
		s.anything = true
	}
	if op == pdu.OpDataOut && h.TTT() != pdu.NoTag {
		v.solicited(h)
	} else if !m.h.ControlArrived(&v.in) {
		m.pdusIn.Add(-1)
		v.r -= head
		v.left, v.stopped, s.anything = true, true, false
		return false, nil
	}
	if whole {
		v.r += n + tail
	}
	return true, nil
}

// fit makes room for n bytes from v.r on: the start of a PDU that is not complete.
func (v *receiver) fit(n int) error {
	if v.r+n <= len(v.mem) {
		return nil
	}
	if n <= len(v.b.mem) {
		v.w = copy(v.b.mem, v.mem[v.r:v.w])
		v.mem, v.r = v.b.mem, 0
		return nil
	}
	// Only a text or ping as large as MaxRecvDataSegmentLength comes here.
	mem := make([]byte, n+pdu.HeaderLen)
	v.w = copy(mem, v.mem[v.r:v.w])
	v.mem, v.r = mem, 0
	return nil
}
