package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A job is one command of a host, with its memory.
type job struct {
	buf   []byte
	write bool
	unit  int
	off   int64
	gen   uint64
	part  int64 // which of the host's jobs it is
	link  any   // the client's
}

// A client is a connection that moves jobs; for one goroutine.
type client interface {
	submit(j *job) error
	// wait returns jobs that have ended well; the slice is valid until the next call.
	wait() ([]*job, error)
	close() error
}

// patience is how long a connection may last: a target that hangs is found out.
const patience = 2 * time.Minute

// Every so many reads the data is looked at; so many writes are read back at the end.
const (
	sampled  = 32
	readBack = 64
)

// A host is one connection with a workload on its part of a unit.
type host struct {
	client
	workload
	unit      int
	from, len int64 // its part, bytes
	rand      *rand.Rand
	gens      *atomic.Uint64
	stop      *atomic.Bool
	done      atomic.Int64 // jobs
	next      int64        // offset of the next sequential job
	seen      int
	wrote     [readBack]job // without memory
	writes    int
	_         [64]byte
}

// run works until stop is set, and then reads some of what it wrote.
func (h *host) run() error {
	out := 0
	for i := range h.depth {
		j := &job{buf: make([]byte, h.size), part: int64(i)}
		h.prepare(j)
		if err := h.submit(j); err != nil {
			return err
		}
		out++
	}
	for out > 0 {
		done, err := h.wait()
		if err != nil {
			return err
		}
		h.done.Add(int64(len(done)))
		out -= len(done)
		for _, j := range done {
			if err := h.ended(j); err != nil {
				return err
			}
			if h.stop.Load() {
				continue
			}
			h.prepare(j)
			if err := h.submit(j); err != nil {
				return err
			}
			out++
		}
	}
	return h.readBack()
}

// prepare makes j the next job. Jobs that run at the same time never touch the same bytes
// if one of them writes: a mix reads the lower half of the part and writes the upper, and
// each of the jobs has blocks of its own to write.
func (h *host) prepare(j *job) {
	size := int64(h.size)
	j.unit, j.write = h.unit, h.rand.IntN(100) >= h.reads
	from, n := h.from, h.len/size
	if h.reads > 0 && h.reads < 100 {
		n /= 2
		if j.write {
			from += n * size
		}
	}
	switch {
	case h.sequential:
		j.off = from + h.next
		h.next = (h.next + size) % (n * size)
	case j.write:
		d := int64(h.depth)
		j.off = from + (h.rand.Int64N(n/d)*d+j.part)*size
	default:
		j.off = from + h.rand.Int64N(n)*size
	}
	if j.write {
		j.gen = h.gens.Add(1)
		mark(j.buf, j.unit, j.off, j.gen)
	}
}

// ended looks at some of the data.
func (h *host) ended(j *job) error {
	if j.write {
		w := &h.wrote[h.writes%readBack]
		w.unit, w.off, w.gen = j.unit, j.off, j.gen
		h.writes++
		return nil
	}
	if h.seen++; h.seen%sampled != 0 {
		return nil
	}
	return check(j.buf, j.unit, j.off, 0)
}

// readBack reads the last writes, but for those that were overwritten.
func (h *host) readBack() error {
	buf := make([]byte, h.size)
	n := min(h.writes, readBack)
	for i := range n {
		w := h.wrote[i]
		for _, x := range h.wrote[:n] {
			if x.off == w.off && x.gen > w.gen {
				w.gen = x.gen
			}
		}
		j := &job{buf: buf, unit: w.unit, off: w.off}
		if err := one(h.client, j); err != nil {
			return err
		}
		if err := check(buf, w.unit, w.off, w.gen); err != nil {
			return err
		}
	}
	return nil
}

// one moves a single job.
func one(c client, j *job) error {
	if err := c.submit(j); err != nil {
		return err
	}
	done, err := c.wait()
	if err == nil && (len(done) != 1 || done[0] != j) {
		err = errors.New("another job has ended")
	}
	return err
}

// prefill writes all units of p once, so that every grain has a mark.
func prefill(ctx context.Context, p peer, gens *atomic.Uint64) error {
	c, err := p.dial(ctx, 1000)
	if err != nil {
		return err
	}
	defer c.close()
	free := make([]*job, 8)
	for i := range free {
		free[i] = &job{buf: make([]byte, 1<<20), write: true}
	}
	out := 0
	for u := range units {
		for off := int64(0); off < unitSize || u == units-1 && out > 0; {
			if off < unitSize && len(free) > 0 {
				j := free[len(free)-1]
				free = free[:len(free)-1]
				j.unit, j.off, j.gen = u, off, gens.Add(1)
				mark(j.buf, u, off, j.gen)
				if err := c.submit(j); err != nil {
					return err
				}
				off += int64(len(j.buf))
				out++
				continue
			}
			done, err := c.wait()
			if err != nil {
				return fmt.Errorf("filling the units: %w", err)
			}
			free = append(free, done...)
			out -= len(done)
		}
	}
	return nil
}
