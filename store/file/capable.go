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

// Can says what the store can do, which depends on how its file was opened and on the system: a
// file in the page cache can be tried, one with io_uring takes requests, and space is given back
// where the file system can.
func (s *Store) Can(c store.Capability) bool {
	switch c {
	case store.Trying:
		return s.direct == nil
	case store.Submitting:
		return s.queue != nil
	case store.Trimming: // one that is read only could otherwise, and refuses it as it does writes
		return s.info.Granularity != 0 || s.readOnly
	}
	return true // its other methods it has always
}

// startQueue gives the store a ring if it may have one; if it fails the store is closed. A file in
// memory gets none: its data is copied by whoever asks, and a thread in between only costs.
func (s *Store) startQueue(mode string) (err error) {
	switch {
	case s.memory && mode == ringio.Uring:
		err = fmt.Errorf("%s: it lies in memory, where io_uring only costs: use io auto or threads", s.path)
	case s.memory && (mode == "" || mode == ringio.Auto):
	default:
		s.queue, err = ringio.Open(mode, ringio.Config{
			Path: s.path, FD: s.fd, Store: s, Workers: s.info.Concurrency, Left: s.left,
		})
	}
	if err != nil {
		err = errors.Join(err, s.undo(err))
		_ = s.Close()
	}
	return err
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
	if s.durable || n > inlineMax || !s.memory && (off|n)&int64(s.info.PhysicalBlock-1) != 0 {
		return false, nil
	}
	_, err := fdio.WriteAt(s.fd, from, off, 0)
	return true, fdio.Error(s.path, "write", n, off, err)
}

// TakesForeign says that memory which is an initiator's own is left to the kernel: see [store.Foreign].
func (s *Store) TakesForeign() {}

// Submit starts r: by the ring, if that is for it, else on a goroutine.
func (s *Store) Submit(r *store.Request) {
	var err error
	if r.Op.Changes() {
		err = s.checkWrite(r.Op.String(), r.Off, r.Size())
	} else {
		err = s.check(r.Op.String(), r.Off, r.Size())
	}
	switch {
	case err != nil:
		r.Done(r, err)
	case s.ringTakes(r):
		s.queue.Submit(r)
	default:
		s.queue.Aside(r)
	}
}

// Cancel ends r soon if that is possible: see [store.Submitter].
func (s *Store) Cancel(r *store.Request) { s.queue.Cancel(r) }

// ringTakes reports that r is for the ring. What goes through the page cache is not, but for
// small reads, which may have to wait for the disk: the kernel hands writes to threads of its
// own, and one thread that copies for everybody, as that of the ring would, is slower than
// many.
func (s *Store) ringTakes(r *store.Request) bool {
	if r.Op > store.OpWrite {
		return false
	}
	n, write := r.Data.Len(), r.Op == store.OpWrite
	switch {
	case n == 0 || write && (s.durable || r.Flags&store.FUA != 0):
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

// Later is how many descriptors the store opens when it gets its first request.
func (s *Store) Later() int {
	if s.queue == nil {
		return 0
	}
	return ringio.Later
}
