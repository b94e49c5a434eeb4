// Package file keeps a store in a regular file, through the page cache or past it.
package file

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/direct"
	"github.com/lunette-io/lunette/store/internal/fdio"
	"github.com/lunette-io/lunette/store/internal/ringio"
	"github.com/lunette-io/lunette/store/record"
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
	// Direct goes past the page cache: data moves between memory and the disk without a
	// copy, and nothing is read ahead or kept. Writes are still only durable after Flush:
	// the disk has a cache, and the file system its notes on where data lies.
	Direct bool
	// Raw takes a file that looks like an image of another format, such as qcow2, as it is.
	Raw bool
	// IO is how requests that may wait are done: "uring", by io_uring; "threads", by
	// goroutines in system calls; "auto" or nothing, by io_uring where it is there.
	IO string
}

// inlineMax is the largest copy to or from the page cache that counts as not waiting; of
// what is written writeback is left to the kernel.
const inlineMax = 128 << 10

// A Store is an open file. It is safe for concurrent use.
//
// After a flush has failed, all further flushes and writes with FUA fail with
// [store.ErrMedium] until the file is opened again: the kernel reports lost data
// only once. Reads and other writes still work.
type Store struct {
	path     string
	fd       int // data goes through here
	witness  int // a second description, only for fdatasync: see fdio.Syncer
	size     atomic.Int64
	dev, ino uint64 // which file it is
	made     bool   // by Open
	grown    bool   // by Open, from an empty file
	readOnly bool
	durable  bool       // Config.Sync
	memory   bool       // tmpfs: no call ever waits for a disk
	info     store.Info // but for Size
	unit     int64      // what the size is a multiple of
	syncer   *fdio.Syncer
	direct   *direct.IO    // nil: through the page cache
	queue    *ringio.Queue // nil: without io_uring
	attrs    attributes
	kept     *record.File // beside the file

	closed   atomic.Bool
	noNowait atomic.Bool // preadv2 knows no RWF_NOWAIT here
	noDsync  atomic.Bool // pwritev2 knows no RWF_DSYNC here
	noZero   atomic.Bool // fallocate knows no FALLOC_FL_ZERO_RANGE here
	noSeek   atomic.Bool // lseek knows no SEEK_DATA here
}

// Info describes the store.
func (s *Store) Info() store.Info {
	i := s.info
	i.Size = s.size.Load()
	return i
}

// check refuses what is outside the store, and everything after Close.
func (s *Store) check(op string, off, n int64) error {
	if s.closed.Load() {
		return fmt.Errorf("%s: %s: %w", s.path, op, store.ErrClosed)
	}
	if off < 0 || n < 0 || off > s.size.Load()-n {
		return fmt.Errorf("%s: %s: %d bytes at %d are outside the store of %d bytes", s.path, op, n, off, s.size.Load())
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

// ReadAt fills into. A file that was truncated meanwhile is a medium error.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	n := into.Len()
	if err := s.check("read", off, n); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.direct != nil {
		return fdio.Error(s.path, "read", n, off, s.direct.ReadAt(ctx, into, off))
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
		return fdio.Error(s.path, "write", n, off, s.write(ctx, from, off, 0))
	}
	if err := s.syncer.Err(); err != nil {
		return err
	}
	if !s.noDsync.Load() && (s.direct == nil || s.direct.Aligned(from, off)) {
		err := s.write(ctx, from, off, unix.RWF_DSYNC)
		if !fdio.Unsupported(err) {
			return fdio.Error(s.path, "write", n, off, err)
		}
		s.noDsync.Store(true)
	}
	if err := s.write(ctx, from, off, 0); err != nil {
		return fdio.Error(s.path, "write", n, off, err)
	}
	return s.syncer.Sync()
}

// write writes with flags of pwritev2(2), which direct I/O heeds for what is aligned.
func (s *Store) write(ctx context.Context, from *buffer.Lease, off int64, flags int) error {
	if s.direct != nil {
		return s.direct.WriteAt(ctx, from, off, flags)
	}
	if flags == 0 {
		_, err := fdio.WriteCached(s.fd, from, off)
		return err
	}
	_, err := fdio.WriteAt(s.fd, from, off, flags)
	return err
}

// Flush makes all that was written durable.
func (s *Store) Flush(ctx context.Context) error {
	if err := s.check("flush", 0, 0); err != nil || s.readOnly {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.syncer.Sync()
}

// Close closes the file and gives up its lock. It does not flush.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if s.queue != nil {
		s.queue.Close()
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
