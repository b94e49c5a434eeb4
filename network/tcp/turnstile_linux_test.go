package tcp

import (
	"sync"
	"testing"
)

// Who passes waits for the poller, each time, and allocates nothing.
func TestTurnstile(t *testing.T) {
	var s turnstile
	s.open()
	if s.raw == nil {
		t.Fatal("no descriptor")
	}
	if n := testing.AllocsPerRun(1000, s.pass); n != 0 {
		t.Errorf("%v allocations", n)
	}
	s.mu.Lock()
	waits := 0
	s.try = func(fd uintptr) bool {
		done := s.wait(fd)
		if !done {
			waits++
		}
		return done
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				s.pass()
			}
		})
	}
	all.Wait()
	if waits != 800 {
		t.Errorf("waits %d times of 800", waits)
	}
	s.close()
	s.pass() // lets others go first, and that is all
	s.close()
}
