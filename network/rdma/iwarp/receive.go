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
// While the answer to a large Read is outstanding, a receive takes no more into the batch buffer than
// what surely comes before the data of that Read: else that data would have to be copied. Nothing
// waits.
type receiver struct {
	c     *Conn
	b     *batch
	mem   []byte // of b
	r, w  int    // mem[r:w] is received and not yet handled
	need  int    // bytes from r on that have to be here before anything can be handled
	rest  []byte // the first bytes of an FPDU, while the connection has no batch buffer
	iov   []unix.Iovec
	asked int  // bytes that iov takes
	take  int  // bytes that one receive takes into the batch buffer: see window
	full  bool // the last receive has taken that many
	large bool // a large segment was in what the last receive has taken
	fpdus int  // that were handled since the last receive
	late  int  // bytes that were received after the end, and thrown away

	seg     segment
	placing bool           // the last receive had vectors that lead to the place of a payload
	behind  bool           // and the vector behind them led to the batch buffer
	guess   int            // FPDUs that the next receive may guess
	msn     [queues]uint32 // of the message that comes next, for each queue
	msg     *[]byte        // the first part of a message; nil if no message has come in part
	mo      uint32         // the length of that part
	open    bool           // the last segment of a Write of several segments has not come yet

	heard   bool // the first FPDU has come
	swallow bool // the first message is an RTR message, and not for the handler

	ended bool  // nothing is received any more
	err   error // why, if ended
}

// early is the size from which on the payload of a segment is placed before all of it is here. The
// connection waits for all of a smaller one: to copy it once costs less than a system call.
const early = 8 << 10

// narrow is how many bytes a receive takes into the batch buffer after, and behind, a large segment.
const narrow = 256

// maxLate is how many bytes a connection that ends receives and throws away, before it gives up
// waiting for the peer's end.
const maxLate = 1 << 20

func (v *receiver) init(c *Conn) {
	v.c, v.take, v.need, v.guess = c, batchSize, minLen, minGuess
	v.msn = [queues]uint32{1, 1, 1}
}

// Receive implements tcp.Handler.
func (c *Conn) Receive(fd uintptr) tcp.Next {
	c.tx.Hold()
	next := c.recv.receive(fd)
	if part := c.recv.part(); part != c.count.unfinished.Load() {
		c.count.unfinished.Store(part)
	}
	c.tx.Release()
	return next
}

// receive receives, and handles what has come. While large segments arrive, of which one call of the
// system brings few, it receives again, so that all answers leave together.
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
			if v.late += n; v.late > maxLate { // this peer sends on instead of reading our Terminate
				tcp.Reset(fd) // the Terminate may not have left
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

// cut says what it means that the peer has ended its direction of the stream: between two messages
// it is the orderly end of the connection, inside of a message it is a loss.
func (v *receiver) cut() error {
	c := v.c
	if c.ending.Load() {
		return nil // the connection was ending anyway
	}
	c.mem.mu.Lock()
	w := c.mem.reads.head
	part := w != nil && w.Moved > 0
	c.mem.mu.Unlock()
	if part || v.part() {
		return fmt.Errorf("%w in a message: %w", rdma.ErrLost, io.ErrUnexpectedEOF)
	}
	return nil
}

// part reports that something has come in part.
func (v *receiver) part() bool {
	return v.w > v.r || len(v.rest) > 0 || v.seg.active || v.msg != nil || v.open
}

// attempt makes sure that there is a batch buffer, and receives once.
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

// fill receives once, with the lock held that says so to those who revoke memory.
func (v *receiver) fill(fd uintptr) (int, error) {
	m := &v.c.mem
	m.filling.Lock()
	defer m.filling.Unlock()
	m.mu.Lock()
	v.vectors()
	m.mu.Unlock()
	return v.c.recvMsg(fd, v.iov)
}

// vectors says where the next receive puts what comes. v.c.mem.mu is held.
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

// room is how many bytes a receive may take into the batch buffer. v.c.mem.mu is held.
func (v *receiver) room() int {
	have := v.w - v.r
	reads := &v.c.mem.reads
	switch {
	case reads.big == 0:
		return max(v.take, v.need-have)
	case v.seg.active || v.need > minLen: // the rest of the FPDU, and the header that follows it
		return v.need - have + minLen
	}
	return int(min(reads.ahead(), batchSize)) + minLen - have
}

// took handles the n bytes that a receive has brought.
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

// window decides how many bytes the next receive takes into the batch buffer. Many small FPDUs
// are best received with one call. But what is received of a large segment before its header
// was seen has to be copied to its place. So after a large segment a receive takes little, and more
// again when that little was full of small FPDUs.
func (v *receiver) window() {
	switch {
	case v.large:
		v.take = narrow
	case v.full:
		v.take = min(2*v.take, batchSize)
	}
	v.large, v.full = false, false
}

// advance handles all that can be handled of what is in the batch buffer.
func (v *receiver) advance() *TerminateError {
	for !v.c.ending.Load() {
		again, bad := v.next()
		if bad != nil || !again {
			return bad
		}
		v.c.tx.Flush() // it sends if much is queued: a batch may hold thousands of messages
	}
	return nil
}

// next handles an FPDU, or as much of one as is here. again says that there may be another.
func (v *receiver) next() (again bool, bad *TerminateError) {
	if v.seg.active {
		if !v.rests() {
			return false, nil
		}
		return true, v.finish()
	}
	return v.handle()
}

// fit makes room for n bytes from r on, which have to be here before anything can be handled. No
// FPDU is longer than the batch buffer.
func (v *receiver) fit(n int) {
	v.need = n
	if v.r+n > len(v.mem) {
		v.w = copy(v.mem, v.mem[v.r:v.w])
		v.r = 0
	}
}

// Idle implements tcp.Handler: it gives the batch buffer back while there is nothing to
// receive. What is in it of an FPDU is kept in memory of just that size: whoever sends half of something
// and stops has no more of ours than that.
func (c *Conn) Idle() {
	v := &c.recv
	if v.b == nil {
		return
	}
	if !c.ending.Load() {
		v.rest = append(v.rest[:0], v.mem[v.r:v.w]...)
	}
	v.release()
}

// release gives the batch buffer back. Nothing is in it that is still needed.
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
