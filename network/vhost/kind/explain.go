package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/vhost"
)

// busy reports that another program listens at the socket.
func busy(f plugin.Failed) bool { return errors.Is(f.Err, vhost.ErrInUse) }

// explain says what to do about a portal that cannot be bound.
func explain(f plugin.Failed) string {
	path := f.At.Text
	dir := filepath.Dir(path)
	var at *fs.PathError
	var who *unknownError
	switch {
	case errors.As(f.Err, &who):
		return who.text
	case errors.Is(f.Err, errors.ErrUnsupported):
		return "vhost-user needs Linux"
	case errors.Is(f.Err, vhost.ErrInUse):
		return fmt.Sprintf("a program listens at %s already (\"ss -xlp src %[1]s\" shows which): stop it, or choose another path", path)
	case errors.Is(f.Err, vhost.ErrNotSocket):
		return fmt.Sprintf("at %s there is a file that is no socket: it is left alone; remove it, or choose another path", path)
	case errors.As(f.Err, &at) && strings.HasSuffix(at.Op, "chown"):
		return fmt.Sprintf("the socket cannot be given to that owner or group (%v): be root, or have CAP_CHOWN (AmbientCapabilities=CAP_CHOWN of systemd), or name a group that the daemon's user is in", at.Err)
	case errors.Is(f.Err, fs.ErrNotExist):
		return fmt.Sprintf("there is no directory %s: make it, for those alone who are to attach (\"install -d -m 0750 %[1]s\"; RuntimeDirectory= of systemd makes one in /run)", dir)
	case errors.Is(f.Err, syscall.ENOTDIR):
		return fmt.Sprintf("%s is no directory", dir)
	case errors.Is(f.Err, fs.ErrPermission):
		return fmt.Sprintf("this user may not make files in %s: give it the directory, or choose a path in another", dir)
	case errors.Is(f.Err, syscall.EROFS):
		return fmt.Sprintf("%s is on a file system that is read-only: choose a path in another directory, such as one in /run", dir)
	}
	return strings.ReplaceAll(strings.TrimPrefix(f.Err.Error(), "vhost: "), "\n", "; ")
}
