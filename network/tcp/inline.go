package tcp

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// An Inline is an engine for one connection of a program that has a goroutine for it already:
// whoever calls Serve is the connection's goroutine meanwhile, and nobody else is woken. It does
// not spin.
type Inline struct {
	mu      sync.Mutex // held by whoever serves; it guards wait and ended
	s       *goroutineSocket
	none    Goroutines // the engine of s: it has no connections, and so no turns
	receive func(fd uintptr) bool
	wait    bool // the call of Serve waits
	ended   bool // the handler has ended, or the connection was detached
}

// Attach implements [Engine], once.
func (e *Inline) Attach(c *Conn) (Socket, error) {
	s := newGoroutineSocket(c, &e.none)
	e.s, e.receive = s, func(fd uintptr) bool {
		if s.closed.Load() {
			return true
		}
		if s.next = s.h.Receive(fd); s.next != Nothing {
			return true
		}
		s.h.Idle()
		return !e.wait
	}
	return inlineSocket{s}, nil
}

// Close implements [Engine]: there is nothing to end.
func (e *Inline) Close() error { return nil }

// An inlineSocket is a socket that has no goroutine of its own.
type inlineSocket struct{ *goroutineSocket }

// Start implements [Socket]: nothing happens before Serve.
func (s inlineSocket) Start(h Handler) { s.begin(h) }

// Serve lets the handler receive once; if wait, when there is something to receive. An error says
// that it did not, and will not: net.ErrClosed after the handler has ended, or
// os.ErrDeadlineExceeded. Any goroutine may call it after Start, one after the other.
func (e *Inline) Serve(wait bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return net.ErrClosed
	}
	e.wait = wait
	err := e.s.c.Read(e.receive)
	if errors.Is(err, os.ErrDeadlineExceeded) && (e.s.leaving.Load() == nil || e.s.expired()) {
		return err
	}
	e.ended = e.s.over(err)
	return nil
}

// expired reports that the deadline is over that SetDeadline has set.
func (s *goroutineSocket) expired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.deadline.IsZero() && !time.Now().Before(s.deadline)
}

// SetDeadline makes a Serve that waits, now or later, fail at t; the zero time is never.
func (e *Inline) SetDeadline(t time.Time) {
	s := e.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	if !s.detached && !s.woken {
		_ = s.c.SetReadDeadline(t)
	}
}
