package medium

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A directory is a folder of the operating system.
type directory string

func (d directory) path(name string) string {
	return filepath.Join(string(d), filepath.FromSlash(name))
}

func (d directory) open(name string, write bool) (file, error) {
	flags := unix.O_RDONLY
	if write {
		flags = unix.O_RDWR | unix.O_CREAT
	}
	path := d.path(name)
	for {
		// Links are not followed, and what is no file is not waited for: a cartridge may come from anywhere.
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0o600)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			_ = unix.Close(fd)
			return nil, errors.Join(err, fmt.Errorf("%s: it is not a regular file", path))
		}
		return &osFile{fd, path}, nil
	}
}

func (d directory) mkdir(name string) error {
	if err := os.Mkdir(d.path(name), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func (d directory) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d directory) remove(name string) error { return os.RemoveAll(d.path(name)) }

func (d directory) list(name string) ([]string, error) {
	all, err := os.ReadDir(d.path(name))
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.Name()
	}
	return names, err
}

func (d directory) syncDir(name string) error {
	f, err := os.Open(d.path(name))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// disk is how many bytes are free where the directory is, and how many there are; 0: it cannot be told.
func (d directory) disk() (free, size int64) {
	var st unix.Statfs_t
	if unix.Statfs(string(d), &st) != nil {
		return 0, 0
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize
}

// lock locks a cartridge against other processes, and other Opens of this one, until the result is closed.
func (d directory) lock(write bool) (io.Closer, error) {
	flags, how := os.O_RDONLY, unix.LOCK_SH
	if write {
		flags, how = os.O_RDWR|os.O_CREATE, unix.LOCK_EX
	}
	f, err := os.OpenFile(d.path("lock"), flags|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, os.ErrNotExist) && !write { // a copy may lack it
		f, err = os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	}
	if err != nil {
		return nil, space(err)
	}
	for {
		switch err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err {
		case unix.EINTR:
			continue
		case nil:
			return f, nil
		case unix.EWOULDBLOCK:
			err = fmt.Errorf("%s: %w", string(d), ErrLocked)
		default:
			err = fmt.Errorf("%s cannot be locked: %w: it has to be where files can be locked (flock), as on local disks and NFSv4", string(d), err)
		}
		return nil, errors.Join(err, f.Close())
	}
}

// An osFile is a file of the operating system.
type osFile struct {
	fd   int
	path string
}

func (f *osFile) fail(op string, err error) error {
	return &os.PathError{Op: op, Path: f.path, Err: err}
}

func (f *osFile) readv(v [][]byte, off int64) (int64, error) {
	return move(v, func(v [][]byte, done int64) (int, error) {
		n, err := unix.Preadv(f.fd, v[:min(len(v), mostPieces)], off+done)
		if err != nil && err != unix.EINTR {
			return 0, f.fail("read", err)
		}
		if n == 0 && err == nil {
			return 0, io.EOF
		}
		return max(n, 0), nil
	})
}

func (f *osFile) writev(v [][]byte, off int64) (int64, error) {
	return move(v, func(v [][]byte, done int64) (int, error) {
		n, err := unix.Pwritev(f.fd, v[:min(len(v), mostPieces)], off+done)
		if err != nil && err != unix.EINTR {
			return 0, f.fail("write", err)
		}
		if n == 0 && err == nil {
			return 0, io.ErrShortWrite
		}
		return max(n, 0), nil
	})
}

// move calls f until all of v is moved, or f fails. Most often that is one call with v itself.
func move(v [][]byte, f func(v [][]byte, done int64) (int, error)) (int64, error) {
	total := int64(0)
	for _, p := range v {
		total += int64(len(p))
	}
	for done := int64(0); done < total; {
		rest := v
		if done > 0 {
			rest = behind(v, done)
		}
		n, err := f(rest, done)
		if done += int64(n); err != nil {
			return done, err
		}
	}
	return total, nil
}

// behind is v without its first n bytes.
func behind(v [][]byte, n int64) (rest [][]byte) {
	for _, p := range v {
		if n >= int64(len(p)) {
			n -= int64(len(p))
			continue
		}
		rest = append(rest, p[n:])
		n = 0
	}
	return rest
}

func (f *osFile) again(op string, call func() error) error {
	for {
		if err := call(); err == nil {
			return nil
		} else if err != unix.EINTR {
			return f.fail(op, err)
		}
	}
}

func (f *osFile) truncate(n int64) error {
	return f.again("truncate", func() error { return unix.Ftruncate(f.fd, n) })
}

func (f *osFile) sync() error {
	return f.again("sync", func() error { return unix.Fdatasync(f.fd) })
}

func (f *osFile) size() (int64, error) {
	var st unix.Stat_t
	err := f.again("stat", func() error { return unix.Fstat(f.fd, &st) })
	return st.Size, err
}

func (f *osFile) close() error { return unix.Close(f.fd) }
