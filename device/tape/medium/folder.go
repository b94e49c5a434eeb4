package medium

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A folder is the directory of a cartridge. Names are relative to it, with slashes; "." is itself.
type folder interface {
	// open opens a file. With write it is made if need be. What is not there is an error that is fs.ErrNotExist.
	open(name string, write bool) (file, error)
	mkdir(name string) error
	rename(from, to string) error
	// remove removes a file or a directory with all that is in it. What is not there is no error.
	remove(name string) error
	list(name string) ([]string, error)
	// syncDir makes what files a directory has durable.
	syncDir(name string) error
}

// A file is one of them. Its methods may be called by several goroutines.
type file interface {
	// readv fills the pieces of v, in order, from off on. Fewer bytes come with io.EOF.
	readv(v [][]byte, off int64) (int64, error)
	// writev writes the pieces of v. Fewer bytes come with an error.
	writev(v [][]byte, off int64) (int64, error)
	truncate(n int64) error
	size() (int64, error)
	sync() error
	close() error
}

// readAt fills p, but for what is behind the end of the file. It allocates: not for hot paths.
func readAt(f file, p []byte, off int64) (int, error) {
	n, err := f.readv([][]byte{p}, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return int(n), err
}

// writeAt writes p. It allocates: not for hot paths.
func writeAt(f file, p []byte, off int64) error {
	_, err := f.writev([][]byte{p}, off)
	return err
}

// readAll reads a file of at most limit bytes.
func readAll(d folder, name string, limit int64) ([]byte, error) {
	f, err := d.open(name, false)
	if err != nil {
		return nil, err
	}
	defer f.close()
	n, err := f.size()
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("%s: it has %d bytes, which are too many", name, n)
	}
	b := make([]byte, n)
	got, err := readAt(f, b, 0)
	return b[:got], err
}

// replace makes b all that stands in a file, in one step and durably.
func replace(d folder, name string, b []byte) error {
	next := name + ".new"
	err := write(d, next, b)
	if err == nil {
		err = d.rename(next, name)
	}
	if err != nil {
		_ = d.remove(next)
		return space(err)
	}
	return space(d.syncDir("."))
}

// write makes b all that stands in a file, and makes that durable, but not its name.
func write(d folder, name string, b []byte) error {
	f, err := d.open(name, true)
	if err != nil {
		return err
	}
	if err = f.truncate(0); err == nil {
		err = writeAt(f, b, 0)
	}
	if err == nil {
		err = f.sync()
	}
	return errors.Join(err, f.close())
}

// space makes an error of a disk that is full [ErrNoSpace], and that of one that cannot be written [ErrReadOnly].
func space(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNoSpace), errors.Is(err, ErrReadOnly):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
