// Package block keeps a store on a block device, past the page cache.
package block

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
)

// A Store is an open block device. It is safe for concurrent use.
//
// Memory goes to the device as it is, if it is aligned as that wants: memory of a
// [buffer.Arena] is. Everything else is copied through memory that is, and parts of
// the device's blocks are read before they are written: see Bounced.
//
// After a flush has failed, all further flushes and writes with FUA fail with
// [store.ErrMedium] until the device is opened again.
type Store struct {
	path     string
	fd       int // data goes through here
	witness  int // a second description, only for fdatasync: see fdio.Syncer
	readOnly bool
	size     atomic.Int64
	device   uint64                // its number
	measure  func() (int64, error) // asks the device for its size
	info     store.Info            // but for Size
	syncer   *fdio.Syncer
	align    direct.Align
	io       *direct.IO
	queue    *ringio.Queue // nil without io_uring

	closed  atomic.Bool
	noDsync atomic.Bool // pwritev2 knows no RWF_DSYNC here
	noPunch atomic.Bool // the device cannot zero by unmapping after all
	noZero  atomic.Bool // fallocate knows no FALLOC_FL_ZERO_RANGE here
}

// Info describes the store.
func (s *Store) Info() store.Info {
	i := s.info
	i.Size = s.size.Load()
	return i
}

// Can says what the store can do: it takes requests with io_uring, and gives space back where the
// device can.
func (s *Store) Can(c store.Capability) bool {
	switch c {
	case store.Submitting:
		return s.queue != nil
	case store.Trimming: // one that is read only could otherwise, and refuses it as it does writes
		return s.info.Granularity != 0 || s.readOnly
	}
	return true // its other methods it has always
}

// Bounced is how many calls had to copy, and how many bytes.
func (s *Store) Bounced() (calls, bytes uint64) { return s.io.Bounced() }

// begin refuses what is outside the store, everything after Close and, if ctx has
// ended, everything.
func (s *Store) begin(ctx context.Context, op string, off, n int64, write bool) error {
	switch {
	case s.closed.Load():
		return fmt.Errorf("%s: %s: %w", s.path, op, store.ErrClosed)
	case off < 0 || n < 0 || off > s.size.Load()-n:
		return fmt.Errorf("%s: %s: %d bytes at %d are outside the device of %d bytes", s.path, op, n, off, s.size.Load())
	case write && s.readOnly:
		return fmt.Errorf("%s: %s: %w: opened for reading", s.path, op, store.ErrReadOnly)
	}
	return ctx.Err()
}

// ReadAt fills into.
func (s *Store) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	n := into.Len()
	if err := s.begin(ctx, "read", off, n, false); err != nil {
		return err
	}
	return fdio.Error(s.path, "read", n, off, s.io.ReadAt(ctx, into, off))
}

// WriteAt writes from; with FUA it is durable when WriteAt returns nil.
func (s *Store) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	n := from.Len()
	if err := s.begin(ctx, "write", off, n, true); err != nil {
		return err
	}
	fua := f&store.FUA != 0
	if fua {
		if err := s.syncer.Err(); err != nil {
			return err
		}
	}
	synced, err := s.write(ctx, from, off, fua)
	if err != nil {
		return fdio.Error(s.path, "write", n, off, err)
	}
	if fua && !synced {
		return s.syncer.Sync()
	}
	return nil
}

// write says whether the data is durable already.
func (s *Store) write(ctx context.Context, from *buffer.Lease, off int64, fua bool) (synced bool, err error) {
	if fua && !s.noDsync.Load() && s.io.Aligned(from, off) {
		err := s.io.WriteAt(ctx, from, off, unix.RWF_DSYNC)
		if !fdio.Unsupported(err) {
			return true, err
		}
		s.noDsync.Store(true)
	}
	return false, s.io.WriteAt(ctx, from, off, 0)
}

// Flush makes all that was written durable.
func (s *Store) Flush(ctx context.Context) error {
	if err := s.begin(ctx, "flush", 0, 0, false); err != nil || s.readOnly {
		return err
	}
	return s.syncer.Sync()
}

// Close closes the device. It does not flush.
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
