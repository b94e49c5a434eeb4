package iwarp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// A Conn is the rdma.Conn of iWARP: it owns a socket.
type Conn struct {
	sock    tcp.Socket
	h       rdma.Handler
	buffers *buffers
	info    rdma.Info
	crc     bool
	opts    rdma.Options

	recv receiver
	tx   sender
	mem  memory
	rtr  rdma.Work // the RTR message that an initiator begins with (RFC 6581 9.2)

	mu     sync.Mutex
	over   bool        // finish was called
	cause  error       // what it was called with: why the connection ends
	muted  error       // why nothing can be sent any more, if that was found before
	linger *time.Timer // closes the socket when the end takes too long
	ending atomic.Bool // what still arrives is thrown away

	count counters

	// The functions of package tcp, and others in tests.
	recvMsg func(fd uintptr, iov []unix.Iovec) (int, error)
	sendMsg func(fd uintptr, iov []unix.Iovec) (int, error)
}

// newConn makes a connection of tc after the handshake, by which both sides have agreed on t. It
// takes tc unless it returns an error.
func newConn(d *Device, tc *tcp.Conn, t terms, o *rdma.Options, initiator bool) (*Conn, error) {
	info := rdma.Info{Provider: "iwarp", Local: tc.LocalAddr(), Remote: tc.RemoteAddr(), Reads: t.reads}
	if err := tc.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	sock, err := d.conf.Engine.Attach(tc)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", rdma.ErrExhausted, err)
	}
	limit := d.conf.MaxFPDU
	if limit == 0 {
		if terr := sock.Try(func(fd uintptr) { limit, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) }); terr != nil {
			err = terr
		}
		if err != nil {
			_ = sock.Close()
			return nil, fmt.Errorf("%w: %w", rdma.ErrLost, err)
		}
		if limit > longestSegment {
			limit = longestFPDU
		}
	}
	c := makeConn(d, sock, t, o, limit)
	c.info = info
	if initiator {
		c.begin(t.rtr)
	} else {
		c.recv.swallow = t.rtr == RTRSend
		c.tx.silent = true
	}
	return c, nil
}

// makeConn makes a connection of a socket, which sends FPDUs of limit bytes at most.
func makeConn(d *Device, sock tcp.Socket, t terms, o *rdma.Options, limit int) *Conn {
	c := &Conn{sock: sock, buffers: &d.buffers, crc: t.crc, opts: *o, recvMsg: tcp.RecvMsg, sendMsg: tcp.SendMsg}
	c.opts.Private = nil
	c.info.Reads = t.reads
	c.mem.windows.Init(d.conf.MaxWindows, nil)
	c.recv.init(c)
	c.tx.init(c, t, limit)
	return c
}

// begin queues the RTR message of an initiator.
func (c *Conn) begin(r RTR) {
	switch r {
	case RTRSend:
		c.rtr.Op = rdma.Send
	case RTRWrite:
		c.rtr.Op = rdma.Write
	case RTRRead:
		c.rtr.Op = rdma.Read
	default:
		return
	}
	c.Post(&c.rtr)
}

// Start implements rdma.Conn.
func (c *Conn) Start(h rdma.Handler) {
	c.h = h
	c.tx.begin()
	c.sock.Start(c)
	c.tx.Flush()
}

// MayBlock implements tcp.Handler: an rdma.Handler does not wait.
func (c *Conn) MayBlock() bool { return false }

// done gives w back to whoever has posted it; the RTR message is our own.
func (c *Conn) done(w *rdma.Work, err error) {
	if w != &c.rtr {
		c.h.Done(w, err)
	}
}

// linger is how long the end of a connection waits for the peer to take what is queued and to
// close its direction: a close with unread bytes resets the connection, and the peer may lose
// our last words.
const linger = 2 * time.Second

// An ending is how a connection ends.
type ending uint8

const (
	orderly ending = iota // what was posted is sent, then our direction ends
	failed                // a Terminate is sent, then our direction ends
	broken                // a Terminate is sent if the socket takes it now
	dropped               // nothing is sent
)

// Close implements rdma.Conn.
func (c *Conn) Close(err error) {
	if c.h == nil { // it was not started: no work is posted, and nobody waits for Closed
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		c.tx.refuse()
		c.mem.close()
		_ = c.sock.Close() // it may be closed already
		return
	}
	if err == nil {
		c.finish(nil, orderly)
		return
	}
	c.finish(fmt.Errorf("%w: %w", rdma.ErrClosed, err), broken)
}

// fail ends the connection because of an error of the peer.
func (c *Conn) fail(e *TerminateError) { c.finish(e, failed) }

// finish ends the connection. The first call decides how.
func (c *Conn) finish(err error, how ending) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.over, c.cause = true, err
	c.expire()
	c.mu.Unlock()
	c.tx.finish(how, err)
	c.ending.Store(true) // after the Terminate was queued: a receive that throws too much away closes the socket
}

// expire sets the time after which the socket is closed, whatever the peer does. mu is held.
func (c *Conn) expire() {
	if c.linger == nil {
		c.linger = time.AfterFunc(linger, c.tx.expire)
	}
}

// mute notes that nothing can be sent any more. What the peer has sent before is still received: its
// Terminate may say why.
func (c *Conn) mute(err error) {
	c.mu.Lock()
	if !c.over {
		c.muted = fmt.Errorf("%w: send: %w", rdma.ErrLost, err)
		c.expire()
	}
	c.mu.Unlock()
}

// Ended implements tcp.Handler: nothing is received any more.
func (c *Conn) Ended(err error) {
	_ = c.sock.Close() // it may be closed already
	c.tx.halt()        // whoever sends may find an error, and notes it in muted
	c.mu.Lock()
	muted := c.muted
	c.mu.Unlock()
	switch {
	// The system reports a reset once. If sending has found it, receiving finds an end that looks
	// orderly. (Sending after an orderly end of the peer fails with EPIPE, not with ECONNRESET.)
	case c.recv.ended && (c.recv.err != nil || !errors.Is(muted, unix.ECONNRESET)):
		err = c.recv.err
	case muted != nil:
		err = muted
	default:
		err = fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	c.finish(err, dropped)
	c.ending.Store(true) // another goroutine may be in finish, and not have set it yet
	c.mu.Lock()
	err = c.cause
	c.linger.Stop()
	c.mu.Unlock()
	flushed := rdma.ErrFlushed
	if err != nil {
		flushed = fmt.Errorf("%w: %w", rdma.ErrFlushed, err)
	}
	back := c.tx.stop()
	c.recv.release()
	c.mem.close()
	for w := c.mem.reads.pop(); w != nil; w = c.mem.reads.pop() {
		c.done(w, flushed)
	}
	for back != nil {
		w := back
		back, w.Next = w.Next, nil
		c.done(w, flushed)
	}
	c.h.Closed(err)
}

// Info implements rdma.Conn.
func (c *Conn) Info() rdma.Info { return c.info }

// Counters are what is counted without a lock.
type counters struct {
	messagesIn, messagesOut, writes, reads, bytesIn, placed, receives,
	again, copied, copiedPlaced atomic.Int64
	unfinished atomic.Bool // see rdma.Stats
}

// Stats implements rdma.Conn.
func (c *Conn) Stats() rdma.Stats {
	n, sent := &c.count, c.tx.Stats()
	s := rdma.Stats{
		MessagesIn: n.messagesIn.Load(), MessagesOut: n.messagesOut.Load(), Writes: n.writes.Load(), Reads: n.reads.Load(),
		BytesIn: n.bytesIn.Load(), BytesOut: sent.Bytes, Placed: n.placed.Load(), Receives: n.receives.Load(),
		Sends: sent.Calls, ReceiveAgain: n.again.Load(), Blocked: sent.Blocked,
		Copied: n.copied.Load(), CopiedPlaced: n.copiedPlaced.Load(),
	}
	s.Queued, s.BytesQueued, s.Asked = c.tx.queued()
	s.Unfinished = n.unfinished.Load()
	return s
}
