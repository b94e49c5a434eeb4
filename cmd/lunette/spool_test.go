package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// stuck is a writer that nobody reads until it is let go.
type stuck struct {
	free chan struct{}
	bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.free
	return s.Buffer.Write(p)
}

func TestSpoolNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		s := newSpool(w, func(n int) []byte { return fmt.Appendf(nil, "lost %d\n", n) })
		line := []byte(strings.Repeat("x", 99<<10) + "\n")
		_, _ = s.Write([]byte("first\n"))
		synctest.Wait() // it is being written
		for range 30 {
			if n, err := s.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		close(w.free)
		s.close()
		got := w.String()
		kept := strings.Count(got, string(line))
		if !strings.HasPrefix(got, "first\n") || kept != maxSpooled/len(line) || !strings.HasSuffix(got, fmt.Sprintf("lost %d\n", 30-kept)) {
			t.Errorf("%d lines of 30 were kept, and the end is %q", kept, got[len(got)-20:])
		}
		if _, err := s.Write(line); err == nil {
			t.Error("it takes something after its end")
		}
	})
}

func TestSpoolEndsBesideAStuckReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		s := newSpool(w, nil)
		_, _ = s.Write([]byte("x"))
		s.close() // after lastWords
		close(w.free)
		<-s.done
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestSpoolOutlivesItsReader(t *testing.T) {
	s := newSpool(broken{}, nil)
	for range 3 {
		if _, err := s.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	}
	s.close()
}
