package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A syscalls counts all system calls of a process, by a tracepoint of the kernel: those of
// the engines, of the runtime, and whatever else. It takes root, and makes each call a bit
// slower.
type syscalls struct{ fds []int }

// countSyscalls begins to count those of a process, and of threads that it makes later.
func countSyscalls(pid int) (*syscalls, error) {
	id, err := tracepoint("raw_syscalls", "sys_enter")
	if err != nil {
		return nil, err
	}
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return nil, err
	}
	s := &syscalls{}
	for _, path := range all {
		tid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id, Bits: unix.PerfBitInherit}
		attr.Size = uint32(unsafe.Sizeof(attr))
		fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ESRCH) {
			continue // it has just ended
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("perf_event_open: %w", err), s.close())
		}
		s.fds = append(s.fds, fd)
	}
	if len(s.fds) == 0 {
		return nil, fmt.Errorf("process %d has no threads", pid)
	}
	return s, nil
}

// count is how many there were so far.
func (s *syscalls) count() (n int64, err error) {
	var b [8]byte
	for _, fd := range s.fds {
		if _, err := unix.Read(fd, b[:]); err != nil {
			return 0, err
		}
		n += int64(binary.NativeEndian.Uint64(b[:]))
	}
	return n, nil
}

func (s *syscalls) close() error {
	var errs []error
	for _, fd := range s.fds {
		errs = append(errs, unix.Close(fd))
	}
	s.fds = nil
	return errors.Join(errs...)
}

// tracepoint is the number of one. Where tracefs is not mounted, it is for a moment.
func tracepoint(system, name string) (id uint64, err error) {
	for _, root := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		if id, err = readTracepoint(root, system, name); err == nil {
			return id, nil
		}
	}
	dir, err := os.MkdirTemp("", "lunette-tracefs-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	if err := unix.Mount("tracefs", dir, "tracefs", unix.MS_RDONLY, ""); err != nil {
		return 0, fmt.Errorf("mounting tracefs: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(dir, 0)) }()
	return readTracepoint(dir, system, name)
}

func readTracepoint(root, system, name string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(root, "events", system, name, "id"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}
