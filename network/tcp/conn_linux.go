package tcp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Conn is one TCP connection for code that moves its own bytes: it waits with the
// runtime's poller and receives and sends with raw, vectored, non-blocking calls.
type Conn struct {
	tcp *net.TCPConn
	raw syscall.RawConn
}

// NewConn wraps c, which it takes.
func NewConn(c *net.TCPConn) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Conn{tcp: c, raw: raw}, nil
}

// ConnOf makes a Conn of the connection in f, which it borrows. Options of the socket stay as
// they are.
func ConnOf(f *os.File) (*Conn, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("tcp: %s is no TCP connection", f.Name())
	}
	return NewConn(t)
}

// File returns another descriptor of the connection, for another process. The caller closes it.
func (c *Conn) File() (*os.File, error) { return c.tcp.File() }

// Read calls try with the descriptor until it returns true, waiting in between for
// data to arrive. try must not block. Only one Read runs at a time.
func (c *Conn) Read(try func(fd uintptr) bool) error { return c.raw.Read(try) }

// Write calls try until it returns true, waiting in between for room to send. try must
// not block. Only one Write runs at a time.
func (c *Conn) Write(try func(fd uintptr) bool) error { return c.raw.Write(try) }

// control calls f with the descriptor, now, if the connection is not closed.
func (c *Conn) control(f func(fd uintptr)) error { return c.raw.Control(f) }

// shutdown ends both directions of the stream, which wakes a Read or Write that waits.
func (c *Conn) shutdown() error {
	var err error
	if cerr := c.control(func(fd uintptr) { err = shutdownAll(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// shutdownAll ends both directions of the stream. If something was not received before that, the peer is in
// the middle of sending, and finds a reset when the descriptor is closed, as the system has it for what is
// not received until then. Receiving it after this does not open the window again: else the peer's system
// would wait for room for as long as ours remembers the connection, a minute.
func shutdownAll(fd int) error {
	if n, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err == nil && n > 0 {
		// It takes effect when the peer's system has all that we have sent.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_LINGER2, -1) // at worst the peer waits
	}
	return shutdown(fd, unix.SHUT_RDWR)
}

// shutdown is shutdown(2). It is no error if the peer has ended the connection before.
func shutdown(fd, how int) error {
	if err := unix.Shutdown(fd, how); err != unix.ENOTCONN {
		return os.NewSyscallError("shutdown", err)
	}
	return nil
}

// Close closes the connection; a Read or Write that waits returns an error.
func (c *Conn) Close() error { return c.tcp.Close() }

// CloseWrite ends our direction of the stream after what has been sent.
func (c *Conn) CloseWrite() error { return c.tcp.CloseWrite() }

// SetReadDeadline makes a Read that waits, now or later, fail at t.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tcp.SetReadDeadline(t) }

// SetWriteDeadline makes a Write that waits, now or later, fail at t.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tcp.SetWriteDeadline(t) }

// LocalAddr is our end, as ADDR:PORT.
func (c *Conn) LocalAddr() string { return c.tcp.LocalAddr().String() }

// RemoteAddr is the peer's end, as ADDR:PORT.
func (c *Conn) RemoteAddr() string { return c.tcp.RemoteAddr().String() }

// Again reports that a call found nothing to do now.
func Again(err error) bool { return err == unix.EAGAIN }

// RecvMsg receives into iov without blocking. It returns the number of bytes: 0 when
// the peer has closed its direction. No allocation; the raw system call is allowed since
// the call cannot block, so the scheduler need not know of it.
func RecvMsg(fd uintptr, iov []unix.Iovec) (int, error) {
	msg := unix.Msghdr{Iov: unsafe.SliceData(iov)}
	msg.SetIovlen(len(iov))
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, unix.EAGAIN
		default:
			return 0, errno
		}
	}
}

// open reports that the peer has not closed its direction of the stream, as far as the system knows.
// It takes no error off the socket: a reset is reported to the next receive or send.
func open(fd uintptr) bool {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
	var now unix.Timespec
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		if errno != unix.EINTR {
			return n == 0 && errno == 0
		}
	}
}

// SendMsg sends iov without blocking and returns the number of bytes taken.
func SendMsg(fd uintptr, iov []unix.Iovec) (int, error) {
	msg := unix.Msghdr{Iov: unsafe.SliceData(iov)}
	msg.SetIovlen(len(iov))
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&msg)), flags)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, unix.EAGAIN
		default:
			return 0, errno
		}
	}
}

// Reset breaks the connection of fd off at once: what was not sent is thrown away, and the peer
// finds a reset behind what it has received. After Close the peer would find an end that looks
// orderly. The descriptor stays open until Close.
func Reset(fd uintptr) {
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC} // tcp(7): connect(2) to it dissolves the connection
	_, _, _ = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
}

// Vector makes an iovec of b, which must not be empty.
func Vector(b []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	return v
}

// Advance drops n bytes from the front of iov, which it edits, and returns the rest.
func Advance(iov []unix.Iovec, n int) []unix.Iovec {
	for len(iov) > 0 {
		have := int(iov[0].Len)
		if n < have {
			iov[0].Base = (*byte)(unsafe.Add(unsafe.Pointer(iov[0].Base), n))
			iov[0].SetLen(have - n)
			return iov
		}
		n -= have
		iov = iov[1:]
	}
	return iov
}

// refuse resets the connection that waits longest at the listening socket fd. It does not wait, and
// reports whether there was one.
func refuse(fd int) (remote string, ok bool) {
	c, from, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		return "", false
	}
	_ = unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // without it the end is orderly
	_ = unix.Close(c)
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String(), true
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String(), true
	}
	return "", true
}
