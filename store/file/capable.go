package file

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
	"github.com/lunette-io/lunette/store/internal/ringio"
)

// What a store can do depends on how its file is opened, and each combination is a type:
// store.As finds a capability by its methods.
type (
	// cached goes through the page cache: it is a [store.Tryer].
	cached struct{ *Store }
	// submitting has a ring: it is a [store.Submitter].
	submitting struct{ *Store }
	// cachedSubmitting is both.
	cachedSubmitting struct{ cached }
)

// finished is the store with the capabilities that it has.
func (s *Store) finished(cfg Config) (store.Store, error) {
	if err := s.startQueue(cfg.IO); err != nil {
		err = errors.Join(err, s.undo(err))
		_ = s.Close()
		return nil, err
	}
	switch {
	case s.direct == nil && s.queue == nil:
		return cached{s}, nil
	case s.direct == nil:
		return cachedSubmitting{cached{s}}, nil
	case s.queue == nil:
		return s, nil
	}
	return submitting{s}, nil
}

// startQueue gives the store a ring if it may have one. A file in memory gets none: its data
// is copied by whoever asks, and a thread in between only costs.
func (s *Store) startQueue(mode string) (err error) {
	if s.memory {
		switch mode {
		case ringio.Uring:
			return fmt.Errorf("%s: it lies in memory, where io_uring only costs: use io auto or threads", s.path)
		case "", ringio.Auto:
			mode = ringio.Threads
		}
	}
	s.queue, err = ringio.Open(mode, ringio.Config{
		Path: s.path, FD: s.fd, Store: s, Workers: s.info.Concurrency, Left: s.left,
	})
	return err
}

// TryReadAt fills into if all of it is in the page cache.
func (s cached) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
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
func (s cached) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	n := from.Len()
	if err := s.checkWrite("write", off, n); err != nil {
		return true, err
	}
	if s.durable || n > inlineMax || !s.memory && (off|n)&int64(s.info.PhysicalBlock-1) != 0 {
		return false, nil
	}
	_, err := fdio.WriteAt(s.fd, from, off, 0)
	return true, fdio.Error(s.path, "write", n, off, err)
}

// Submit starts r: by the ring if it can go straight to the disk.
func (s submitting) Submit(r *store.Request) { s.submit(r) }

// Submit starts r: by the ring if it is a read that has missed the page cache.
func (s cachedSubmitting) Submit(r *store.Request) { s.submit(r) }

func (s *Store) submit(r *store.Request) {
	n := r.Data.Len()
	var err error
	switch r.Op {
	case store.OpRead:
		err = s.check("read", r.Off, n)
	case store.OpWrite:
		err = s.checkWrite("write", r.Off, n)
	default:
		err = fmt.Errorf("%s: request %d: %w", s.path, r.Op, store.ErrNotSupported)
	}
	switch {
	case err != nil:
		r.Done(r, err)
	case n > 0 && s.ringTakes(r, n):
		s.queue.Submit(r)
	default:
		s.queue.Aside(r)
	}
}

// ringTakes reports that r is for the ring. What goes through the page cache is not, but for
// small reads, which may have to wait for the disk: the kernel hands writes to threads of its
// own, and one thread that copies for everybody, as that of the ring would, is slower than
// many.
func (s *Store) ringTakes(r *store.Request, n int64) bool {
	write := r.Op == store.OpWrite
	switch {
	case write && (s.durable || r.Flags&store.FUA != 0):
		return false
	case s.direct == nil:
		return !write && n <= inlineMax
	}
	return s.direct.Aligned(r.Data, r.Off) && (!write || s.direct.TryBegin())
}

// left ends what ringTakes has begun.
func (s *Store) left(r *store.Request) {
	if s.direct != nil && r.Op == store.OpWrite {
		s.direct.End()
	}
}
