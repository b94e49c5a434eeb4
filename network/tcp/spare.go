package tcp

import (
	"os"
	"sync"
)

// A spare is a descriptor that is kept for the time when there are no others.
type spare struct {
	mu     sync.Mutex
	f      *os.File // nil: it was lent, and somebody else took it
	closed bool
}

func newSpare() spare { return spare{f: another()} }

// another takes a descriptor; nil: there is none now.
func another() *os.File {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return nil
	}
	return f
}

// lend gives the descriptor up for as long as use runs, which does not wait for others, and takes it
// again. Without one, or after close, use is not called.
func (s *spare) lend(use func() (string, bool)) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", false
	}
	if s.f == nil {
		s.f = another()
	}
	if s.f == nil {
		return "", false
	}
	_ = s.f.Close() // nothing was written
	text, ok := use()
	s.f = another()
	return text, ok
}

func (s *spare) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.f != nil {
		_ = s.f.Close() // nothing was written
		s.f = nil
	}
}
