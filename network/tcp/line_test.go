package tcp_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// A line is a queue with a Sender, and the handler of its socket.
type line struct {
	tcp.Sender
	tb    testing.TB
	sock  tcp.Socket
	full  chan struct{} // each AwaitRoom
	ended chan struct{}
	bad   chan error // of Failed

	mu     sync.Mutex // guards q
	q      [][]byte
	b      *tcp.Batch // that is sent
	io     sync.Mutex // the Sender's guard
	begun  int        // of q, with the batch
	most   int        // bytes of a batch
	done   int
	inside atomic.Int32 // calls of the source at a time
}

// A watched is a socket that says when room is awaited.
type watched struct {
	tcp.Socket
	full chan struct{}
}

func (w *watched) AwaitRoom(h tcp.WriteHandler) {
	w.full <- struct{}{}
	w.Socket.AwaitRoom(h)
}

// newLine makes one on a socket of e that holds little, and its peer.
func newLine(t *testing.T, e tcp.Engine) (*line, *net.TCPConn) {
	t.Helper()
	o, peer := attached(t, e, tcp.Options{SendBuffer: 4 << 10})
	l := &line{tb: t, full: make(chan struct{}, 1<<16), ended: make(chan struct{}), bad: make(chan error, 2), most: 64 << 10}
	l.sock = &watched{o.sock, l.full}
	l.init(nil)
	l.sock.Start(l)
	return l, peer.(*net.TCPConn)
}

func (l *line) init(send tcp.SendFunc) {
	l.Init(tcp.SenderConfig{Source: l, Socket: l.sock, Batches: batches, Guard: &l.io, Send: send})
}

var batches = tcp.NewBatches(tcp.BatchLimits{Vectors: 256, Bytes: 1 << 10, Stage: 1 << 10})

func (l *line) put(b []byte) {
	l.mu.Lock()
	l.q = append(l.q, b)
	l.Queued(len(b))
	l.mu.Unlock()
}

// enter fails if two calls of the source run at a time; the race detector sees the rest.
func (l *line) enter(n int32) {
	if l.inside.Add(n) > 1 {
		l.tb.Error("two calls at a time")
	}
}

func (l *line) Next(b *tcp.Batch) bool {
	l.enter(1)
	defer l.enter(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := 0; l.begun < len(l.q) && n < l.most && b.Room(1, 0); l.begun++ {
		p := l.q[l.begun]
		b.Append(p)
		n += len(p)
		l.b = b
	}
	return l.begun < len(l.q)
}

func (l *line) Sent() {
	l.enter(1)
	defer l.enter(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = nil
	for _, b := range l.q[:l.begun] {
		l.Dequeued(len(b))
		l.done++
	}
	l.q, l.begun = append(l.q[:0], l.q[l.begun:]...), 0
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

func (l *line) MayBlock() bool { return false }
func (l *line) Idle()          {}

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
	l.Halt()
	close(l.ended)
}

// over waits for the end, after which nobody sends and nothing is held.
func (l *line) over() {
	<-l.ended
	if l.InBatch() {
		l.tb.Error("it has ended with a batch")
	}
	before := l.Stats()
	l.put([]byte("late"))
	l.Flush()
	l.Release()
	if now := l.Stats(); now != before {
		l.tb.Error("it has sent after its end")
	}
}
