package vhost

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newBell makes an eventfd.
func newBell() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return none, os.NewSyscallError("eventfd", err)
	}
	return fd, nil
}

// ringBell adds one to an eventfd. One that is full has been rung already.
func ringBell(fd int) {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, err := unix.Write(fd, one[:]); err != unix.EINTR {
			return
		}
	}
}

// await returns when the driver has kicked, or somebody has rung the bell. A kick that has an end (a pipe that nobody holds any more) is forgotten: nobody can kick by it.
func await(kick *int, bell int) (kicked bool, err error) {
	fds := [2]unix.PollFd{{Fd: int32(bell), Events: unix.POLLIN}, {Fd: int32(*kick), Events: unix.POLLIN}}
	for {
		if _, err = unix.Poll(fds[:], -1); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return false, os.NewSyscallError("poll", err)
	}
	if fds[0].Revents != 0 {
		empty(bell)
	}
	if fds[1].Revents&unix.POLLIN != 0 {
		kicked = true
		empty(*kick)
	} else if fds[1].Revents != 0 {
		return false, errors.New("vhost: the descriptor that the driver kicks by has ended")
	}
	return kicked, nil
}

// empty takes what is in an eventfd. It does not wait, even if the other side has made the eventfd one that waits, and has emptied it itself.
func empty(fd int) {
	var n [8]byte
	piece := unix.Iovec{Base: &n[0]}
	piece.SetLen(len(n))
	const here = ^uintptr(0) // the position, of what has none
	_, _, err := unix.Syscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&piece)), 1, here, here, unix.RWF_NOWAIT)
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		_, _ = unix.Read(fd, n[:]) // before Linux 5.8, or not an eventfd
	}
}

// duplicate makes a descriptor of our own of fd, which may be none, and makes what is behind it never wait.
func duplicate(fd int) (int, error) {
	if fd < 0 {
		return none, nil
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return none, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(own, true); err != nil {
		_ = unix.Close(own)
		return none, os.NewSyscallError("fcntl", err)
	}
	return own, nil
}

func closeDescriptor(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}
