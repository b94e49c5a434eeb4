package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDirect: the flag reaches the file.
func TestDirect(t *testing.T) {
	dir := sandbox(t)
	probe, err := unix.Open("disk.img", unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no direct I/O in the temporary directory: %v", err)
	}
	unix.Close(probe)
	for _, flags := range [][]string{{"disk.img"}, {"disk.img", "--direct"}} {
		s := serve(t, append(flags, "--portal", "127.0.0.1:0")...)
		if got, want := directOpen(t, filepath.Join(dir, "disk.img")), len(flags) == 2; got != want {
			t.Errorf("%v: direct I/O: %v", flags, got)
		}
		s.end(t)
	}
}

// directOpen reports that this process has the file open for direct I/O.
func directOpen(t *testing.T, path string) bool {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range fds {
		link := "/proc/self/fd/" + f.Name()
		if name, err := os.Readlink(link); err != nil || name != path {
			continue
		}
		found = true
		text, err := os.ReadFile("/proc/self/fdinfo/" + f.Name())
		if err != nil {
			continue
		}
		if flags := octal(text); flags&unix.O_DIRECT != 0 {
			return true
		}
	}
	if !found {
		t.Errorf("%s is not open", path)
	}
	return false
}

// octal is the number behind "flags:".
func octal(text []byte) (n int) {
	const name = "flags:\t"
	for i := range text {
		if string(text[i:min(i+len(name), len(text))]) == name {
			for _, c := range text[i+len(name):] {
				if c < '0' || c > '7' {
					return n
				}
				n = n*8 + int(c-'0')
			}
		}
	}
	return n
}
