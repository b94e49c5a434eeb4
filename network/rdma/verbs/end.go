package verbs

import (
	"bytes"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

const (
	// linger is how long an orderly end waits for the peer to take what is left, and to say that it has heard of the end.
	linger = 2 * time.Second
	// drains is how long is waited for word that nothing is taken from the shared queue any more, which some adapters never send.
	drains = 20 * time.Millisecond
)

// Close implements rdma.Conn.
func (c *conn) Close(err error) {
	c.mu.Lock()
	unstarted := c.h == nil
	switch {
	case c.failed:
	case unstarted:
		c.local = true
		c.fail(fmt.Errorf("%w before it was started", rdma.ErrClosed))
	case err != nil:
		c.local = true
		c.fail(fmt.Errorf("%w: %w", rdma.ErrClosed, err))
	case !c.closing:
		c.closing = true
		c.linger = time.AfterFunc(linger, func() {
			c.lose(fmt.Errorf("%w: verbs: the peer does not take what is left", rdma.ErrLost))
		})
	}
	c.mu.Unlock()
	if unstarted {
		<-c.ended
		return
	}
	if !c.handing.Load() {
		c.flush()
	}
}

// rest ends a connection that is to be closed when all is done. c.mu is held.
func (c *conn) rest() {
	if c.closing && !c.failed && c.up && c.out.first == nil && c.reads.first == nil && len(c.first) == 0 && c.flight.room() == len(c.flight.all) {
		c.local = true
		c.fail(nil)
	}
}

// fail ends the connection because of err; nil: in order. c.mu is held.
func (c *conn) fail(err error) {
	if c.failed {
		return
	}
	c.failed, c.err = true, err
	if c.linger != nil {
		c.linger.Stop()
	}
	if c.retry != nil {
		c.retry.Stop()
	}
	orderly := err == nil && c.local
	c.dev.ends.Go(func() { c.end(orderly) })
}

// end takes everything back from the adapter, gives it back, and says so.
func (c *conn) end(orderly bool) {
	if !orderly {
		_ = c.pair.fail() // nothing more moves, and what is there comes back
	}
	_ = c.id.disconnect()
	if orderly {
		wait(c.gone, linger)
	}
	if c.shares {
		wait(c.drained, drains)
	}

	c.poll.mu.Lock()
	c.poll.drain() // what has come
	c.pair.end()
	c.poll.drain() // what came since, or comes back
	c.poll.remove(c)
	if c.shares {
		_ = c.pool.back(c.back...)
		c.back = nil
	}
	c.mu.Lock()
	for i := range c.early { // they are for Start
		m := &c.early[i]
		m.data = bytes.Clone(c.pool.message(m.buffer, m.size))
		if m.data == nil {
			m.data = []byte{}
		}
		if c.shares {
			_ = c.pool.back(m.buffer)
		}
	}
	c.over = true
	done := c.abandon()
	h := c.h
	c.mu.Unlock()
	c.poll.mu.Unlock()

	for _, g := range done {
		h.Done(g.w, g.err)
	}
	c.giving.Wait() // Closed is the last call
	c.revokeAll()
	c.giveBack()
	c.id.destroy()
	c.dev.forget(c.token)
	close(c.ended)
	if h != nil {
		h.Closed(c.err)
	}
}

// abandon is all works that are left: the adapter has none of them any more. c.mu is held.
func (c *conn) abandon() []given {
	done := c.first
	c.first = nil
	for i := range c.flight.all {
		if f := &c.flight.all[i]; f.w != nil {
			if f.stage != nil {
				f.stage.Release()
			}
			if f.w.State -= inFlight; f.w.State&(inQueue|parts) == 0 {
				done = append(done, given{f.w, c.why()})
				f.w.State = 0
			}
			*f = flight{}
		}
	}
	for _, q := range []*queued{&c.out, &c.reads} {
		for q.first != nil {
			w := q.pop()
			w.State = 0
			done = append(done, given{w, c.why()})
		}
	}
	c.asked = 0
	c.waits.Store(0)
	return done
}

// why is what works are given back with at the end. c.mu is held.
func (c *conn) why() error {
	if c.err == nil {
		return rdma.ErrFlushed
	}
	return fmt.Errorf("%w: %v", rdma.ErrFlushed, c.err)
}

// wait waits for ch, but not for ever.
func wait(ch <-chan struct{}, most time.Duration) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-ch:
	case <-t.C:
	}
}
