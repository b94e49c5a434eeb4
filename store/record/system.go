package record

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A system is what writing asks of the operating system. Tests let it fail.
type system interface {
	write(path string, b []byte) error // all of a new file, durable
	rename(from, to string) error
	remove(path string) error
	syncDir(path string) error
}

// real is the operating system.
type real struct{}

func (real) write(path string, b []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // left by a crash
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (real) rename(from, to string) error { return os.Rename(from, to) }

func (real) remove(path string) error { return os.Remove(path) }

// syncDir makes names durable. File systems that cannot sync a directory need not.
func (real) syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}
