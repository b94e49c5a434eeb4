package srp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// maxUnsent is how many pieces of a task's data-in wait to be sent at a time: one that is being
// sent, one to follow it at once.
const maxUnsent = 2

// transfer takes a transfer from the free list. c.mu is held.
func (c *channel) transfer(k *task, r role, op rdma.Op, m *memory) *transfer {
	x := c.spare
	if x != nil {
		c.spare, x.next = x.next, nil
	} else {
		x = new(transfer)
	}
	x.k, x.role, x.op, x.mem = k, r, op, m
	return x
}

func (c *channel) putTransfer(x *transfer) {
	x.k, x.mem = nil, nil
	x.next, c.spare = c.spare, x
}

// sendDataIn sends data ahead of the response.
func (c *channel) sendDataIn(k *task, off int64, data *buffer.Lease) bool {
	c.mu.Lock()
	x := c.transfer(k, dataPiece, rdma.Write, &k.in)
	x.next, k.parts = k.parts, x
	k.unsent++
	c.move(x, data, off)
	if x.take() != nil { // the connection has ended: the task is aborted soon
		c.pieceSent(x)
		c.mu.Unlock()
		data.Release()
		return true
	}
	c.mu.Unlock()
	c.conn.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	k.paced = k.unsent >= maxUnsent && !c.dead && !k.Aborted()
	return !k.paced
}

// pieceSent takes a piece of data-in off its task. c.mu is held. It reports that the device server
// waits for that.
func (c *channel) pieceSent(x *transfer) bool {
	k := x.k
	at := &k.parts
	for *at != x {
		at = &(*at).next
	}
	*at = x.next
	c.putTransfer(x)
	k.unsent--
	more := k.paced && k.unsent < maxUnsent
	if more {
		k.paced = false
	}
	return more
}

var errExhausted = &target.DataError{Sense: scsi.AbortedCommand(scsi.ASCInsufficientResources)}

// receiveDataOut fetches data from the initiator's buffer, or has it already.
func (c *channel) receiveDataOut(k *task, off int64, into *buffer.Lease) {
	c.mu.Lock()
	var err error
	switch n := into.Len(); {
	case c.dead || k.Aborted():
		err = target.ErrAborted
	case n == 0:
	case k.hand != nil:
		into.Copy(0, k.hand[off:min(off+n, int64(len(k.hand)))])
		k.taken = off + n
		c.copied += n
	case k.kept != nil:
		for at := int64(0); at < n; {
			p := k.kept.At(off + at)
			if p == nil {
				err = errBeyond
				break
			}
			at += int64(into.Copy(at, p[:min(int64(len(p)), n-at)]))
		}
		k.taken = off + n
		c.copied += n
	case k.lost:
		err = errExhausted
	default:
		c.move(&k.get, into, off)
		if k.get.take() == nil {
			c.mu.Unlock()
			c.conn.Flush()
			return
		}
		err = k.get.err
	}
	c.mu.Unlock()
	k.DataOutReceived(err)
}

// keepHand makes a place for immediate data that the device server has not taken yet. c.mu is
// held.
func (c *channel) keepHand(k *task) error {
	if k.hand == nil {
		if k.lost {
			return errExhausted
		}
		return nil
	}
	l, err := c.node.cfg.Arena.Get(int64(len(k.hand)))
	if err != nil {
		k.lost = true
		err = errExhausted
	} else {
		l.Copy(0, k.hand)
		c.copied += int64(len(k.hand))
		k.kept = l
	}
	k.hand = nil
	k.First = buffer.Lease{}
	return err
}

// settle ends the loan of a command's immediate data, and the reference that came with it. c.mu is
// not held.
func (c *channel) settle(k *task) {
	c.mu.Lock()
	if !k.finished && k.hand != nil && k.taken < int64(len(k.hand)) {
		_ = c.keepHand(k) // ReceiveDataOut tells
	}
	k.hand = nil
	k.drop()
	c.unlock()
}

func (c *channel) keep(k *task) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keepHand(k)
}

// terminate stops moving data for k. A Read that the initiator has been asked for cannot be
// stopped: then the device server gets its data, or the news, when that has ended, and the task
// ends after that.
func (c *channel) terminate(k *task) {
	c.mu.Lock()
	paced := k.paced
	k.paced = false
	c.stopParts(k)
	c.cancel(&k.get)
	into := k.get.take()
	c.mu.Unlock()
	if paced {
		k.DataInSent()
	}
	if into != nil {
		k.DataOutReceived(target.ErrAborted)
	}
}

// stopParts posts no more data-in of k. c.mu is held.
func (c *channel) stopParts(k *task) {
	c.cancel(&k.last)
	for x := k.parts; x != nil; x = x.next {
		c.cancel(x)
	}
}
