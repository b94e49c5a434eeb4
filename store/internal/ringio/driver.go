package ringio

import (
	"io"
	"math/bits"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/uring"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// A driver is the ring's side of a queue: it is used on the ring's thread alone.
type driver struct {
	q     *Queue
	slots slots
	first *store.Request // taken from the queue, in order
	batch store.Batch    // those that are ending
	long  [][]unix.Iovec // vectors for leases of many pieces, of slots that have ended
}

// A slot is a request that the kernel has.
type slot struct {
	*store.Request
	vec    [16]unix.Iovec
	long   []unix.Iovec // of a lease with more pieces than that
	next   int          // free slot
	cancel bool         // the kernel was asked to cancel it
}

// cancels is set in the numbers of operations that cancel others: the rest is the slot.
const cancels = 1 << 32

type slots struct {
	all  [depth]slot
	free int // depth: none
}

func (s *slots) open() {
	for i := range s.all {
		s.all[i].next = i + 1
	}
}

// Opened makes room for regions. The file is not registered: the kernel would let go of it,
// and of its lock, some time after the end of a process, when another may have been started.
func (d *driver) Opened(r *uring.Ring) {
	if r.ReserveBuffers(regions) {
		d.q.table.Open(regions)
	}
}

// Fill starts as many requests as there are slots for.
func (d *driver) Fill(r *uring.Ring) {
	if d.q.canceled.Load() && d.q.canceled.Swap(false) {
		d.cancel(r)
	}
	for d.slots.free < depth && d.more() {
		i := d.slots.free
		s := &d.slots.all[i]
		d.slots.free = s.next
		s.Request = d.first
		d.first = d.first.Link
		s.Link = nil
		d.issue(r, i)
	}
}

// cancel ends the requests whose contexts have ended, as far as they can be: those that wait here,
// and by the kernel those that it has. It is rare, and looks at all of them.
func (d *driver) cancel(r *uring.Ring) {
	d.more()
	for at := &d.first; *at != nil; {
		w := *at
		err := w.Canceled()
		if err == nil {
			at = &w.Link
			continue
		}
		*at, w.Link = w.Link, nil
		if d.q.cfg.Left != nil {
			d.q.cfg.Left(w)
		}
		w.Done(w, err)
	}
	for i := range d.slots.all {
		s := &d.slots.all[i]
		if s.Request == nil || s.cancel || s.Canceled() == nil {
			continue
		}
		e := r.Next(uint64(i) | cancels)
		if e == nil {
			d.q.canceled.Store(true) // the next time
			return
		}
		e.Cancel(uint64(i))
		s.cancel = true
	}
}

// more takes what has arrived if there is nothing else, and reports whether there is anything.
func (d *driver) more() bool {
	if d.first != nil {
		return true
	}
	if d.q.arrived.Load() == nil {
		return false
	}
	for r := d.q.arrived.Swap(nil); r != nil; {
		r, r.Link, d.first = r.Link, d.first, r
	}
	return true
}

// issue sends off what is left of a request. There is room in the ring: it has an entry for
// each slot.
func (d *driver) issue(r *uring.Ring, i int) {
	s := &d.slots.all[i]
	if err := s.Canceled(); err != nil { // it may have been canceled before it was here
		q := d.leave(i)
		q.Done(q, err)
		return
	}
	e := r.Next(uint64(i))
	if e == nil {
		d.turnAway(i)
		return
	}
	off := s.Off + s.Moved
	if s.Data.Segments() == 1 {
		g := s.Data.Segment(0)
		if at := d.q.table.Index(r, g.Region); at >= 0 {
			if s.Op == store.OpWrite {
				e.WriteFixed(d.q.cfg.FD, g.Mem[s.Moved:], off, at)
			} else {
				e.ReadFixed(d.q.cfg.FD, g.Mem[s.Moved:], off, at)
			}
			return
		}
	}
	vec := d.vector(s)
	vec = vec[:fdio.Vectors(vec, s.Data, s.Moved)]
	if s.Op == store.OpWrite {
		e.Writev(d.q.cfg.FD, vec, off)
	} else {
		e.Readv(d.q.cfg.FD, vec, off)
	}
}

// vector is where the pieces of a request are described. What has more of them than a slot has room for, an
// initiator's own memory that is, gets a vector that is used again and again, as long as the system takes.
func (d *driver) vector(s *slot) []unix.Iovec {
	n := s.Data.Segments()
	if n <= len(s.vec) {
		return s.vec[:]
	}
	if s.long != nil {
		return s.long
	}
	if last := len(d.long) - 1; last >= 0 {
		s.long = d.long[last]
		d.long[last] = nil
		d.long = d.long[:last]
	}
	if n = min(n, fdio.Most); len(s.long) < n { // a short one is left to the garbage collector
		s.long = make([]unix.Iovec, min(fdio.Most, 1<<bits.Len(uint(max(n, 128)-1))))
	}
	return s.long
}

// Ended goes on with a request that has moved a part of its data, and ends it otherwise.
func (d *driver) Ended(r *uring.Ring, user uint64, res int32) {
	if user&cancels != 0 {
		return // the operation that it was about completes by itself
	}
	i := int(user)
	s := &d.slots.all[i]
	var err error
	switch {
	case res > 0:
		if s.Moved += int64(res); s.Moved < s.Data.Len() {
			d.issue(r, i)
			return
		}
	case res == 0 && s.Data.Foreign(): // the memory may be gone: the blocking call finds out
		d.turnAway(i)
		return
	case res == 0 && s.Op == store.OpWrite:
		err = io.ErrShortWrite
	case res == 0:
		err = io.ErrUnexpectedEOF
	default:
		errno := unix.Errno(-res)
		if err = s.Canceled(); err != nil && (errno == unix.ECANCELED || errno == unix.EINTR) {
			break
		}
		if passes(errno) || errno == unix.EIO && s.Data.Foreign() { // see direct.IO.ReadAt
			d.turnAway(i)
			return
		}
		err = errno
	}
	q := d.leave(i)
	q.Batch = &d.batch
	q.Done(q, fdio.Error(d.q.cfg.Path, q.Op.String(), q.Data.Len(), q.Off, err))
}

// Reaped ends the batch of those that have ended.
func (d *driver) Reaped() { d.batch.End() }

// passes reports an error that says nothing about the file: the blocking call knows better.
func passes(errno unix.Errno) bool {
	switch errno {
	case unix.EINTR, unix.EAGAIN, unix.ECANCELED, unix.ENOMEM, unix.ENOBUFS, unix.EFAULT:
		return true
	}
	return fdio.Unsupported(errno)
}

// turnAway lets a goroutine do all of a request.
func (d *driver) turnAway(i int) { d.q.Aside(d.leave(i)) }

// leave frees a slot.
func (d *driver) leave(i int) *store.Request {
	s := &d.slots.all[i]
	r := s.Request
	s.Request, s.next, s.cancel = nil, d.slots.free, false
	clear(s.vec[:])
	if s.long != nil {
		clear(s.long)
		d.long = append(d.long, s.long)
		s.long = nil
	}
	d.slots.free = i
	if d.q.cfg.Left != nil {
		d.q.cfg.Left(r)
	}
	return r
}
