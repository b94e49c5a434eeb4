// Package ringio runs the requests of a store by io_uring, and those that a ring is not for
// on goroutines.
package ringio

import (
	"context"
	"errors"
	"fmt"
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
	regions = 256 // that are registered: 4 GiB of an arena
)

// A Blocking is a store as it is without a queue: what a ring cannot do it can.
type Blocking interface {
	ReadAt(ctx context.Context, into *buffer.Lease, off int64) error
	WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error
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

// A Queue takes requests from any goroutine. None of its methods but Close waits.
type Queue struct {
	cfg     Config
	loop    *uring.Loop
	arrived atomic.Pointer[store.Request] // for the ring, by Link, the last one first
	aside   workers
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
	d := &driver{q: q}
	d.slots.open()
	var err error
	q.loop, err = uring.Start(entries, d)
	switch {
	case err == nil:
		return q, nil
	case mode != Uring && errors.Is(err, uring.ErrUnavailable):
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", cfg.Path, err)
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
	q.loop.Wake()
}

// Aside runs r on a goroutine, by the blocking calls of the store.
func (q *Queue) Aside(r *store.Request) { q.aside.run(r) }

// block is what the goroutines do.
func (q *Queue) block(r *store.Request) {
	var err error
	if r.Op == store.OpWrite {
		err = q.cfg.Store.WriteAt(context.Background(), r.Data, r.Off, r.Flags)
	} else {
		err = q.cfg.Store.ReadAt(context.Background(), r.Data, r.Off)
	}
	r.Done(r, err)
}

// Close returns when thread and goroutines have ended. No request is left.
func (q *Queue) Close() {
	q.loop.Close()
	q.aside.close()
}
