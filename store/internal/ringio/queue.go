// Package ringio runs the requests of a store by io_uring, and those that a ring is not for
// on goroutines.
package ringio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/uring"
	"github.com/lunette-io/lunette/store"
)

// Values of a store's option about io_uring.
const (
	Auto    = "auto"    // where it is there
	Uring   = "uring"   // or fail to open
	Threads = "threads" // never
)

// The largest that a queue gets.
const (
	entries = 256 // of the ring
	depth   = entries - uring.Reserved
	regions = 16 // that are registered: 256 MiB of an arena, whose pages stay when a peak is over
)

// A Blocking is a store as it is without a queue: what a ring cannot do it can. Flushes, trims
// and zeros are among that: the kernel hands them, as operations of a ring, to threads of its
// own, which gains nothing over a goroutine, and the flushes of a store have to come one after the
// other (see fdio.Syncer).
type Blocking interface {
	ReadAt(ctx context.Context, into *buffer.Lease, off int64) error
	WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error
	Flush(ctx context.Context) error
	store.Trimmer
	store.Zeroer
}

// Config says what Open makes a queue for.
type Config struct {
	Path  string // for errors
	FD    int    // not with O_NONBLOCK: the kernel would not retry what has to wait
	Store Blocking
	// Workers is how many goroutines do what the ring does not.
	Workers int
	// Left is called, if it is not nil, for what the ring is done with, before the
	// request ends: on the ring's thread.
	Left func(r *store.Request)
}

// Later is how many descriptors a queue opens with its first request.
const Later = 2

// A Queue takes requests from any goroutine. None of its methods but Close waits. Its ring, with a thread
// and memory, is there from the first request on: many stores have none for as long as they are open.
type Queue struct {
	cfg      Config
	loop     atomic.Pointer[uring.Loop]    // nil: there is no ring yet
	begun    atomic.Bool                   // one is made, or there is one
	failed   atomic.Bool                   // none can be made: all goes aside
	starting sync.WaitGroup                // who makes it
	arrived  atomic.Pointer[store.Request] // for the ring, by Link, the last one first
	canceled atomic.Bool                   // the ring's thread shall look for requests that are
	aside    workers
	table    buffer.Table // the ring's thread uses it
}

// Open starts a queue if mode, one of the values above or "" for Auto, wants it and the
// system can; both are nil if there is none and none is needed.
func Open(mode string, cfg Config) (*Queue, error) {
	switch mode {
	case "", Auto, Uring:
	case Threads:
		return nil, nil
	default:
		return nil, fmt.Errorf("%s: io %q is none of %s, %s, %s", cfg.Path, mode, Auto, Uring, Threads)
	}
	q := &Queue{cfg: cfg}
	q.aside.open(cfg.Workers, q.block)
	var err error
	if mode == Uring {
		q.begun.Store(true)
		err = q.start()
	} else {
		err = uring.Probe()
	}
	switch {
	case err == nil:
		return q, nil
	case mode != Uring && errors.Is(err, uring.ErrUnavailable):
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", cfg.Path, err)
}

// start makes the ring.
func (q *Queue) start() error {
	d := &driver{q: q}
	d.slots.open()
	l, err := uring.Start(entries, d)
	if err == nil {
		q.loop.Store(l)
	}
	return err
}

// wake lets the ring look for what has arrived; the first time it makes the ring.
func (q *Queue) wake() {
	switch l := q.loop.Load(); {
	case l != nil:
		l.Wake()
	case q.failed.Load():
		q.divert()
	case !q.begun.Load() && q.begun.CompareAndSwap(false, true):
		q.starting.Go(func() {
			if q.start() != nil { // it was there when the store was opened: memory is short, or descriptors
				q.failed.Store(true)
				q.divert()
				return
			}
			q.loop.Load().Wake()
		})
	}
}

// divert takes what has arrived for a ring that cannot be made to the goroutines.
func (q *Queue) divert() {
	var first *store.Request
	for r := q.arrived.Swap(nil); r != nil; { // the last one comes first
		next := r.Link
		r.Link, first = first, r
		r = next
	}
	for r := first; r != nil; {
		next := r.Link
		r.Link = nil
		if q.cfg.Left != nil {
			q.cfg.Left(r)
		}
		q.aside.run(r)
		r = next
	}
}

// Submit moves all of r.Data by the ring. The caller has seen to it that this can be done, and
// that r has data.
func (q *Queue) Submit(r *store.Request) {
	r.Moved = 0
	for {
		head := q.arrived.Load()
		r.Link = head
		if q.arrived.CompareAndSwap(head, r) {
			break
		}
	}
	q.wake()
}

// Aside runs r on a goroutine, by the blocking calls of the store.
func (q *Queue) Aside(r *store.Request) { q.aside.run(r) }

// Cancel ends r soon if that is possible: what waits for a goroutine, or for room in the ring, at
// once, and what the kernel has if the kernel can. It may be called when r has ended.
func (q *Queue) Cancel(r *store.Request) {
	if q.aside.cancel(r) {
		return
	}
	q.canceled.Store(true)
	if l := q.loop.Load(); l != nil { // else whoever makes the ring looks
		l.Wake()
	}
}

// block is what the goroutines do.
func (q *Queue) block(r *store.Request) {
	ctx := r.Ctx()
	var err error
	switch s := q.cfg.Store; r.Op {
	case store.OpRead:
		err = s.ReadAt(ctx, r.Data, r.Off)
	case store.OpWrite:
		err = s.WriteAt(ctx, r.Data, r.Off, r.Flags)
	case store.OpFlush:
		err = s.Flush(ctx)
	case store.OpTrim:
		err = s.Trim(ctx, r.Off, r.Len)
	case store.OpZero:
		err = s.Zero(ctx, r.Off, r.Len, r.Flags)
	default:
		err = fmt.Errorf("%s: request %d: %w", q.cfg.Path, r.Op, store.ErrNotSupported)
	}
	r.Done(r, err)
}

// Close returns when thread and goroutines have ended. No request is left.
func (q *Queue) Close() {
	q.starting.Wait()
	if l := q.loop.Load(); l != nil {
		l.Close()
	}
	q.table.Close()
	q.aside.close()
}
