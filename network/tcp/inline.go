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
	mu      sync.Mutex // of who serves
	s       *goroutineSocket
	none    Goroutines // without connections
	receive func(fd uintptr) bool
	wait    bool
	ended   bool
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
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	e.ended = e.s.over(err)
	return nil
}

// SetDeadline makes a Serve that waits, now or later, fail at t; the zero time is never.
func (e *Inline) SetDeadline(t time.Time) { _ = e.s.c.SetReadDeadline(t) }
