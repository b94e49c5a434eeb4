// Package record keeps small things with a store's data, in one file beside it: which disk it is,
// where the file system cannot keep that with the data itself, and what has to be known of it after
// a restart.
package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
)

// Suffix makes the name of the file beside the data of the name of the data.
const Suffix = ".lunette"

// Beside is where the records of the data at path lie: beside the file itself, wherever links lead
// to it.
func Beside(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path + Suffix
}

// A File has records by name. It is there while it has any, or a stamp. Whoever has the data for writing has the
// file as well: no other process changes it. It is safe for concurrent use.
type File struct {
	path string
	sys  system

	mu    sync.Mutex
	stamp map[string][]byte // is in whatever is written
}

// At returns the file at path, there or not.
func At(path string) *File { return &File{path: path, sys: real{}} }

// Path is where the file lies.
func (f *File) Path() string { return f.path }

// Stamp puts a record into whatever is written from now on; the file is not made for it.
func (f *File) Stamp(name string, value []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stamp == nil {
		f.stamp = make(map[string][]byte)
	}
	f.stamp[name] = bytes.Clone(value)
}

// Get returns the record of the name; nil if there is none, or no file.
func (f *File) Get(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, _, err := f.read()
	return bytes.Clone(all[name]), err
}

// Set makes value, which it borrows, the record of the name; nil takes it away. See
// [store.Record.Save].
func (f *File) Set(name string, value []byte) error {
	if value != nil {
		return f.change(map[string][]byte{name: value}, nil)
	}
	return f.change(nil, []string{name})
}

// Reset makes records all that there are; without any the file is removed.
func (f *File) Reset(records map[string][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, was, err := f.read()
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	return f.replace(records, was)
}

// change puts records in, and takes others out.
func (f *File) change(in map[string][]byte, out []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, was, err := f.read()
	if err != nil {
		return err
	}
	if all == nil {
		all = make(map[string][]byte)
	}
	for _, name := range out {
		delete(all, name)
	}
	if maps.Copy(all, in); was != nil {
		maps.Copy(all, f.stamp) // which keeps the file
	}
	return f.replace(all, was)
}

// replace writes records, with the stamp, in the place of was, which is what stands in the file; nil:
// there is none. f.mu is held.
func (f *File) replace(records map[string][]byte, was []byte) error {
	if len(records) == 0 && was == nil {
		return nil
	}
	var now []byte
	if len(records) > 0 {
		all := maps.Clone(records)
		maps.Copy(all, f.stamp)
		now = encode(all)
	}
	if len(now) > maxFile {
		return fmt.Errorf("%s: %d bytes are more than it may have", f.path, len(now))
	}
	err := f.put(now)
	if err == nil {
		return nil
	}
	// It may have come as far as to be there, and not be durable: what was there is put back, since
	// whoever is told of an error takes it as still so.
	if is, look := f.load(); look == nil && !bytes.Equal(is, was) {
		err = errors.Join(err, f.put(was))
	}
	return err
}

// put makes b all that stands in the file, in one step and durably; nil takes the file away. f.mu is
// held.
func (f *File) put(b []byte) error {
	fail := func(what string, err error) error {
		return fmt.Errorf("%s: cannot %s: %w: %w", f.path, what, kind(err), err)
	}
	if b == nil {
		if err := f.sys.remove(f.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fail("remove it", err)
		}
	} else {
		next := f.path + ".new"
		if err := f.sys.write(next, b); err != nil {
			_ = f.sys.remove(next)
			return fail("write it", err)
		}
		if err := f.sys.rename(next, f.path); err != nil {
			_ = f.sys.remove(next)
			return fail("put it in its place", err)
		}
	}
	if err := f.sys.syncDir(filepath.Dir(f.path)); err != nil {
		return fail("make it durable", err)
	}
	return nil
}

// kind is the store error that err amounts to.
func kind(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return store.ErrOutOfSpace
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return store.ErrReadOnly
	}
	return store.ErrMedium
}

// read returns what stands in the file, as records and as bytes; nothing if there is none. f.mu is
// held.
func (f *File) read() (all map[string][]byte, raw []byte, err error) {
	if raw, err = f.load(); raw == nil || err != nil {
		return nil, nil, err
	}
	if all, err = decode(raw); err != nil {
		return nil, raw, fmt.Errorf("%s: %w", f.path, err)
	}
	return all, raw, nil
}

// load reads the file; nil if there is none.
func (f *File) load() ([]byte, error) {
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	switch {
	case err == unix.ENOENT:
		return nil, nil
	case err == unix.ELOOP:
		return nil, fmt.Errorf("%s: it is a link: a file is wanted", f.path)
	case err != nil:
		return nil, fmt.Errorf("%s: cannot open it: %w", f.path, err)
	}
	file := os.NewFile(uintptr(fd), f.path)
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: it is not a regular file", f.path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s: %w: it has %d bytes", f.path, ErrDamaged, info.Size())
	}
	b, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("%s: cannot read it: %w", f.path, err)
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// Slot is the record of a name.
func (f *File) Slot(name string) store.Record { return slot{f, name} }

type slot struct {
	*File
	name string
}

// Load implements [store.Record].
func (s slot) Load() ([]byte, error) { return s.Get(s.name) }

// Save implements [store.Record].
func (s slot) Save(b []byte) error { return s.Set(s.name, b) }

// Where implements [store.Record].
func (s slot) Where() string { return s.path }
