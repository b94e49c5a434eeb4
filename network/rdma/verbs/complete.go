package verbs

import (
	"fmt"

	"github.com/lunette-io/lunette/network/rdma"
)

// completed takes one completion. c.poll.mu is held.
func (c *conn) completed(x *completion) {
	if x.id&isReceive != 0 {
		c.received(x)
		return
	}
	if uint32(x.id>>32) != c.serial {
		return
	}
	i := uint32(x.id)
	c.mu.Lock()
	if c.flight.all[i].w == nil {
		c.mu.Unlock()
		return // it came back with one after it
	}
	done := c.done[:0]
	if !c.flight.all[i].read {
		for o, ok := c.flight.oldest(); ok && o != i; o, ok = c.flight.oldest() {
			done = c.land(done, o, success)
		}
	}
	done = c.land(done, i, x.status)
	if x.status != success && x.status != flushed {
		c.fail(ended(x))
	}
	h := c.h
	c.mu.Unlock()
	for k, g := range done {
		h.Done(g.w, g.err)
		done[k] = given{}
	}
	c.done = done[:0]
}

// land takes a part back from the adapter, and appends its work to done if that was the last. c.mu is held.
func (c *conn) land(done []given, i uint32, s status) []given {
	f := c.flight.take(i)
	c.waits.Add(-1)
	w := f.w
	if f.read {
		c.asked--
	}
	if s == success && f.read {
		c.stats.Placed += f.n
		c.stats.BytesIn += f.n
		if f.stage != nil {
			n := write(w.Data, f.at, f.stage)
			c.stats.Copied += n
			c.stats.CopiedPlaced += n
		}
	}
	if f.stage != nil {
		f.stage.Release()
	}
	if w.State -= inFlight; s != success {
		w.State |= broken
	}
	if w.State&(inQueue|parts) != 0 {
		return done
	}
	var err error
	switch {
	case s != success:
		err = failedWith(s)
	case w.State&broken != 0:
		err = rdma.ErrFlushed
	}
	w.State = 0
	return append(done, given{w, err})
}

// failedWith is what a work ends with.
func failedWith(s status) error {
	switch s {
	case remoteAccess, remoteInvalid:
		return fmt.Errorf("%w: verbs", rdma.ErrRemoteAccess)
	default:
		return fmt.Errorf("%w: verbs (status %d)", rdma.ErrFlushed, s)
	}
}

// ended is what a connection ends with when a work has.
func ended(x *completion) error {
	receives := x.id&isReceive != 0
	switch x.status {
	case remoteAccess:
		return fmt.Errorf("%w: verbs", rdma.ErrRemoteAccess)
	case remoteInvalid:
		// The peer's adapter did not like a request: its buffer was too short, usually.
		return fmt.Errorf("%w: verbs: the peer says that a request is wrong", rdma.ErrRemote)
	case remoteOperation, remoteAborted:
		return fmt.Errorf("%w: verbs (status %d)", rdma.ErrRemote, x.status)
	case localLength, localOperation: // the second is rxe's
		if receives {
			return fmt.Errorf("%w: verbs", rdma.ErrLength)
		}
	case localAccess, memoryWindowInvalid:
		return fmt.Errorf("%w: verbs", rdma.ErrAccess)
	case localProtection:
		if receives {
			return fmt.Errorf("%w: verbs (status %d)", rdma.ErrAccess, x.status)
		}
	case retriesExceeded, receiverNotReady, responseTimeout:
		return fmt.Errorf("%w: verbs: the peer does not answer", rdma.ErrLost)
	}
	return fmt.Errorf("%w: verbs: a work has failed (status %d, of the adapter %#x)", rdma.ErrLost, x.status, x.vendor)
}

// received takes a message. c.poll.mu is held.
func (c *conn) received(x *completion) {
	i := uint32(x.id)
	c.pool.took()
	c.mu.Lock()
	if x.status != success {
		if x.status != flushed {
			c.fail(ended(x))
		}
		c.mu.Unlock()
		c.back = append(c.back, i)
		return
	}
	c.up = true // the peer may be heard before it is known to be there
	m := early{buffer: i, size: int(x.bytes), key: rdma.Key(x.key), invalidates: x.flags&invalidates != 0}
	deaf := c.failed && c.local && c.err != nil
	switch {
	case deaf:
	case m.size > c.options.MaxMessage:
		c.fail(fmt.Errorf("%w: verbs: %d bytes", rdma.ErrLength, m.size))
		c.local, deaf = true, true
	default:
		c.stats.MessagesIn++
		c.stats.BytesIn += int64(m.size)
	}
	h := c.h
	c.mu.Unlock()
	if m.invalidates && !deaf {
		c.forget(m.key)
	}
	switch {
	case deaf:
		c.back = append(c.back, i)
	case h == nil:
		c.early = append(c.early, m)
	default:
		c.hand([]early{m}, h)
	}
}

// hand hands messages over. Who calls it has the right to poll, or is alone with a connection that is over.
func (c *conn) hand(all []early, h rdma.Handler) {
	for _, m := range all {
		data := m.data
		if data == nil {
			data = c.pool.message(m.buffer, m.size)
		}
		h.Received(rdma.Message{Data: data, Invalidated: m.key, Invalidates: m.invalidates})
		if m.data == nil {
			c.back = append(c.back, m.buffer)
		}
	}
}

// repost posts the buffers whose messages were handed over. c.poll.mu is held.
func (c *conn) repost() {
	if len(c.back) == 0 {
		return
	}
	c.mu.Lock()
	failed := c.failed
	c.stats.Receives++
	c.mu.Unlock()
	if failed && !c.shares {
		c.back = c.back[:0] // they end with the queue pair
		return
	}
	if err := c.pool.back(c.back...); err != nil {
		c.lose(lost(err))
	}
	c.back = c.back[:0]
}

// batchEnds is called after a batch: buffers are posted again, and what was posted meanwhile leaves. c.poll.mu is held.
func (c *conn) batchEnds() {
	c.repost()
	c.flush()
}
