package vhost

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

var errNoEvent = errors.New("the descriptor is not that of an eventfd")

// checkEvent refuses what is not an eventfd, and makes the descriptor one that does not block: a pipe, or a full counter, would keep whoever writes to it waiting for the peer.
func checkEvent(fd int) error {
	name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return err
	}
	if name != "anon_inode:[eventfd]" {
		return errNoEvent
	}
	return os.NewSyscallError("fcntl", unix.SetNonblock(fd, true))
}
