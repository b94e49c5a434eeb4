package library

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse is that another process, or another part of this one, has the library open.
var ErrInUse = errors.New("the library is in use")

// A lock is a file that is locked. The kernel unlocks it when its process ends, however that is, so that none is left behind.
type lock struct{ file *os.File }

// tryLock locks a file, which is made if there is none; false: somebody else has it.
func tryLock(path string) (*lock, bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return &lock{f}, true, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("%s cannot be locked: %w: the store has to be where files can be locked (flock), as on local disks and NFSv4", path, err)
}

// waitLock is tryLock for a lock that is held for moments only.
func waitLock(ctx context.Context, path string) (*lock, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		l, ok, err := tryLock(path)
		if ok || err != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is locked: %w", path, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (l *lock) unlock() { _ = l.file.Close() } // which also unlocks it
