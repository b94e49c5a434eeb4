package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// DefaultSocket is where a daemon of this user has its API: /run/lunette.sock for root,
// $XDG_RUNTIME_DIR/lunette.sock for others, and /tmp/lunette-UID.sock if there is no such
// directory.
func DefaultSocket() string {
	if os.Getuid() == 0 {
		return "/run/lunette.sock"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "lunette.sock")
	}
	return filepath.Join(os.TempDir(), "lunette-"+strconv.Itoa(os.Getuid())+".sock")
}

// maxSocketPath is what a sockaddr_un holds, without the NUL.
const maxSocketPath = 107

// A Socket is the Unix socket of a daemon, which it alone owns.
type Socket struct {
	path     string
	listener *net.UnixListener
	lock     *lockFile
}

// Listen makes the socket at path, for its user alone (mode 0600). A socket that a
// daemon has left behind is replaced; one that a daemon owns is an error.
func Listen(path string) (*Socket, error) {
	dir, base := filepath.Split(path)
	if base == "" {
		return nil, fmt.Errorf("the socket %q has no file name", path)
	}
	// It is made in a directory that nobody else can enter and then moved, so that it
	// is at no time open to others.
	if len(path)+len("/.lunette-0123456789") > maxSocketPath {
		return nil, fmt.Errorf("the socket path %s is too long: up to %d bytes are allowed", path, maxSocketPath-len("/.lunette-0123456789"))
	}
	switch info, err := os.Lstat(path); {
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s exists and is no socket: choose another path with --socket", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the socket: %w", err)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("a daemon is running with the socket %s: stop it, or choose another with --socket", path)
		}
		return nil, fmt.Errorf("the socket %s: %w", path, err)
	}
	l, err := listenPrivately(dir, path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the socket %s: %w", path, err), lock.release())
	}
	return &Socket{path: path, listener: l, lock: lock}, nil
}

func listenPrivately(dir, path string) (*net.UnixListener, error) {
	private, err := os.MkdirTemp(filepath.Clean(dir+"."), ".lunette-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(private) }()
	at := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the name it knows is not the one it will have
	if err = os.Chmod(at, 0o600); err == nil {
		err = os.Rename(at, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Path is where the socket is.
func (s *Socket) Path() string { return s.path }

// Close removes the socket.
func (s *Socket) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // the server has done it
	}
	return errors.Join(err, os.Remove(s.path), s.lock.release())
}
