package block

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// loop attaches a new file of n bytes to a loop device with the given block size and
// returns the device's path, or skips the test and says why.
func loop(t *testing.T, n int64, block uint32) string {
	t.Helper()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no loop devices: %v", err)
	}
	defer control.Close()
	f, err := os.Create(filepath.Join(t.TempDir(), "loop.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(n); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		free, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Skipf("no free loop device: %v", err)
		}
		path := fmt.Sprintf("/dev/loop%d", free)
		dev, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Skipf("cannot open a loop device: %v", err)
		}
		err = unix.IoctlLoopConfigure(int(dev.Fd()), &unix.LoopConfig{Fd: uint32(f.Fd()), Size: block})
		if err == nil {
			t.Cleanup(func() {
				_ = unix.IoctlSetInt(int(dev.Fd()), unix.LOOP_CLR_FD, 0)
				dev.Close()
			})
			return path
		}
		dev.Close()
		if !errors.Is(err, unix.EBUSY) { // someone else was quicker
			t.Skipf("cannot set up %s with blocks of %d bytes: %v", path, block, err)
		}
	}
	t.Skip("no loop device stays free")
	return ""
}
