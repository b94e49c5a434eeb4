package tcp

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A Caller is an engine for one connection of a program that has a goroutine for it already:
// whoever calls Serve is the connection's goroutine meanwhile, and nobody else is woken. It does
// not spin.
type Caller struct {
	mu      sync.Mutex // of who serves
	s       *goroutine
	none    Goroutines // without connections
	receive func(fd uintptr) bool
	wait    bool
	ended   bool
}

// Attach implements [Engine], once.
func (e *Caller) Attach(c *Conn) (Socket, error) {
	s := newGoroutine(c, &e.none)
	e.s, e.receive = s, func(fd uintptr) bool {
		if s.closed.Load() {
			return true
		}
		if s.next = s.o.Receive(fd); s.next != Nothing {
			return true
		}
		s.o.Park()
		return !e.wait
	}
	return called{s}, nil
}

// Close implements [Engine]: there is nothing to end.
func (e *Caller) Close() error { return nil }

// called is a socket that has no goroutine of its own.
type called struct{ *goroutine }

// Start implements [Socket]: nothing happens before Serve.
func (s called) Start(o Owner) { s.begin(o) }

// Serve lets the owner receive once; if wait, when there is something to receive. An error says
// that it did not, and will not: net.ErrClosed after the owner has ended, or
// os.ErrDeadlineExceeded. Any goroutine may call it after Start, one after the other.
func (e *Caller) Serve(wait bool) error {
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
func (e *Caller) SetDeadline(t time.Time) { _ = e.s.c.SetReadDeadline(t) }
