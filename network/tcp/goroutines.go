package tcp

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
)

// Goroutines is the engine that works everywhere: a goroutine for each connection, which
// waits with the runtime's poller. Storage that makes a goroutine wait makes no other
// connection wait.
type Goroutines struct {
	spin spinners
	live atomic.Int32 // connections
}

// NewGoroutines returns the engine; each goroutine looks for something to receive as long as
// spin says before it waits.
func NewGoroutines(spin Spin) *Goroutines {
	e := &Goroutines{}
	e.spin.Spin = spin
	return e
}

// crowd is from how many connections on, for each processor, they take turns.
const crowd = 4

// crowded says that connections have to take turns: one that has received all there was waits,
// behind all others, even if there is something again already. Else one whose peer answers
// quickly is served twice and more often while others wait.
func (e *Goroutines) crowded() bool { return int(e.live.Load()) > crowd*runtime.GOMAXPROCS(0) }

// Attach implements [Engine].
func (e *Goroutines) Attach(c *Conn) (Socket, error) {
	return newGoroutineSocket(c, e), nil
}

// Close implements [Engine]: there is nothing to end.
func (e *Goroutines) Close() error { return nil }

// A goroutineSocket is the socket of a connection that has a goroutine of its own.
type goroutineSocket struct {
	c      *Conn
	h      Handler
	e      *Goroutines
	next   Next
	one    bool // the last thing that was received was One
	spin   spinner
	closed atomic.Bool
	w      WriteHandler // of the last AwaitRoom
	room   func()       // awaitRoom and w.Writable, made once
	send   func(fd uintptr) bool

	mu      sync.Mutex
	wake    sync.Cond // with mu: resumed was set
	resumed bool
	started bool
}

func newGoroutineSocket(c *Conn, e *Goroutines) *goroutineSocket {
	s := &goroutineSocket{c: c, e: e, spin: spinner{all: &e.spin}}
	s.wake.L = &s.mu
	return s
}

func (s *goroutineSocket) Start(h Handler) {
	s.begin(h)
	go s.run()
}

func (s *goroutineSocket) begin(h Handler) {
	s.h, s.room = h, s.awaitRoom
	s.send = func(fd uintptr) bool { return s.w.Writable(fd) }
	s.mu.Lock()
	s.started = true
	s.mu.Unlock()
}

func (s *goroutineSocket) run() {
	s.e.live.Add(1)
	defer s.e.live.Add(-1)
	receive := s.receive
	for !s.over(s.c.Read(receive)) {
	}
}

// over ends the handler if it has to, because of an error of Read or otherwise; else it waits for
// the end of a pause.
func (s *goroutineSocket) over(err error) bool {
	if err == nil && s.closed.Load() {
		err = net.ErrClosed
	}
	if err != nil || s.next == End {
		s.h.Ended(err)
		_ = s.c.Close() // it may be closed already
		return true
	}
	if s.next != Pause {
		return false
	}
	s.mu.Lock()
	for !s.resumed {
		s.wake.Wait()
	}
	s.resumed = false
	s.mu.Unlock()
	return false
}

// receive is the callback of Conn.Read: false makes it wait for something to arrive.
func (s *goroutineSocket) receive(fd uintptr) bool {
	for !s.closed.Load() {
		s.next = s.h.Receive(fd)
		if s.next == Nothing {
			if s.one && s.spin.more() {
				continue
			}
			s.h.Idle()
			return false
		}
		s.spin.found()
		s.one = s.next == One
		switch {
		case s.next == More:
		case s.next != All && s.next != One:
			return true
		// What comes after all was received is an event for the poller: waiting for it is
		// safe unless it is the end of the stream, which may have come before.
		case s.e.crowded() && open(fd):
			s.h.Idle()
			return false
		}
	}
	s.spin.found() // it spins no more
	return true
}

func (s *goroutineSocket) Try(f func(fd uintptr)) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	return s.c.control(f)
}

// AwaitRoom starts the one other goroutine that a connection ever has.
func (s *goroutineSocket) AwaitRoom(w WriteHandler) {
	s.w = w
	go s.room()
}

func (s *goroutineSocket) awaitRoom() { s.w.WriteDone(s.c.Write(s.send)) }

func (s *goroutineSocket) Resume() {
	s.mu.Lock()
	s.resumed = true
	s.mu.Unlock()
	s.wake.Signal()
}

func (s *goroutineSocket) CloseWrite() error { return s.c.CloseWrite() }

// Close makes the goroutine end, which closes the descriptor: net.Conn.Close would wait for
// the one who is just handling what has come, and that may be the caller.
func (s *goroutineSocket) Close() error {
	s.closed.Store(true)
	s.mu.Lock()
	fresh := !s.started
	s.started = true
	s.mu.Unlock()
	if fresh {
		return s.c.Close()
	}
	err := s.c.shutdown()
	s.Resume() // of a pause that nobody else would end
	return err
}
