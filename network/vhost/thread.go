package vhost

import "runtime"

// run is the queue's thread. It is one of its own, as a thread that waits for a kick is woken by the kernel at once, on the processor that it had.
func (q *Queue) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(q.ended)
	kick := none
	err := q.serve(&kick)
	q.mu.Lock()
	q.off = true
	behind := q.behind
	q.behind = nil
	q.mu.Unlock()
	call(behind)
	q.poller.found()
	closeDescriptor(kick)
	if err != nil {
		q.breaks(err)
	}
}

// looks is how often a thread looks at its ring between two looks at the clock.
const looks = 16

// serve takes chains until the queue halts or its ring breaks. kick is what the driver kicks by.
func (q *Queue) serve(kick *int) error {
	if _, err := q.device.Want(false); err != nil {
		return err
	}
	for {
		behind := q.renew(kick)
		if q.halting.Load() {
			call(behind)
			return nil
		}
		n, err := q.burst()
		call(behind)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if q.poller.more() {
			for range looks {
				if q.device.Moved() {
					break
				}
			}
			continue
		}
		if err := q.sleep(kick); err != nil {
			return err
		}
	}
}

// renew takes over what the driver kicks by from now on, and what is to be called when what is in the ring now has been handled.
func (q *Queue) renew(kick *int) (behind []func()) {
	q.mu.Lock()
	fresh := q.fresh
	q.fresh = none
	behind, q.behind = q.behind, nil
	q.mu.Unlock()
	if fresh == none {
		return behind
	}
	closeDescriptor(*kick)
	if *kick = fresh; fresh == forgotten {
		*kick = none
	}
	return behind
}

// call calls what CatchUp was given.
func call(behind []func()) {
	for _, f := range behind {
		f()
	}
}

// burst handles the chains that are there, as many as the ring has entries at the most, so that what is put off until Burst is not put off for ever.
func (q *Queue) burst() (n int, err error) {
	now := q.now()
	for n < q.size && !q.halting.Load() {
		var c *Chain
		if c, err = q.next(now); c == nil {
			break
		}
		if n == 0 && q.poller.found() {
			q.count.polled.Add(1)
		}
		n++
		q.handler.Handle(c)
	}
	if n > 0 {
		q.handler.Burst(q)
	}
	return n, err
}

// sleep asks the driver for a kick and waits for it, or for the bell.
func (q *Queue) sleep(kick *int) error {
	already, err := q.device.Want(true)
	if err != nil {
		return err
	}
	if !already {
		kicked, err := await(kick, q.bell)
		if err != nil {
			return err
		}
		if kicked {
			if n := q.count.kicks.Add(1); n == 2 && q.unmoved != nil && q.count.chains.Load() == 0 && !q.device.Moved() {
				q.unmoved()
			}
		}
	}
	_, err = q.device.Want(false)
	return err
}
