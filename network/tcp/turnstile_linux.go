package tcp

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A turnstile lets goroutines that have much to do go on one after the other, each when the runtime
// has asked its poller.
//
// The runtime asks the poller when no goroutine is runnable, and else every ten milliseconds. Where some
// connections always have something to receive, their goroutines are always runnable, and a connection
// that has just got one command waits until all of them have run dry: runtime.Gosched does not help,
// since who calls it is runnable. So they wait here, for an event of the poller. One event lets one of
// them go on; and with it come all others for which something has arrived meanwhile.
type turnstile struct {
	mu    sync.Mutex // held by the one who is next
	file  *os.File   // an eventfd: each write is an event, and nobody reads
	raw   syscall.RawConn
	one   [8]byte               // what is written
	asked bool                  // the write was made for the one who is next
	try   func(fd uintptr) bool // wait, made once
}

// pass returns when the poller was asked.
func (s *turnstile) pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw == nil { // there was no descriptor, or the engine is closed
		runtime.Gosched()
		return
	}
	s.asked = false
	_ = s.raw.Read(s.try) // it fails when it cannot wait: then this was no turn
}

// wait is the callback of raw.Read: false makes it wait for the poller.
func (s *turnstile) wait(fd uintptr) bool {
	if s.asked {
		return true
	}
	s.asked = true
	_, err := unix.Write(int(fd), s.one[:])
	return err != nil
}

// open makes the descriptor. If the process has none left, goroutines only let each other pass.
func (s *turnstile) open() {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return
	}
	s.file = os.NewFile(uintptr(fd), "turnstile")
	s.try = s.wait
	binary.NativeEndian.PutUint64(s.one[:], 1) // the sum has room for more turns than anybody lives to see
	s.raw, _ = s.file.SyscallConn()
}

func (s *turnstile) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		_ = s.file.Close()
		s.file, s.raw = nil, nil
	}
}
