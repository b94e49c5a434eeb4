package fdio

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
)

// A Syncer makes what was written to a file durable, and never forgets a failure.
//
// Linux reports a failed writeback once to each open file description, marks the
// pages clean all the same, and lets the next fdatasync succeed: the data is gone
// and nobody says so again. So one failure here fails every later call, until the
// store is opened anew.
//
// The descriptor is one that nothing is written through. A write with RWF_DSYNC
// through the same descriptor may be told of the failure of an earlier, unrelated
// write, and then Flush would not be.
//
// One call goes to the system at a time, since of two at once only one is told of a
// failure that concerns both. Those that wait share the next one.
type Syncer struct {
	fd   int
	path string
	sync func(fd int) error // fdatasync(2); tests put themselves in between

	arrived atomic.Uint64
	failed  atomic.Pointer[error]
	mu      sync.Mutex
	covered uint64 // callers up to this one arrived before the last call began
}

// NewSyncer returns a Syncer of the open file fd, which it does not close.
func NewSyncer(fd int, path string) *Syncer {
	return &Syncer{fd: fd, path: path, sync: unix.Fdatasync}
}

// Intercept puts f in the place of fdatasync(2) and returns what was there. It is for
// tests, before the first use.
func (s *Syncer) Intercept(f func(fd int) error) (was func(fd int) error) {
	was, s.sync = s.sync, f
	return was
}

// Err is the error of the first Sync that failed, wrapping [store.ErrMedium].
func (s *Syncer) Err() error {
	if e := s.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// Sync returns when all that was written is durable, or with the error of the first
// Sync that failed.
func (s *Syncer) Sync() error {
	me := s.arrived.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Err(); err != nil || me <= s.covered {
		return err
	}
	s.covered = s.arrived.Load()
	err := Retry(func() error { return s.sync(s.fd) })
	if err == nil {
		return nil
	}
	// Whatever the reason, even a full disk: writes that had been answered are lost.
	lost := fmt.Errorf("%s: flush: %w: %w: written data may be lost, all flushes fail until it is opened again",
		s.path, store.ErrMedium, err)
	s.failed.Store(&lost)
	return lost
}
