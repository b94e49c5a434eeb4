package tcp_test

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// An echo sends back what it receives, as iscsi's movers do: it sends at once, awaits room
// when the socket is full, and pauses while much is not sent.
type echo struct {
	tb   testing.TB
	sock tcp.Socket
	in   [4096]byte
	most int // bytes that wait, from which on it pauses; 0: none may
	end  byte
	// waits, if not nil, is what each Receive waits for.
	waits chan struct{}

	mu      sync.Mutex
	out     []byte
	busy    bool // somebody sends, or awaits room
	paused  bool
	ended   chan error
	idled   int
	inside  int // calls of Receive and Idle at a time
	pauses  int
	awaited int
}

func (o *echo) enter(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.inside += n; o.inside > 1 {
		o.tb.Error("two calls at a time")
	}
}

func (o *echo) MayBlock() bool { return o.waits != nil }

func (o *echo) Receive(fd uintptr) tcp.Next {
	o.enter(1)
	defer o.enter(-1)
	if o.waits != nil {
		<-o.waits
	}
	n, err := tcp.RecvMsg(fd, []unix.Iovec{tcp.Vector(o.in[:])})
	switch {
	case tcp.Again(err):
		return tcp.Nothing
	case err != nil || n == 0:
		return tcp.End
	}
	if o.end != 0 && bytes.IndexByte(o.in[:n], o.end) >= 0 {
		return tcp.End
	}
	o.mu.Lock()
	o.out = append(o.out, o.in[:n]...)
	if !o.busy {
		o.busy = true
		o.mu.Unlock()
		o.run()
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	if o.paused = o.busy && len(o.out) > o.most; o.paused {
		o.pauses++
		return tcp.Pause
	}
	switch {
	case n == 1:
		return tcp.One
	case n < len(o.in):
		return tcp.All
	}
	return tcp.More
}

// run is the sender: busy is set.
func (o *echo) run() {
	full := false
	err := o.sock.Try(func(fd uintptr) { full = !o.Writable(fd) })
	if err == nil && full {
		o.mu.Lock()
		o.awaited++
		o.mu.Unlock()
		o.sock.AwaitRoom(o)
		return
	}
	o.WriteDone(err)
}

func (o *echo) Writable(fd uintptr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.out) > 0 {
		n, err := tcp.SendMsg(fd, []unix.Iovec{tcp.Vector(o.out)})
		if tcp.Again(err) {
			return false
		}
		if err != nil {
			o.out = nil
			return true
		}
		o.out = o.out[n:]
	}
	return true
}

func (o *echo) WriteDone(err error) {
	o.mu.Lock()
	o.busy = false
	resume := o.paused
	o.paused = false
	o.mu.Unlock()
	if resume && err == nil {
		o.sock.Resume()
	}
}

func (o *echo) Idle() {
	o.enter(1)
	o.idled++
	o.enter(-1)
}

func (o *echo) Ended(err error) {
	for { // as tx.stop does: the sender ends before the handler
		o.mu.Lock()
		busy := o.busy
		o.mu.Unlock()
		if !busy {
			break
		}
		time.Sleep(time.Millisecond)
	}
	o.ended <- err
}

// attached makes a socket of e with an echo, and its peer.
func attached(t *testing.T, e tcp.Engine, opts tcp.Options) (*echo, net.Conn) {
	t.Helper()
	l := listen(t, "127.0.0.1:0", opts)
	peer, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = peer.SetDeadline(time.Now().Add(20 * time.Second))
	o := &echo{tb: t, ended: make(chan error, 2), most: 1 << 30}
	if o.sock, err = e.Attach(c); err != nil {
		t.Fatal(err)
	}
	return o, peer
}

// over waits for the end of o.
func (o *echo) over() error {
	o.tb.Helper()
	select {
	case err := <-o.ended:
		return err
	case <-time.After(10 * time.Second):
		panic("a handler does not end") // with all stacks
	}
}
