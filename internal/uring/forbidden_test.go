package uring

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const forbidVariable = "LUNETTE_TEST_FORBID"

// TestForbidden: a sandbox that lets io_uring_setup pass, or not, but no more.
func TestForbidden(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]string{"setup": "", "enter": "io_uring_enter"} {
		cmd := exec.Command(exe, "-test.run=^TestInSandbox$", "-test.v")
		cmd.Env = append(os.Environ(), forbidVariable+"="+call)
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "--- SKIP") {
			t.Skipf("not tested here: %s", out)
		}
		if err != nil || !strings.Contains(string(out), "is not available") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", call, err, out)
		}
	}
}

// TestInSandbox is the other process of TestForbidden.
func TestInSandbox(t *testing.T) {
	var nr uint32
	switch os.Getenv(forbidVariable) {
	case "":
		return
	case "setup":
		nr = unix.SYS_IO_URING_SETUP
	case "enter":
		nr = unix.SYS_IO_URING_ENTER
	}
	open(t, 8, flagsLadder, nil).Close() // or skip
	forbid(t, nr)
	_, err := start(8, new(bench), flagsLadder)
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, unix.EPERM) {
		t.Errorf("%v", err)
	}
	t.Log(err)
}

// forbid makes one system call fail with EPERM, in all threads, for good.
func forbid(t *testing.T, nr uint32) {
	t.Helper()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number, at offset 0
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Skip(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		t.Skipf("no seccomp: %v", errno)
	}
}
