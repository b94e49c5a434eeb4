package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// ErrLeft is wrapped by the error of [TakeBack] about what was left as it is, because it may be more
// than what the change has made.
var ErrLeft = errors.New("it is left as it is")

// TakeBack removes a file that was made, or makes one that was made longer as short as it was: see
// [Dir.Unfinished]. It does so only if nothing can be lost by it: the file is a regular one, nobody
// has it locked, and there is no data in what goes (holes, and room that is allocated but not
// written, are no data). Everything else is left, and the error wraps [ErrLeft]. That there is
// nothing to take back is no error.
func TakeBack(m Made) error {
	left := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s: %w", m.Path, fmt.Sprintf(format, args...), ErrLeft)
	}
	if err := (noted{made: m}).check(); err != nil {
		return err
	}
	fd, err := openAgain(m.Path, unix.O_RDWR)
	switch {
	case err == unix.ENOENT, err == unix.ENOTDIR:
		return nil
	case err == unix.ELOOP:
		return left("it is a link")
	case err == unix.EISDIR, err == unix.ENXIO, err == unix.ENODEV:
		return left("it is not a regular file")
	case err != nil:
		return fmt.Errorf("%s: cannot open it to take it back: %w", m.Path, err)
	}
	file := os.NewFile(uintptr(fd), m.Path)
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return left("it is not a regular file")
	case !m.Grown && st.Nlink != 1:
		return left("it has other names")
	case m.Grown && st.Size <= m.Size:
		return nil
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock); err == unix.EAGAIN || err == unix.EACCES {
		return left("another process has it")
	}
	if at, err := unix.Seek(fd, m.Size, unix.SEEK_DATA); err == nil && st.Size > m.Size {
		return left("there is data in it, at %d", at)
	} else if err != nil && err != unix.ENXIO && st.Size > m.Size {
		return left("whether there is data in it cannot be found out (%v)", err)
	}
	failpoint.Here("state/takeback/begun")
	if m.Grown {
		if err := errors.Join(file.Truncate(m.Size), file.Sync()); err != nil {
			return fmt.Errorf("%s: cannot make it as short as it was: %w", m.Path, err)
		}
		return nil
	}
	if err := errors.Join(os.Remove(m.Path), syncPath(filepath.Dir(m.Path))); err != nil {
		return fmt.Errorf("%s: cannot remove it: %w", m.Path, err)
	}
	return nil
}

// openAgain opens the file at path, but no link, and waits for nobody.
func openAgain(path string, access int) (fd int, err error) {
	for {
		fd, err = unix.Open(path, access|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
