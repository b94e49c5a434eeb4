package sim

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// run is the goroutine of a started connection.
func (c *conn) run() {
	c.l.mu.Lock()
	for {
		for !c.kick {
			c.wake.Wait()
		}
		c.kick = false
		if c.ended {
			break
		}
		c.handOver()
		c.settle()
		c.pump()
		c.orderly()
	}
	for c.pumping {
		c.wake.Wait()
	}
	c.giveBack()
}

// most is how many events are one batch.
const most = 16

// handOver handles a batch of what has come. What was posted meanwhile goes out at its end.
func (c *conn) handOver() {
	if len(c.in) == 0 {
		return
	}
	c.handing = true
	for range most {
		if len(c.in) == 0 || c.ended {
			break
		}
		e := c.in[0]
		c.in[0] = event{}
		c.in = c.in[1:]
		c.handle(e)
	}
	c.handing = false
	c.flush()
	if len(c.in) > 0 {
		c.kick = true
	}
}

func (c *conn) handle(e event) {
	switch e.kind {
	case message:
		c.stats.MessagesIn++
		c.l.mu.Unlock()
		c.h.Received(e.m)
		// It was borrowed: who keeps it sees this.
		for i := range e.m.Data {
			e.m.Data[i] = 0xdd
		}
		c.l.mu.Lock()
		c.pending--
		c.peer.poke()
	case question:
		if !e.read.fate.Mute {
			c.out = append(c.out, item{read: e.read})
		}
	case answered:
		if c.reads[e.read.w] == e.read {
			delete(c.reads, e.read.w)
			c.done(e.read.w, nil)
		}
	case finish:
		c.gotEnd = true
		if !c.closing {
			c.flush()
			c.linger()
		}
	}
}

// done gives a work back, without the lock.
func (c *conn) done(w *rdma.Work, err error) {
	c.l.mu.Unlock()
	c.give(w, err)
	c.l.mu.Lock()
}

func (c *conn) give(w *rdma.Work, err error) {
	w.State = free
	c.h.Done(w, err)
}

// settle gives back what was late.
func (c *conn) settle() {
	for !c.ended && len(c.late) > 0 && c.late[0].ready {
		l := c.late[0]
		c.late = c.late[1:]
		c.settling = true // those behind do not overtake it
		c.done(l.w, l.err)
		c.settling = false
	}
}

// linger begins an orderly end, which may not take for ever.
func (c *conn) linger() {
	c.closing = true
	c.after(linger, func() {
		c.fail(fmt.Errorf("%w: sim: the peer did not end in time", rdma.ErrLost), errReset)
	})
	c.poke()
}

// orderly goes on with an orderly end: ours is sent behind all that was posted, and both
// together end the connection.
func (c *conn) orderly() {
	if !c.closing || c.ended || c.pumping || c.l.silent {
		return
	}
	if !c.sentEnd && len(c.out)+len(c.waiting)+len(c.in) == 0 {
		c.sentEnd = true
		c.peer.come(event{kind: finish})
	}
	if c.sentEnd && c.gotEnd && len(c.reads)+len(c.late) == 0 {
		c.end(nil)
	}
}

// come queues what has come to this side.
func (c *conn) come(e event) {
	if c.ended {
		return
	}
	if e.kind == message {
		c.pending++
	}
	c.in = append(c.in, e)
	c.poke()
}

// fail ends both sides, each with its error; a peer behind a silent link learns nothing.
func (c *conn) fail(err, theirs error) {
	c.end(err)
	if !c.l.silent {
		c.peer.end(theirs)
	}
}

// end ends this side: from now on nothing touches its memory.
func (c *conn) end(err error) {
	if c.ended {
		return
	}
	c.ended, c.err = true, err
	c.poke()
}

// giveBack ends a started connection: every work once, then Closed. It releases the lock.
func (c *conn) giveBack() {
	type end struct {
		w   *rdma.Work
		err error
	}
	var all []end
	for _, l := range c.late {
		all = append(all, end{l.w, l.err})
	}
	for w, r := range c.reads {
		if r.err == nil {
			r.err = errFlushed
		}
		all = append(all, end{w, r.err})
	}
	for _, q := range [][]item{c.waiting, c.out} {
		for _, i := range q {
			if i.w != nil {
				all = append(all, end{i.w, errFlushed})
			}
		}
	}
	for _, w := range c.posted {
		all = append(all, end{w, errFlushed})
	}
	clear(c.reads)
	c.drop()
	err := c.err
	c.l.mu.Unlock()
	c.ticks.Wait()
	for _, e := range all {
		c.give(e.w, e.err)
	}
	c.forget()
	c.h.Closed(err)
}

// drop forgets everything that an ended connection has.
func (c *conn) drop() {
	c.posted, c.out, c.waiting, c.late, c.in = nil, nil, nil, nil, nil
	clear(c.windows)
	for t := range c.timers {
		if t.Stop() {
			c.ticks.Done()
		}
	}
	clear(c.timers)
}

// after calls f with the lock held, unless the connection has ended by then.
func (c *conn) after(d time.Duration, f func()) {
	c.ticks.Add(1)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		defer c.ticks.Done()
		c.l.mu.Lock()
		defer c.l.mu.Unlock()
		delete(c.timers, t)
		if !c.ended {
			f()
		}
	})
	c.timers[t] = struct{}{}
}
