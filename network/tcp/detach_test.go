package tcp_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// record is how many bytes a mover handles at a time.
const record = 100

// A mover sends back whole records, by a Sender; its connection can be taken to another engine.
type mover struct {
	tcp.Sender
	t    *testing.T
	sock tcp.Socket
	most int // bytes that are queued, from which on it pauses

	in    []byte // received, and not yet a record
	asked int    // how often it was asked whether it may leave
	may   func(m *mover) bool
	got   func(m *mover) // after each receive, if not nil

	mu     sync.Mutex // guards what follows
	q      [][]byte
	begun  int
	paused bool
	awaits bool
	ended  chan error
}

// newMover makes a mover of what detach has returned, or of a new connection.
func newMover(t *testing.T, e tcp.Engine, c *tcp.Conn, in, unsent []byte) *mover {
	m := &mover{t: t, in: in, ended: make(chan error, 2), most: 64 << 10, may: func(*mover) bool { return true }}
	var err error
	if m.sock, err = e.Attach(c); err != nil {
		t.Fatal(err)
	}
	m.Init(tcp.SenderConfig{Source: m, Socket: &awaiting{m.sock, m}, Batches: batches, Unsent: unsent})
	return m
}

type awaiting struct {
	tcp.Socket
	m *mover
}

func (a *awaiting) AwaitRoom(w tcp.WriteHandler) {
	a.m.mu.Lock()
	a.m.awaits = true
	a.m.mu.Unlock()
	a.Socket.AwaitRoom(w)
}

func (m *mover) start() {
	m.sock.Start(m)
	m.Flush()
}

func (m *mover) MayBlock() bool { return false }
func (m *mover) Idle()          {}

func (m *mover) Receive(fd uintptr) tcp.Next {
	m.Hold()
	next := m.receive(fd)
	m.Release()
	if m.got != nil {
		m.got(m)
	}
	if next == tcp.End {
		return next
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paused = m.Backlog() > m.most && !m.Broken(); m.paused {
		return tcp.Pause
	}
	return next
}

func (m *mover) receive(fd uintptr) tcp.Next {
	var b [4096]byte
	n, err := tcp.RecvMsg(fd, []unix.Iovec{tcp.Vector(b[:])})
	switch {
	case tcp.Again(err):
		return tcp.Nothing
	case err != nil || n == 0:
		return tcp.End
	}
	m.in = append(m.in, b[:n]...)
	for len(m.in) >= record {
		m.mu.Lock()
		m.q = append(m.q, bytes.Clone(m.in[:record]))
		m.Queued(record)
		m.mu.Unlock()
		m.in = m.in[record:]
	}
	if n < len(b) {
		return tcp.All
	}
	return tcp.More
}

func (m *mover) Next(b *tcp.Batch) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.begun < len(m.q) && b.Room(1, 0); m.begun++ {
		b.Append(m.q[m.begun])
	}
	return m.begun < len(m.q)
}

func (m *mover) Sent() {
	m.mu.Lock()
	m.Dequeued(m.begun * record)
	m.q, m.begun = m.q[m.begun:], 0
	resume := m.paused
	m.paused = false
	m.mu.Unlock()
	if resume {
		m.sock.Resume()
	}
}

func (m *mover) Failed(error) { _ = m.sock.Close() }

func (m *mover) Ended(err error) {
	_ = m.sock.Close()
	m.Halt()
	m.ended <- err
}

// A handOver is a connection that was detached.
type handOver struct {
	c          *tcp.Conn
	in, unsent []byte
	err        error
}

func (m *mover) detach() <-chan handOver {
	over := make(chan handOver, 2)
	m.sock.Detach(func() bool {
		m.asked++
		return m.may(m)
	}, func(c *tcp.Conn) {
		unsent, err := m.Detach()
		if m.InBatch() {
			m.t.Error("a detached sender has a batch")
		}
		over <- handOver{c, m.in, unsent, err}
	})
	return over
}

// wait is what comes, unless nothing does.
func wait[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		panic("it does not come") // with all stacks
	}
}

// descriptors is how many there are.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// same waits until there are as many descriptors as before.
func same(t *testing.T, before int) {
	t.Helper()
	for range 10000 {
		if descriptors(t) == before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d descriptors, %d before", descriptors(t), before)
}

// accepted makes a connection.
func accepted(t *testing.T, l *tcp.Listener) (*tcp.Conn, *net.TCPConn) {
	t.Helper()
	peer, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_ = peer.SetDeadline(time.Now().Add(60 * time.Second))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c, peer.(*net.TCPConn)
}

// A connection is taken from engine to engine while it is busy: each byte arrives, once and in order.
func TestDetachBusy(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		other, err := tcp.NewReactors(tcp.ReactorOptions{Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		l := listen(t, "127.0.0.1:0", tcp.Options{SendBuffer: 4 << 10})
		c, first := accepted(t, l)
		first.Close()
		_ = c.Close()
		before := descriptors(t)
		c, peer := accepted(t, l)
		want := make([]byte, 1<<20/record*record)
		for i := range want {
			want[i] = byte(i>>8) ^ byte(i)
		}
		go func() {
			for rest := want; len(rest) > 0; {
				n, err := peer.Write(rest[:min(len(rest), 1+rand.IntN(20000))])
				if err != nil {
					t.Error(err)
					return
				}
				rest = rest[n:]
			}
		}()
		read := make(chan error, 1)
		go func() {
			got := make([]byte, len(want))
			for n := 0; n < len(got); {
				k, err := peer.Read(got[n:min(len(got), n+1+rand.IntN(40000))])
				if err != nil {
					read <- err
					return
				}
				if n += k; rand.IntN(20) == 0 {
					time.Sleep(time.Millisecond) // the socket gets full meanwhile
				}
			}
			if !bytes.Equal(got, want) {
				read <- errors.New("other bytes")
			}
			close(read)
		}()
		m := newMover(t, e, c, nil, nil)
		m.most = 8 << 10
		m.start()
		hops := 0
		for over := false; !over; hops++ {
			select {
			case err := <-read:
				if err != nil {
					t.Fatal(err)
				}
				over = true
			default:
			}
			m.may = func(m *mover) bool { return len(m.in) == 0 || m.asked > 3 || over }
			h := wait(t, m.detach())
			if h.err != nil {
				t.Fatal(h.err)
			}
			to := e
			if hops%2 == 0 {
				to = other
			}
			m = newMover(t, to, h.c, h.in, h.unsent)
			m.most = 8 << 10
			m.start()
		}
		peer.Close()
		if err := wait(t, m.ended); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		same(t, before)
		if hops < 3 {
			t.Errorf("%d hops", hops)
		}
	})
}

// Detach finds a connection wherever it is: with nothing to do, in a pause, waiting for room, or in
// its handler. What was not sent is handed over.
func TestDetachStates(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l := listen(t, "127.0.0.1:0", tcp.Options{SendBuffer: 32 << 10})
		for _, state := range []string{"idle", "pause", "room", "handler"} {
			before := descriptors(t)
			c, peer := accepted(t, l)
			m := newMover(t, e, c, nil, nil)
			var over <-chan handOver
			started := make(chan struct{})
			switch state {
			case "pause":
				m.most = 0
			case "room":
				m.most = 1 << 30
			case "handler":
				m.got = func(m *mover) {
					if over == nil && len(m.in) > 0 {
						over = m.detach()
						close(started)
					}
				}
			}
			m.start()
			var want []byte
			switch state {
			case "idle":
				over = m.detach()
			case "handler":
				want = []byte("a piece")
				if _, err := peer.Write(want); err != nil {
					t.Fatal(err)
				}
				wait(t, started)
			default:
				want = bytes.Repeat([]byte("0123456789"), 1<<18)
				sent := make(chan struct{})
				go func() {
					_, _ = peer.Write(want)
					close(sent)
				}()
				for there := false; !there; time.Sleep(time.Millisecond) {
					m.mu.Lock()
					there = m.awaits && (m.paused || state == "room")
					m.mu.Unlock()
				}
				if state == "room" {
					wait(t, sent)
				}
				over = m.detach()
			}
			h := wait(t, over)
			if h.err != nil || m.asked != 1 {
				t.Fatalf("%s: %v, asked %d times", state, h.err, m.asked)
			}
			if err := m.sock.Try(func(uintptr) { t.Error("called") }); !errors.Is(err, tcp.ErrDetached) {
				t.Errorf("%s: Try: %v", state, err)
			}
			if err := errors.Join(m.sock.CloseWrite(), m.sock.Close()); !errors.Is(err, tcp.ErrDetached) {
				t.Errorf("%s: Close: %v", state, err)
			}
			m.sock.Resume()
			if state == "room" && len(h.unsent) == 0 {
				t.Errorf("%s: nothing was not sent", state)
			}
			// The descriptor is good for another process.
			f, err := h.c.File()
			_ = h.c.Close()
			if err != nil {
				t.Fatal(err)
			}
			if c, err = tcp.ConnOf(f); err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
			next := newMover(t, e, c, h.in, h.unsent)
			next.start()
			if state == "idle" || state == "handler" {
				rest := bytes.Repeat([]byte("x"), record-len(want))
				want = append(want, rest...)
				if _, err := peer.Write(rest); err != nil {
					t.Fatal(err)
				}
			}
			got := make([]byte, len(want)/record*record)
			if err := readFull(peer, got); err != nil || !bytes.Equal(got, want[:len(got)]) {
				t.Errorf("%s: other bytes, %v", state, err)
			}
			peer.Close()
			wait(t, next.ended)
			select {
			case err := <-m.ended:
				t.Errorf("%s: ended with %v after it was detached", state, err)
			default:
			}
			same(t, before)
		}
	})
}

// A handler that may not leave is asked again after each receive, and until then nothing changes.
func TestDetachLater(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l := listen(t, "127.0.0.1:0", tcp.Options{})
		c, peer := accepted(t, l)
		m := newMover(t, e, c, nil, nil)
		asked := make(chan struct{}, 100)
		m.may = func(m *mover) bool {
			asked <- struct{}{}
			return len(m.in) == 7
		}
		m.start()
		over := m.detach()
		wait(t, asked)
		want := bytes.Repeat([]byte("y"), 3*record)
		got := make([]byte, record)
		for range 3 {
			if _, err := peer.Write(want[:record]); err != nil {
				t.Fatal(err)
			}
			if err := readFull(peer, got); err != nil {
				t.Fatal(err)
			}
			wait(t, asked)
		}
		if _, err := peer.Write(want[:7]); err != nil {
			t.Fatal(err)
		}
		if h := wait(t, over); h.err != nil || len(h.in) != 7 || len(h.unsent) != 0 {
			t.Errorf("%d bytes were received, %d not sent, %v", len(h.in), len(h.unsent), h.err)
		} else {
			_ = h.c.Close()
		}
		if n, err := peer.Read(got); n != 0 || err == nil {
			t.Error("the connection is not closed")
		}
		peer.Close()
	})
}

// A connection that has ended, or ends first, is not detached.
func TestDetachEnded(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l := listen(t, "127.0.0.1:0", tcp.Options{})
		for _, how := range []string{"peer", "close", "end"} {
			c, peer := accepted(t, l)
			m := newMover(t, e, c, nil, nil)
			m.may = func(*mover) bool { return false }
			m.start()
			if how == "end" {
				m.End(false)
				if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
					t.Error(err)
				}
				m.may = func(*mover) bool { return true }
				h := wait(t, m.detach())
				if !errors.Is(h.err, net.ErrClosed) {
					t.Errorf("a sender that has ended: %v", h.err)
				}
				m.Halt() // it waits for nobody
				_ = h.c.Close()
				peer.Close()
				continue
			}
			over := m.detach()
			if how == "peer" {
				peer.Close()
			} else {
				_ = m.sock.Close()
			}
			wait(t, m.ended)
			if len(over) > 0 {
				t.Errorf("%s: detached after the end", how)
			}
			peer.Close()
		}
	})
}
