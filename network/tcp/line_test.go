package tcp_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// A line is a queue with a Sender, and the owner of its socket.
type line struct {
	tcp.Sender
	tb    testing.TB
	sock  tcp.Socket
	full  chan struct{} // each AwaitRoom
	ended chan struct{}
	bad   chan error // of Failed

	q      [][]byte
	iov    []unix.Iovec
	sent   int // of q, with the batch
	most   int // bytes of a batch
	done   int
	using  bool // the batch's buffers
	inside int  // calls of the queue at a time
}

// A watched is a socket that says when room is awaited.
type watched struct {
	tcp.Socket
	full chan struct{}
}

func (w *watched) AwaitRoom() {
	w.full <- struct{}{}
	w.Socket.AwaitRoom()
}

// newLine makes one on a socket of e that holds little, and its peer.
func newLine(t *testing.T, e tcp.Engine) (*line, *net.TCPConn) {
	t.Helper()
	o, peer := attached(t, e, tcp.Options{SendBuffer: 4 << 10})
	l := &line{tb: t, full: make(chan struct{}, 1<<16), ended: make(chan struct{}), bad: make(chan error, 2), most: 64 << 10}
	l.sock = &watched{o.sock, l.full}
	l.Init(l, l.sock)
	l.sock.Start(l)
	return l, peer.(*net.TCPConn)
}

func (l *line) put(b []byte) {
	l.Lock()
	l.q = append(l.q, b)
	l.Grow(len(b))
	l.Unlock()
}

// enter fails if two calls of the queue run at a time; the race detector sees the rest.
func (l *line) enter(n int) {
	if l.inside += n; l.inside > 1 {
		l.tb.Error("two calls at a time")
	}
}

func (l *line) Ready() bool { return len(l.q) > 0 }

func (l *line) Batch() []unix.Iovec {
	l.enter(1)
	defer l.enter(-1)
	l.using, l.iov = true, l.iov[:0]
	for n := 0; l.sent < len(l.q) && n < l.most && len(l.iov) < 256; l.sent++ {
		b := l.q[l.sent]
		l.iov = append(l.iov, tcp.Vector(b))
		n += len(b)
	}
	return l.iov
}

func (l *line) Done() {
	l.Lock()
	defer l.Unlock()
	l.enter(1)
	defer l.enter(-1)
	for _, b := range l.q[:l.sent] {
		l.Grow(-len(b))
		l.done++
	}
	l.q, l.sent = append(l.q[:0], l.q[l.sent:]...), 0
}

func (l *line) Failed(err error) {
	l.enter(1)
	defer l.enter(-1)
	if !l.Broken() {
		l.tb.Error("it failed and is not broken")
	}
	l.bad <- err
	_ = l.sock.Close()
}

func (l *line) Rest() { l.using = false }

func (l *line) Waits() bool { return false }
func (l *line) Park()       {}

// Receive throws away what comes.
func (l *line) Receive(fd uintptr) tcp.Next {
	var b [4096]byte
	n, err := tcp.RecvMsg(fd, []unix.Iovec{tcp.Vector(b[:])})
	switch {
	case tcp.Again(err):
		return tcp.Nothing
	case err != nil || n == 0:
		return tcp.End
	}
	return tcp.More
}

func (l *line) Ended(error) {
	_ = l.sock.Close()
	l.Lock()
	l.Halt()
	l.Unlock()
	close(l.ended)
}

// over waits for the end, after which nobody sends and nothing is held.
func (l *line) over() {
	<-l.ended
	l.Lock()
	if l.using {
		l.tb.Error("it has ended with the buffers of a batch")
	}
	l.Unlock()
	before := l.Stats()
	l.put([]byte("late"))
	l.Flush()
	l.Release()
	if now := l.Stats(); now != before {
		l.tb.Error("it has sent after its end")
	}
}
