package st

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// operation is struct mtop, report struct mtget, and place struct mtpos (linux/mtio.h).
type (
	operation struct {
		op    int16
		count int32
	}
	report struct {
		kind, residual, density, status, errors int
		file, block                             int32
	}
	place struct{ block int }
)

// Codes of the ioctls: 'm' with 1, 2 and 3, and the lengths of what they take, and give. On machines where these codes are built
// another way there is no drive.
const (
	ioctlOperate = 1<<30 | unsafe.Sizeof(operation{})<<16 | 'm'<<8 | 1
	ioctlStatus  = 2<<30 | unsafe.Sizeof(report{})<<16 | 'm'<<8 | 2
	ioctlPlace   = 2<<30 | unsafe.Sizeof(place{})<<16 | 'm'<<8 | 3
)

// A driver is st itself.
type driver struct{ *os.File }

func openDevice(path string, write bool) (device, error) {
	flags := unix.O_RDONLY
	if write {
		flags = unix.O_RDWR
	}
	// A descriptor that blocks: a block is read or written whole, or not at all.
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return driver{os.NewFile(uintptr(fd), path)}, nil
}

func (d driver) operate(op int16, count int32) error {
	return d.ioctl(ioctlOperate, unsafe.Pointer(&operation{op, count}))
}

func (d driver) status() (status, error) {
	var r report
	err := d.ioctl(ioctlStatus, unsafe.Pointer(&r))
	return status{uint64(r.status), int64(r.file)}, err
}

func (d driver) position() (int64, error) {
	var p place
	err := d.ioctl(ioctlPlace, unsafe.Pointer(&p))
	return int64(p.block), err
}

func (d driver) ioctl(code uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), code, uintptr(arg))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		return nil
	}
}

// Read reads one block: os.File would go on where a part of one was read.
func (d driver) Read(p []byte) (int, error) { return again(unix.Read, int(d.Fd()), p) }

// Write writes one block.
func (d driver) Write(p []byte) (int, error) { return again(unix.Write, int(d.Fd()), p) }

func again(do func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		if n, err := do(fd, p); err != unix.EINTR {
			return n, err
		}
	}
}
