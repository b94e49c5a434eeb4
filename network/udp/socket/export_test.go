package socket

import (
	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

// SetSends lets so many bytes wait to be sent.
func SetSends(s udp.Socket, n int) error {
	return s.(*socket).lanes[0].udp.control(func(fd uintptr) error { return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, n) })
}
