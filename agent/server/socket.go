package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/lunette-io/lunette/agent/api"
)

// maxSocketPath is what a sockaddr_un holds, without the NUL.
const maxSocketPath = 107

// A Socket is the Unix socket of a daemon, which it alone owns.
type Socket struct {
	path     string
	listener *net.UnixListener
	lock     *lockFile
}

// Listen makes the socket at path, for its user alone (mode 0600), or for those of a group as well
// (mode 0660); group is a name or a number, or empty. Without a path it is at [api.DefaultSocket],
// or in a directory that Listen makes. A socket that a daemon has left behind is replaced; one that a daemon
// owns is an error.
func Listen(path, group string) (*Socket, error) {
	gid, err := groupID(group)
	if err != nil {
		return nil, err
	}
	if path, err = api.SocketPlace(path); err != nil {
		return nil, err
	}
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
		return nil, unplaced(path, err)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("a daemon is running with the socket %s: stop it, or choose another with --socket", path)
		}
		return nil, unplaced(path, err)
	}
	l, err := listenPrivately(dir, path, gid)
	if err != nil {
		return nil, errors.Join(unplaced(path, err), lock.release())
	}
	return &Socket{path: path, listener: l, lock: lock}, nil
}

// unplaced says what to do about a socket that cannot be made at path.
func unplaced(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the socket %s: there is no directory %s: make it, or choose another path with --socket", path, dir)
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("the socket %s: %s.lock is a link: choose another path with --socket", path, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the socket %s: this user may not make files in %s: choose another path with --socket", path, dir)
	}
	return fmt.Errorf("the socket %s: %w", path, err)
}

// groupID is the number of a group; -1 for an empty name.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("--socket-group: there is no group %q on this machine: make it with groupadd, or write a number", name)
	}
	n, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0, fmt.Errorf("--socket-group: the group %q has the number %q, which is none", name, g.Gid)
	}
	return n, nil
}

func listenPrivately(dir, path string, gid int) (*net.UnixListener, error) {
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
	if err = admit(at, gid); err == nil {
		err = os.Rename(at, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// admit lets its user, and those of a group, open the socket.
func admit(at string, gid int) error {
	if gid < 0 {
		return os.Chmod(at, 0o600)
	}
	if err := os.Chown(at, -1, gid); err != nil {
		return &groupError{gid, err}
	}
	return os.Chmod(at, 0o660)
}

// A groupError says that the socket cannot be given to a group.
type groupError struct {
	gid int
	err error
}

func (e *groupError) Error() string {
	return fmt.Sprintf("it cannot be given to the group %d (%v): be root or one of the group", e.gid, e.err)
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
