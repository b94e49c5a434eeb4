package tcp

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Goroutines is the engine that works everywhere: a goroutine for each connection, which
// waits with the runtime's poller. Storage that makes a goroutine wait makes no other
// connection wait.
type Goroutines struct {
	spin  spinners
	live  atomic.Int32 // connections
	heavy atomic.Int32 // of these, those that need their share, or more
	turn  turnstile
}

// NewGoroutines returns the engine; each goroutine looks for something to receive as long as
// spin says before it waits.
func NewGoroutines(spin Spin) *Goroutines {
	e := &Goroutines{}
	e.spin.Spin = spin
	e.turn.open()
	return e
}

// crowd is how many connections there can be for each processor without taking turns.
const crowd = 4

// crowded says that connections have to take turns: a connection that has received all there was
// waits for the poller, behind all others, even if something is there again already. Else a
// connection whose peer answers quickly would be served twice and more often while others wait.
func (e *Goroutines) crowded() bool { return int(e.live.Load()) > crowd*runtime.GOMAXPROCS(0) }

// Attach implements [Engine].
func (e *Goroutines) Attach(c *Conn) (Socket, error) {
	return newGoroutineSocket(c, e), nil
}

// Close implements [Engine].
func (e *Goroutines) Close() error {
	e.turn.close()
	return nil
}

// A goroutineSocket is the socket of a connection that has a goroutine of its own.
type goroutineSocket struct {
	c       *Conn
	h       Handler
	e       *Goroutines
	next    Next
	one     bool // the last Receive has returned One
	spin    spinner
	pace    pacer
	waited  bool                       // Read has waited since the last Receive
	closed  atomic.Bool                // nothing is received or sent any more: closed, or detached
	leaving atomic.Pointer[detachment] // nil until Detach
	room    func()                     // awaitRoom, made once
	send    func(fd uintptr) bool      // w.Writable, made once

	mu       sync.Mutex
	wake     sync.Cond // for who waits in pause or leave; its lock is mu
	resumed  bool
	started  bool
	detached bool
	rooms    int          // goroutines that await room, or are just ending
	w        WriteHandler // of the last AwaitRoom
	deadline time.Time    // for reading, as Inline.SetDeadline has set it
	woken    bool         // Detach has set longAgo instead, until leave takes that back
}

func newGoroutineSocket(c *Conn, e *Goroutines) *goroutineSocket {
	s := &goroutineSocket{c: c, e: e, spin: spinner{all: &e.spin}, pace: pacer{e: e}}
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
	defer s.pace.set(false)
	receive := s.receive
	for !s.over(s.c.Read(receive)) {
		if s.pace.yields() {
			s.e.turn.pass()
		}
	}
}

// over does what is to be done after Read has returned err, and reports whether the connection is not
// ours any more: it has ended, or was detached. If the handler has asked for a pause, over waits until
// the pause has ended.
func (s *goroutineSocket) over(err error) bool {
	leaving := s.leaving.Load() != nil
	if leaving && errors.Is(err, os.ErrDeadlineExceeded) {
		err, s.next = nil, Nothing // Detach has ended the wait
	}
	if err == nil && s.closed.Load() {
		err = net.ErrClosed
	}
	switch {
	case err != nil || s.next == End:
		s.h.Ended(err)
		_ = s.c.Close() // it may be closed already
		return true
	case leaving && s.leave():
		return true
	case s.next == Pause:
		return s.pause(leaving)
	}
	return false
}

// pause waits for Resume, and returns true if the connection was detached meanwhile. asked says that
// the handler was already asked whether the connection may be detached.
func (s *goroutineSocket) pause(asked bool) bool {
	s.mu.Lock()
	for !s.resumed {
		if asked || s.leaving.Load() == nil {
			s.wake.Wait()
			continue
		}
		s.mu.Unlock()
		if s.leave() {
			return true
		}
		asked = true
		s.mu.Lock()
	}
	s.resumed = false
	s.mu.Unlock()
	return false
}

// leave detaches the connection if that was asked for and may says so, and reports whether it has.
func (s *goroutineSocket) leave() bool {
	d := s.leaving.Load()
	s.mu.Lock()
	s.woken = false
	_ = s.c.SetReadDeadline(s.deadline)
	s.mu.Unlock()
	if !d.may() {
		return false
	}
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return false
	}
	s.detached = true
	s.closed.Store(true)
	_ = s.c.SetWriteDeadline(longAgo)
	for s.rooms > 0 {
		s.wake.Wait()
	}
	_ = s.c.SetWriteDeadline(time.Time{})
	_ = s.c.SetReadDeadline(time.Time{})
	s.mu.Unlock()
	d.then(s.c)
	return true
}

// longAgo is a deadline that ends every wait.
var longAgo = time.Unix(1, 0)

func (s *goroutineSocket) Detach(may func() bool, then func(c *Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving.Store(&detachment{may, then})
	s.woken = true
	_ = s.c.SetReadDeadline(longAgo) // it fails where the connection is closed, and ends anyway
	s.wake.Broadcast()
}

// receive is the callback of Conn.Read: false makes it wait for something to arrive.
func (s *goroutineSocket) receive(fd uintptr) bool {
	if s.waited {
		s.waited = false
		if s.pace.yields() {
			return true // what has arrived can wait for its turn
		}
	}
	s.pace.begin()
	for !s.closed.Load() {
		s.next = s.h.Receive(fd)
		if s.next == Nothing {
			if s.one && s.spin.more() {
				s.pace.idle()
				continue
			}
			return s.rest()
		}
		s.pace.found()
		s.spin.found()
		s.one = s.next == One
		switch {
		case s.next == More && s.leaving.Load() == nil:
		case s.next != All && s.next != One:
			s.pace.end()
			return true
		case s.leaving.Load() != nil: // it may be detached now
			return true
		// What comes later is an event for the poller, so that we can wait for it; but not if the
		// peer has closed its direction, which may have been an event before.
		case s.e.crowded() && open(fd):
			return s.rest()
		}
		if s.pace.over() {
			s.pace.end()
			return true
		}
	}
	s.spin.found() // it spins no longer
	return true
}

// rest ends a turn of the connection, which waits for something to arrive.
func (s *goroutineSocket) rest() bool {
	s.pace.end()
	s.waited = true
	s.h.Idle()
	return false
}

// gone is the error of calls that come too late.
func (s *goroutineSocket) gone() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detached {
		return ErrDetached
	}
	return net.ErrClosed
}

func (s *goroutineSocket) Try(f func(fd uintptr)) error {
	if s.closed.Load() {
		return s.gone()
	}
	return s.c.control(f)
}

// AwaitRoom starts the one other goroutine that a connection ever has.
func (s *goroutineSocket) AwaitRoom(w WriteHandler) {
	s.mu.Lock()
	late := s.detached
	if !late {
		s.w = w
		s.rooms++
	}
	s.mu.Unlock()
	if late {
		go w.WriteDone(ErrDetached)
		return
	}
	go s.room()
}

func (s *goroutineSocket) awaitRoom() {
	w := s.w
	err := s.c.Write(s.send)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrDetached
	}
	w.WriteDone(err) // which may await room again
	s.mu.Lock()
	if s.rooms--; s.rooms == 0 {
		s.wake.Broadcast()
	}
	s.mu.Unlock()
}

func (s *goroutineSocket) Resume() {
	s.mu.Lock()
	s.resumed = true
	s.mu.Unlock()
	s.wake.Broadcast()
}

func (s *goroutineSocket) CloseWrite() error {
	if s.closed.Load() {
		return s.gone()
	}
	return s.c.CloseWrite()
}

// Close makes the goroutine of the connection end, which closes the descriptor. It does not call
// net.Conn.Close, which waits until Handler.Receive has returned: the caller may be inside of it.
func (s *goroutineSocket) Close() error {
	s.mu.Lock()
	if s.detached {
		s.mu.Unlock()
		return ErrDetached
	}
	s.closed.Store(true)
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
