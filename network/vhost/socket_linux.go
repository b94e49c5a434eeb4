package vhost

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// backlog is how many front-ends may wait to be told that another one is attached.
const backlog = 16

// listen makes the socket of o. Its file has its mode and owner before anybody can connect, whatever the umask of the process: between bind and listen connections are refused.
func listen(o Options) (l *net.UnixListener, file fs.FileInfo, err error) {
	if err := clearStale(o.Path); err != nil {
		return nil, nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), o.Path)
	defer f.Close()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: o.Path}); err != nil {
		return nil, nil, os.NewSyscallError("bind", err)
	}
	defer func() {
		if err != nil {
			os.Remove(o.Path)
		}
	}()
	if err := o.own(); err != nil {
		return nil, nil, err
	}
	if file, err = os.Lstat(o.Path); err != nil {
		return nil, nil, err
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return nil, nil, os.NewSyscallError("listen", err)
	}
	x, err := net.FileListener(f)
	if err != nil {
		return nil, nil, err
	}
	return x.(*net.UnixListener), file, nil
}

// clearStale removes a socket's file that nobody listens at any more.
func clearStale(path string) error {
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case file.Mode().Type() != fs.ModeSocket:
		return ErrNotSocket
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return ErrInUse
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	return os.Remove(path)
}

// own gives the socket's file its mode and owner.
func (o Options) own() error {
	if err := os.Lchown(o.Path, o.UID, o.GID); err != nil {
		return err
	}
	return os.Chmod(o.Path, o.Mode.Perm())
}

// peer says who has connected.
func peer(c *net.UnixConn) (x Connection, err error) {
	var cred *unix.Ucred
	err = control(c, func(fd int) (err error) {
		cred, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		return os.NewSyscallError("getsockopt", err)
	})
	if err != nil {
		return x, err
	}
	return Connection{PID: int(cred.Pid), UID: int(cred.Uid), GID: int(cred.Gid)}, nil
}

// hungUp reports that the other end has closed its socket, whatever of it was not read yet.
func hungUp(c *net.UnixConn) bool {
	gone := false
	err := control(c, func(fd int) error {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, err := unix.Poll(p, 0)
		gone = err == nil && p[0].Revents != 0
		return nil
	})
	return gone || err != nil
}

// control calls f with the descriptor of c.
func control(c *net.UnixConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
