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
	all, err := c.takeAll()
	c.l.mu.Unlock()
	c.ticks.Wait()
	for _, l := range all {
		c.give(l.w, l.err)
	}
	c.forget()
	c.h.Closed(err)
}

// most is how many events are one batch.
const most = 16

// handOver handles a batch of what has come. What was posted meanwhile goes out at its end.
// c.l.mu is held.
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

// handle handles one event. c.l.mu is held. The handler is called without it.
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

// done gives a work back. c.l.mu is held. The handler is called without it.
func (c *conn) done(w *rdma.Work, err error) {
	c.l.mu.Unlock()
	c.give(w, err)
	c.l.mu.Lock()
}

func (c *conn) give(w *rdma.Work, err error) {
	w.State = free
	c.h.Done(w, err)
}

// settle gives back what was late. c.l.mu is held.
func (c *conn) settle() {
	for !c.ended && len(c.late) > 0 && c.late[0].ready {
		l := c.late[0]
		c.late = c.late[1:]
		c.settling = true // those behind do not overtake it
		c.done(l.w, l.err)
		c.settling = false
	}
}

// linger begins an orderly end, which may not take for ever. c.l.mu is held.
func (c *conn) linger() {
	c.closing = true
	c.after(linger, func() {
		c.fail(fmt.Errorf("%w: sim: the peer did not end in time", rdma.ErrLost), errReset)
	})
	c.poke()
}

// orderly goes on with an orderly end: ours is sent behind all that was posted, and both
// together end the connection. c.l.mu is held.
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

// come queues what has come to this side. c.l.mu is held.
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
// c.l.mu is held.
func (c *conn) fail(err, theirs error) {
	c.end(err)
	if !c.l.silent {
		c.peer.end(theirs)
	}
}

// end ends this side: from now on nothing touches its memory. c.l.mu is held.
func (c *conn) end(err error) {
	if c.ended {
		return
	}
	c.ended, c.err = true, err
	c.poke()
}

// takeAll takes every work out of a connection that has ended, each with its error, and returns what
// the connection has ended with. c.l.mu is held.
func (c *conn) takeAll() (all []*completion, err error) {
	all = c.late
	for w, r := range c.reads {
		if r.err == nil {
			r.err = errFlushed
		}
		all = append(all, &completion{w: w, err: r.err})
	}
	for _, q := range [][]item{c.waiting, c.out} {
		for _, i := range q {
			if i.w != nil {
				all = append(all, &completion{w: i.w, err: errFlushed})
			}
		}
	}
	for _, w := range c.posted {
		all = append(all, &completion{w: w, err: errFlushed})
	}
	clear(c.reads)
	c.drop()
	return all, c.err
}

// drop forgets everything that an ended connection has. c.l.mu is held.
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

// after calls f in time, with c.l.mu held, unless the connection has ended by then.
// c.l.mu is held.
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
