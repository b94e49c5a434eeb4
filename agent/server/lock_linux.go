package server

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

var errLocked = errors.New("locked by another process")

// A lockFile says that its owner lives: the kernel gives it back when the owner dies.
type lockFile struct{ f *os.File }

// takeLock takes the lock at path, or fails with errLocked.
func takeLock(path string) (*lockFile, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, errLocked
			}
			return nil, err
		}
		// Whoever had it may have removed it between our open and our lock.
		mine, err1 := f.Stat()
		there, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return &lockFile{f}, nil
		}
		_ = f.Close()
	}
}

// release removes the lock file while it is ours, and lets go.
func (l *lockFile) release() error {
	return errors.Join(os.Remove(l.f.Name()), l.f.Close())
}
