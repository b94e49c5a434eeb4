package sg

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A threadDevice sends commands by the ioctl SG_IO of bsg. Each command that is under way has a goroutine, a worker, and takes its thread: Done is called on
// that. Workers start when they are needed, Depth of them at the most, and end with Close.
type threadDevice struct {
	common
	slots *slots // one for each worker, which is its own

	mu      sync.Mutex
	work    sync.Cond // there is something in waiting, or closed; with mu
	waiting list      // guarded by mu
	workers int       // guarded by mu: those that have been started
	idle    int       // guarded by mu: those that wait for work, also if they have been called already
	closed  bool      // guarded by mu
	ended   sync.WaitGroup
}

func openThreads(node string, nodes Nodes, cfg Config) (Device, error) {
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, explain(node, err)
	}
	depth := min(cfg.depth(), MaxDepthThreads)
	d := &threadDevice{common: newCommon(fd, node, nodes, Threads, depth, cfg, true)}
	d.work.L = &d.mu
	if d.slots, err = newSlots(depth); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return d, nil
}

// Submit sends c.
func (d *threadDevice) Submit(c *Command) {
	if err := check(c, d.info.MaxTransfer); err != nil {
		fail(c, err)
		return
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		fail(c, errClosed)
		return
	}
	d.waiting.push(c)
	switch {
	case d.waiting.n <= d.idle:
		d.work.Signal()
	case d.workers < d.info.Depth:
		i := d.workers
		d.workers++
		d.ended.Go(func() { d.run(i) })
	}
	d.mu.Unlock()
}

// Close waits for the workers.
func (d *threadDevice) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.work.Broadcast()
	d.mu.Unlock()
	if closed {
		return errClosed
	}
	d.ended.Wait()
	d.slots.close()
	return unix.Close(d.fd)
}

// run is worker i.
func (d *threadDevice) run(i int) {
	h := new(v4)
	for {
		c := d.next()
		if c == nil {
			return
		}
		h.encode(c, d.slots, i)
		r := Result{}
		if err := sgIO(d.fd, h); err != nil {
			r = Result{Err: reason(err), Residual: int64(len(c.Data.Mem))}
		} else {
			r = h.decode(len(c.Data.Mem))
		}
		d.slots.ended(c, i, d.going(r))
		c.Done(c)
	}
}

// next waits for a command; nil: there will be none.
func (d *threadDevice) next() *Command {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.waiting.first == nil && !d.closed {
		d.idle++
		d.work.Wait()
		d.idle--
	}
	return d.waiting.pop()
}
