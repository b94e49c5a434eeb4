package iwarp

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// Receiving. Whenever the engine calls Receive,
//
//  1. one receive takes what the socket has: into the batch buffer, or, while the payload of a
//     large tagged segment is arriving, straight into its place (place.go);
//  2. all FPDUs that are complete in the batch buffer are handled in place (handle.go);
//  3. what was queued meanwhile is sent with one call.
//
// While the data of a large Read is to come no more is received into the batch buffer than
// what is known not to be of that data. Nothing waits.
type receiver struct {
	c     *Conn
	b     *batch
	mem   []byte // of b
	r, w  int    // mem[r:w] is received and not yet handled
	need  int    // bytes from r on that are needed to go on
	rest  []byte // the begin of an FPDU while there is no batch buffer
	iov   []unix.Iovec
	asked int  // bytes that iov takes
	take  int  // how much one receive takes into the batch buffer: see window
	full  bool // the last receive took as much
	large bool // a large segment was in it
	fpdus int  // that were handled since
	late  int  // bytes that were thrown away after the end

	seg     segment
	placing bool // the last receive went to where the payload goes
	behind  bool // and what comes behind that to the batch buffer
	guess   int  // FPDUs that the next receive may guess
	msn     [queues]uint32
	msg     *[]byte // a message of which a part is here
	mo      uint32  // how much of it
	open    bool    // a Write of several segments has not come to its end

	heard   bool // an FPDU has come
	swallow bool // the first message is an RTR message

	ended bool
	err   error // why, if ended
}

// early is the size from which on the payload of a segment is placed before all of it is here,
// whatever it is of. Smaller ones are waited for: copying them once costs less than a system
// call.
const early = 8 << 10

// narrow is how much a receive takes into the batch buffer after, and behind, a large segment.
const narrow = 256

// maxLate is how much is received and thrown away before an orderly end.
const maxLate = 1 << 20

// restLen is how much of an FPDU a connection keeps without a batch buffer.
const restLen = 16 << 10

func (v *receiver) init(c *Conn) {
	v.c, v.take, v.need, v.guess = c, batchSize, minLen, minGuess
	v.msn = [queues]uint32{1, 1, 1}
}

// Receive implements tcp.Handler.
func (c *Conn) Receive(fd uintptr) tcp.Next {
	c.tx.Hold()
	next := c.recv.receive(fd)
	c.tx.Release()
	return next
}

// receive receives and handles that. While large segments arrive, of which one receive brings
// few, it goes on, so that the answers leave together.
func (v *receiver) receive(fd uintptr) tcp.Next {
	c := v.c
	for total := 0; ; {
		n, err := v.attempt(fd)
		switch {
		case tcp.Again(err):
			return tcp.Nothing
		case err != nil:
			return v.end(fmt.Errorf("%w: receive: %w", rdma.ErrLost, err))
		case n == 0:
			return v.end(v.cut())
		case c.ending.Load():
			if v.late += n; v.late > maxLate { // this peer does not want to hear our last words
				tcp.Reset(fd) // they may not have left
				return v.end(nil)
			}
			return tcp.More
		}
		all := n < v.asked
		total += n
		v.fpdus = 0
		if bad := v.took(n); bad != nil {
			c.fail(bad)
			return tcp.More
		}
		one := v.fpdus == 1 && !v.large
		v.window()
		switch {
		case all && one:
			return tcp.One
		case all:
			return tcp.All
		case v.asked >= batchSize || total >= batchSize:
			return tcp.More
		}
	}
}

func (v *receiver) end(err error) tcp.Next {
	v.ended, v.err = true, err
	return tcp.End
}

// cut says what the end of the peer's direction means: between messages it is the orderly end.
func (v *receiver) cut() error {
	c := v.c
	if c.ending.Load() {
		return nil // it was decided before
	}
	c.mem.mu.Lock()
	w := c.mem.reads.head
	part := w != nil && w.Moved > 0
	c.mem.mu.Unlock()
	if part || v.w > v.r || v.seg.active || v.msg != nil || v.open {
		return fmt.Errorf("%w in a message: %w", rdma.ErrLost, io.ErrUnexpectedEOF)
	}
	return nil
}

// attempt is one receive.
func (v *receiver) attempt(fd uintptr) (int, error) {
	c := v.c
	if v.b == nil {
		v.b = c.buffers.in.Get().(*batch)
		v.mem, v.r, v.w = v.b.mem, 0, copy(v.b.mem, v.rest)
		if v.rest = v.rest[:0]; cap(v.rest) > 4<<10 {
			v.rest = nil
		}
	}
	n, err := v.fill(fd)
	c.count.receives.Add(1)
	if tcp.Again(err) {
		c.count.again.Add(1)
	}
	c.count.bytesIn.Add(int64(n))
	return n, err
}

// fill receives.
func (v *receiver) fill(fd uintptr) (int, error) {
	m := &v.c.mem
	m.filling.Lock()
	defer m.filling.Unlock()
	m.mu.Lock()
	v.vectors()
	m.mu.Unlock()
	return v.c.recvMsg(fd, v.iov)
}

// vectors says where the next bytes go. c.mem.mu is held.
func (v *receiver) vectors() {
	v.iov, v.asked = v.b.iov[:0], 0
	switch {
	case v.c.ending.Load():
		v.vector(v.mem)
		return
	case v.r == v.w:
		v.r, v.w = 0, 0
	}
	if v.placing = v.seg.left > 0 && v.places(); v.placing {
		return
	}
	room := v.mem[v.w:]
	v.vector(room[:min(len(room), v.room())])
}

func (v *receiver) vector(b []byte) {
	v.iov = append(v.iov, tcp.Vector(b))
	v.asked += len(b)
}

// room is how much a receive may take into the batch buffer. c.mem.mu is held.
func (v *receiver) room() int {
	have := v.w - v.r
	reads := &v.c.mem.reads
	switch {
	case reads.big == 0:
		return max(v.take, v.need-have)
	case v.seg.active || v.need > minLen: // what is needed, and the header that follows it
		return v.need - have + minLen
	}
	return int(min(reads.ahead(), batchSize)) + minLen - have
}

// took handles n received bytes.
func (v *receiver) took(n int) *TerminateError {
	if v.placing {
		if bad := v.placed(n); bad != nil {
			return bad
		}
	} else {
		v.full = n >= v.take
		v.w += n
	}
	return v.advance()
}

// window decides how much the next receive takes into the batch buffer. Many small FPDUs
// are best received with one call; but what is received of a large segment before its header
// was seen must be copied to its place. So after a large one little is taken, and more again
// when that was full of small ones.
func (v *receiver) window() {
	switch {
	case v.large:
		v.take = narrow
	case v.full:
		v.take = min(2*v.take, batchSize)
	}
	v.large, v.full = false, false
}

// advance handles what is in the batch buffer.
func (v *receiver) advance() *TerminateError {
	for !v.c.ending.Load() {
		again, bad := v.next()
		if bad != nil || !again {
			return bad
		}
		v.c.tx.Flush() // if much is queued: a batch may hold thousands of messages
	}
	return nil
}

// next handles an FPDU, or what has come of one. again: there may be another.
func (v *receiver) next() (again bool, bad *TerminateError) {
	if v.seg.active {
		if !v.rests() {
			return false, nil
		}
		return true, v.finish()
	}
	return v.handle()
}

// fit says that n bytes from r on are needed, and makes room for them. No FPDU is longer
// than the batch buffer.
func (v *receiver) fit(n int) {
	v.need = n
	if v.r+n > len(v.mem) {
		v.w = copy(v.mem, v.mem[v.r:v.w])
		v.r = 0
	}
}

// Idle implements tcp.Handler: it gives the batch buffer back while there is nothing to
// receive, unless much of an FPDU is in it.
func (c *Conn) Idle() {
	v := &c.recv
	if v.b == nil {
		return
	}
	if !c.ending.Load() {
		if v.w-v.r > restLen {
			return
		}
		v.rest = append(v.rest[:0], v.mem[v.r:v.w]...)
	}
	v.release()
}

// release gives the buffer back; it holds nothing.
func (v *receiver) release() {
	if v.b != nil {
		clear(v.b.iov[:])
		v.iov = nil
		v.c.buffers.in.Put(v.b)
		v.b, v.mem, v.r, v.w = nil, nil, 0, 0
	}
	if v.c.ending.Load() {
		v.noMessage()
	}
}

// noMessage gives the buffer of a message back.
func (v *receiver) noMessage() {
	if v.msg != nil {
		*v.msg = (*v.msg)[:0]
		v.c.buffers.messages.Put(v.msg)
		v.msg, v.mo = nil, 0
	}
}
