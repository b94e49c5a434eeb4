package main

import (
	"io"
	"sync"
	"time"
)

// Bounds of a spool: what waits in it, in bytes, and how long its end waits for it to be written.
const (
	maxSpooled = 1 << 20
	lastWords  = time.Second
)

// A spool writes to w on a goroutine of its own, so that nobody waits for who reads it: a pager that
// is not looked at, a terminal that is stopped, a program that hangs. When more than maxSpooled bytes
// wait, what comes is dropped whole, and a line says how many times once there is room. Errors of w
// end nothing: its reader has gone, and the daemon goes on without one.
type spool struct {
	w    io.Writer
	done chan struct{}

	mu      sync.Mutex
	waits   []byte
	dropped int
	closed  bool
	more    sync.Cond // with mu: something waits, or closed was set
	lost    func(n int) []byte
}

// newSpool makes a spool on w. lost makes the line that says that n writes were dropped; nil: none does.
func newSpool(w io.Writer, lost func(n int) []byte) *spool {
	s := &spool{w: w, done: make(chan struct{}), lost: lost}
	s.more.L = &s.mu
	go s.run()
	return s
}

// Write implements [io.Writer]. It copies p, and does not wait.
func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, io.ErrClosedPipe
	case len(s.waits) > 0 && len(s.waits)+len(p) > maxSpooled:
		s.dropped++
	default:
		s.waits = append(s.waits, p...)
		s.more.Signal()
	}
	return len(p), nil
}

func (s *spool) run() {
	defer close(s.done)
	var writing []byte
	for {
		s.mu.Lock()
		for len(s.waits) == 0 && s.dropped == 0 && !s.closed {
			s.more.Wait()
		}
		if len(s.waits) == 0 && s.dropped == 0 {
			s.mu.Unlock()
			return
		}
		writing, s.waits = s.waits, writing[:0]
		if s.dropped > 0 && s.lost != nil {
			writing = append(writing, s.lost(s.dropped)...)
		}
		s.dropped = 0
		s.mu.Unlock()
		_, _ = s.w.Write(writing)
		if cap(writing) > maxSpooled/4 { // of a burst
			writing = nil
		}
	}
}

// close ends the spool when all that waits is written, or after lastWords: then what is left is not
// written, or later.
func (s *spool) close() {
	s.mu.Lock()
	s.closed = true
	s.more.Signal()
	s.mu.Unlock()
	patience := time.NewTimer(lastWords)
	defer patience.Stop()
	select {
	case <-s.done:
	case <-patience.C:
	}
}
