// Package file keeps a store in a regular file, through the page cache.
package file

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// ErrInUse reports that someone else serves the file: this process or another.
var ErrInUse = errors.New("in use")

// Config says which file Open opens, or makes.
type Config struct {
	Path string
	// Size in bytes, a multiple of 512. 0 opens an existing file as it is. Otherwise
	// a file that does not exist, or is empty, gets that size, without taking space;
	// and one of another size is refused.
	Size int64
	// ReadOnly opens the file for reading. Any number of read-only stores share it.
	ReadOnly bool
	// Sync makes every write durable before it returns: nothing needs Flush, and
	// nothing is fast.
	Sync bool
}

// nonBlockingWrite is the largest write that counts as not waiting: a copy into the
// page cache, with writeback left to the kernel.
const nonBlockingWrite = 128 << 10

// A Store is an open file. It is safe for concurrent use.
//
// After a flush has failed, all further flushes and writes with FUA fail with
// [store.ErrMedium] until the file is opened again: the kernel reports lost data
// only once. Reads and other writes still work.
type Store struct {
	path     string
	fd       int // data goes through here
	witness  int // a second description, only for fdatasync: see fdio.Syncer
	size     int64
	readOnly bool
	durable  bool // Config.Sync
	memory   bool // tmpfs: no call ever waits for a disk
	info     store.Info
	syncer   *fdio.Syncer

	closed   atomic.Bool
	noNowait atomic.Bool // preadv2 knows no RWF_NOWAIT here
	noDsync  atomic.Bool // pwritev2 knows no RWF_DSYNC here
	noZero   atomic.Bool // fallocate knows no FALLOC_FL_ZERO_RANGE here
	noSeek   atomic.Bool // lseek knows no SEEK_DATA here
}

// Info describes the store.
func (s *Store) Info() store.Info { return s.info }

// check refuses what is outside the store, and everything after Close.
func (s *Store) check(op string, off, n int64) error {
	if s.closed.Load() {
		return fmt.Errorf("%s: %s: %w", s.path, op, store.ErrClosed)
	}
	if off < 0 || n < 0 || off > s.size-n {
		return fmt.Errorf("%s: %s: %d bytes at %d are outside the store of %d bytes", s.path, op, n, off, s.size)
	}
	return nil
}

func (s *Store) checkWrite(op string, off, n int64) error {
	if err := s.check(op, off, n); err != nil {
		return err
	}
	if s.readOnly {
		return fmt.Errorf("%s: %s: %w: opened for reading", s.path, op, store.ErrReadOnly)
	}
	return nil
}

// TryReadAt fills into if all of it is in the page cache.
func (s *Store) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	n := into.Len()
	if err := s.check("read", off, n); err != nil {
		return true, err
	}
	if s.memory {
		_, err := fdio.ReadAt(s.fd, into, off, 0)
		return true, fdio.Error(s.path, "read", n, off, err)
	}
	if s.noNowait.Load() {
		return false, nil
	}
	_, err := fdio.ReadAt(s.fd, into, off, unix.RWF_NOWAIT)
	if err == nil {
		return true, nil
	}
	if fdio.Unsupported(err) {
		s.noNowait.Store(true)
	}
	return false, nil // other errors too: ReadAt finds and reports them
}

// TryWriteAt writes up to 128 KiB of whole pages into the page cache. (Parts of pages
// may have to be read first. The kernel may still make a writer wait that has dirtied
// too much memory: there is no asking beforehand.)
func (s *Store) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	n := from.Len()
	if err := s.checkWrite("write", off, n); err != nil {
		return true, err
	}
	if s.durable || n > nonBlockingWrite || !s.memory && (off|n)&int64(s.info.PhysicalBlock-1) != 0 {
		return false, nil
	}
	_, err := fdio.WriteAt(s.fd, from, off, 0)
	return true, fdio.Error(s.path, "write", n, off, err)
}

// ReadAt fills into. A file that was truncated meanwhile is a medium error.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	n := into.Len()
	if err := s.check("read", off, n); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := fdio.ReadAt(s.fd, into, off, 0)
	return fdio.Error(s.path, "read", n, off, err)
}

// WriteAt writes from; with FUA it is durable when WriteAt returns nil.
func (s *Store) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	n := from.Len()
	if err := s.checkWrite("write", off, n); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if f&store.FUA == 0 && !s.durable {
		_, err := fdio.WriteAt(s.fd, from, off, 0)
		return fdio.Error(s.path, "write", n, off, err)
	}
	if err := s.syncer.Err(); err != nil {
		return err
	}
	if !s.noDsync.Load() {
		_, err := fdio.WriteAt(s.fd, from, off, unix.RWF_DSYNC)
		if !fdio.Unsupported(err) {
			return fdio.Error(s.path, "write", n, off, err)
		}
		s.noDsync.Store(true)
	}
	if _, err := fdio.WriteAt(s.fd, from, off, 0); err != nil {
		return fdio.Error(s.path, "write", n, off, err)
	}
	return s.syncer.Sync()
}

// Flush makes all that was written durable.
func (s *Store) Flush(context.Context) error {
	if err := s.check("flush", 0, 0); err != nil || s.readOnly {
		return err
	}
	return s.syncer.Sync()
}

// Close closes the file and gives up its lock. It does not flush.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var err error
	if s.witness >= 0 {
		err = unix.Close(s.witness)
	}
	if err = errors.Join(err, unix.Close(s.fd)); err != nil {
		return fmt.Errorf("%s: close: %w", s.path, err)
	}
	return nil
}
