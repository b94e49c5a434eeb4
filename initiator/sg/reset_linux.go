package sg

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// recovering is how long to wait for a host that recovers from an error before asking again.
const recovering = 100 * time.Millisecond

// reset resets the logical unit behind nodes: bsg cannot, sg can, and so can the kernel's driver.
func reset(nodes Nodes) error {
	node := nodes.SG
	if node == "" {
		node = nodes.Upper
	}
	if node == "" {
		return fmt.Errorf("there is no device file that takes resets: /dev/sg has one with modprobe sg: %w", errors.ErrUnsupported)
	}
	// Not blocking: a drive without a medium, and a device whose host recovers, open all the same.
	fd, err := unix.Open(node, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return explain(node, err)
	}
	defer unix.Close(fd)
	for {
		// Signals do not end it: the kernel waits uninterruptibly for the reset.
		how := int32(resetDevice | resetNoEscalate)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlReset, uintptr(unsafe.Pointer(&how)))
		switch errno {
		case 0:
			return nil
		case unix.EAGAIN: // the host recovers from an error just now, which ends
			time.Sleep(recovering)
			continue
		case unix.EACCES, unix.EPERM:
			return fmt.Errorf("reset by %s: %w", node, ErrPrivilege)
		case unix.ENODEV, unix.ENXIO:
			return fmt.Errorf("reset by %s: %w", node, ErrGone)
		case unix.ENOTTY, unix.EOPNOTSUPP, unix.EINVAL:
			return fmt.Errorf("reset by %s: %w: %w", node, errors.ErrUnsupported, errno)
		}
		return fmt.Errorf("reset by %s: the device does not let itself be reset: %w", node, errno)
	}
}
