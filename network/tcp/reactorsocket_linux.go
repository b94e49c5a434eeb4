package tcp

import (
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A reactorSocket is a socket that shares a reactor with others.
type reactorSocket struct {
	r  *reactor
	fd int
	h  Handler

	closed   atomic.Bool // nothing is received or sent any more: closed, or detached
	detached atomic.Bool
	// users counts who uses the descriptor: the socket itself until it has ended or was detached,
	// and each Try. The last one closes the descriptor.
	users atomic.Int32

	// Guarded by r.mu.
	want    uint32 // the events to wait for
	known   bool   // the poller knows the socket
	started bool
	over    bool         // the handler is ending
	w       WriteHandler // who awaits room, or nil

	// Only the reactor's thread uses what follows.
	slot    int32
	long    int // turns beside others, up to the last one, that took half a share or more
	paused  bool
	away    bool        // another goroutine receives
	resumed bool        // and Resume was called meanwhile
	leaving *detachment // nil until Detach
}

// arrivals are the events that a socket waits for, unless receiving pauses: data, and the end of the
// peer's direction.
const arrivals = unix.EPOLLIN | unix.EPOLLRDHUP

func (s *reactorSocket) Start(h Handler) {
	s.h = h
	s.r.mu.Lock()
	s.started = true
	s.r.mu.Unlock()
	s.r.post(job{s: s, do: start})
}

func (s *reactorSocket) Try(f func(fd uintptr)) error {
	if s.closed.Load() || !s.use() {
		return s.gone()
	}
	f(uintptr(s.fd))
	s.leave()
	return nil
}

// gone is the error of calls that come too late.
func (s *reactorSocket) gone() error {
	if s.detached.Load() {
		return ErrDetached
	}
	return net.ErrClosed
}

// use keeps the descriptor open until leave. It returns false if the descriptor is closed.
func (s *reactorSocket) use() bool {
	for {
		n := s.users.Load()
		if n == 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends a use of the descriptor.
func (s *reactorSocket) leave() {
	if s.users.Add(-1) == 0 {
		_ = unix.Close(s.fd) // an error says nothing that anyone waits for
		s.r.sockets.Add(-1)
	}
}

func (s *reactorSocket) AwaitRoom(w WriteHandler) {
	s.r.mu.Lock()
	over := s.over
	if !over {
		s.w = w
		s.watch(unix.EPOLLOUT, 0)
	}
	s.r.mu.Unlock()
	if over {
		go w.WriteDone(s.gone())
	}
}

// watch changes the events that are waited for. r.mu is held.
func (s *reactorSocket) watch(add, drop uint32) {
	if now := s.want&^drop | add; now != s.want {
		s.want = now
		if s.known {
			_ = s.r.control(unix.EPOLL_CTL_MOD, s) // the poller knows it: it cannot fail
		}
	}
}

func (s *reactorSocket) Resume() {
	if !s.detached.Load() {
		s.r.post(job{s: s, do: resume})
	}
}

func (s *reactorSocket) Detach(may func() bool, then func(c *Conn)) {
	s.r.post(job{s: s, do: detach, leaving: &detachment{may, then}})
}

func (s *reactorSocket) CloseWrite() error {
	return s.shutdown(func(fd int) error { return shutdown(fd, unix.SHUT_WR) })
}

// Close shuts the connection down. The poller reports that to the reactor, which ends the socket.
func (s *reactorSocket) Close() error {
	if s.detached.Load() {
		return ErrDetached
	}
	s.closed.Store(true)
	err := s.shutdown(shutdownAll)
	s.r.mu.Lock()
	fresh := !s.started
	s.started = true
	s.r.mu.Unlock()
	if fresh {
		s.leave()
	}
	return err
}

// shutdown calls how with the descriptor, unless that is closed.
func (s *reactorSocket) shutdown(how func(fd int) error) error {
	if s.detached.Load() || !s.use() {
		return s.gone()
	}
	err := how(s.fd)
	s.leave()
	return err
}
