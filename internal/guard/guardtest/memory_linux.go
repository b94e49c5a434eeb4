package guardtest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// New returns n bytes of memory, until the end of the test.
func New(t testing.TB, n int) *Memory {
	t.Helper()
	fd, err := unix.MemfdCreate("guardtest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatalf("memfd_create: %v", err)
	}
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		t.Fatalf("ftruncate: %v", err)
	}
	mem, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatalf("mmap: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Errorf("munmap: %v", err)
		}
		if err := unix.Close(fd); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &Memory{Mem: mem, cut: func(n int) {
		if err := unix.Ftruncate(fd, int64(n)); err != nil {
			t.Errorf("ftruncate: %v", err)
		}
	}}
}
