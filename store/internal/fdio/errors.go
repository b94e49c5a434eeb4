package fdio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
)

// Kind is the store error that err amounts to.
func Kind(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return store.ErrMedium
	}
	switch errno {
	case unix.ENOSPC, unix.EDQUOT, unix.EFBIG:
		return store.ErrOutOfSpace
	case unix.EROFS, unix.EPERM, unix.EACCES:
		return store.ErrReadOnly
	case unix.ENOLINK, unix.ETIMEDOUT, unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENOTCONN:
		// What the kernel says of a disk, or of a file system's server, that it cannot reach.
		return store.ErrUnavailable
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS:
		return store.ErrNotSupported
	}
	return store.ErrMedium
}

// Error says what failed where: it wraps err and the store error that it amounts to.
// A canceled context stays what it is.
func Error(path, op string, n, off int64, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, store.ErrForeign):
		return fmt.Errorf("%s: %s %d bytes at %d: %w", path, op, n, off, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %s %d bytes at %d: %w: it ends before that: was it truncated?", path, op, n, off, store.ErrMedium)
	}
	return fmt.Errorf("%s: %s %d bytes at %d: %w: %w", path, op, n, off, Kind(err), err)
}

// Unsupported says whether err means that the file system, the device or the kernel
// does not know how, rather than that it failed.
func Unsupported(err error) bool {
	return err == unix.EOPNOTSUPP || err == unix.ENOSYS || err == unix.ENOTTY || err == unix.EINVAL
}
