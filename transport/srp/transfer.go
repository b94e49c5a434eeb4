package srp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// maxFlying is how many works a transfer has with the connection at a time. A list of descriptors
// can be much longer: works are memory as well.
const maxFlying = 64

// maxIdle is how many works a channel keeps for the next commands.
const maxIdle = 4 * maxFlying

// A role is what a transfer is for.
type role uint8

const (
	lastData  role = iota // data-in with the response
	dataPiece             // data-in before it
	dataOut               // data that the device server has asked for
	dataTable             // an external descriptor table
)

// A transfer moves data between a lease and a memory of the initiator. c.mu guards it.
type transfer struct {
	k    *task
	role role
	op   rdma.Op
	mem  *memory
	cur  cursor

	data *buffer.Lease // nil: there is no transfer
	off  int64         // how much of it is posted
	len  int64

	counts bool  // in k.unposted
	stop   bool  // no more is posted
	err    error // the first of a work
	flying int
	works  *work // with the connection, by next

	next *transfer // free list of the channel, or data pieces of the task
}

// A work is one RDMA Write or Read of a transfer. It belongs to the channel's free list.
type work struct {
	rdma.Work
	x          *transfer
	prev, next *work
}

// move sets x up for data, at offset off of the memory, and posts what may be posted. c.mu is
// held.
func (c *channel) move(x *transfer, data *buffer.Lease, off int64) {
	x.data, x.off, x.len, x.stop, x.err = data, 0, data.Len(), false, nil
	x.cur = x.mem.seek(off)
	if x.op == rdma.Write {
		x.counts = true
		x.k.unposted++
	}
	c.pump(x)
}

// posted reports that nothing of x is posted any more.
func (x *transfer) posted() bool { return x.stop || x.off == x.len }

// over reports that nothing of x is with the connection any more.
func (x *transfer) over() bool { return x.flying == 0 && x.posted() }

// pump posts what may be posted. c.mu is held. It reports that there was something.
func (c *channel) pump(x *transfer) bool {
	some := false
	for !x.posted() && x.flying < maxFlying {
		d := x.mem.next(&x.cur, x.len-x.off)
		if d.Len == 0 { // more than the device server was told that there is
			x.stop, x.err = true, errBeyond
			break
		}
		if !c.postWork(x, rdma.Remote{Key: rdma.Key(d.Key), Addr: d.Addr}, int64(d.Len)) {
			break
		}
		some = true
	}
	x.count()
	return some
}

// count takes x out of what the response waits for when all is posted. c.mu is held.
func (x *transfer) count() {
	if x.counts && x.posted() {
		x.counts = false
		x.k.unposted--
	}
}

var errBeyond = &target.DataError{Sense: scsi.AbortedCommand(scsi.ASCDataOutBufferError)}

// postWork posts the next n bytes of x. c.mu is held. false: the connection has ended.
func (c *channel) postWork(x *transfer, to rdma.Remote, n int64) bool {
	w := c.works
	if w != nil {
		c.works, w.next = w.next, nil
		c.idle--
	} else {
		w = new(work)
		w.Owner = w
	}
	w.Op, w.Data, w.At, w.Len, w.Remote = x.op, x.data, x.off, n, to
	w.x = x
	if !c.conn.Post(&w.Work) {
		c.putWork(w)
		x.stop, x.err = true, target.ErrAborted
		return false
	}
	if w.next = x.works; w.next != nil {
		w.next.prev = w
	}
	x.works = w
	x.off += n
	x.flying++
	x.k.refs++
	return true
}

func (c *channel) putWork(w *work) {
	w.Data, w.x, w.prev, w.next = nil, nil, nil, nil
	if c.idle < maxIdle {
		w.next, c.works = c.works, w
		c.idle++
	}
}

// back takes a work that the connection has given back out of its transfer. c.mu is held.
func (c *channel) back(w *work) {
	x := w.x
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		x.works = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	x.flying--
	c.putWork(w)
}

// cancel stops x, and takes back what can be. c.mu is held, and somebody else has a reference to
// the task.
func (c *channel) cancel(x *transfer) {
	if x.data == nil {
		return
	}
	x.stop = true
	x.count()
	if x.err == nil {
		x.err = target.ErrAborted
	}
	if x.op != rdma.Read {
		return // those have left, or leave soon
	}
	for w := x.works; w != nil; {
		next := w.next
		if c.conn.Cancel(&w.Work) {
			c.back(w)
			x.k.refs--
		}
		w = next
	}
}

// take ends x if it is over, and returns its data. c.mu is held.
func (x *transfer) take() *buffer.Lease {
	if x.data == nil || !x.over() {
		return nil
	}
	data := x.data
	x.data = nil
	return data
}

// moved takes a work back and goes on with its transfer. No lock is held.
func (c *channel) moved(w *work, err error) {
	c.mu.Lock()
	x := w.x
	k, role := x.k, x.role
	c.back(w)
	if err != nil {
		x.stop = true
		x.count()
		if x.err == nil {
			x.err = target.ErrAborted
		}
	}
	flush := c.pump(x)
	flush = c.conclude(k) || flush
	data, more := x.take(), false
	err = x.err
	if data != nil {
		switch role {
		case dataPiece:
			more = c.pieceSent(x)
		case dataTable:
			c.fetched(x)
		}
	}
	wait := len(c.waiting) > 0
	k.drop()
	c.unlock()
	if data != nil {
		switch role {
		case lastData, dataPiece:
			data.Release()
			if more {
				k.DataInSent() // the device server has it: it has not ended yet
			}
		case dataOut:
			k.DataOutReceived(err) // as above
		}
	}
	if wait {
		c.unblock()
	}
	if flush {
		c.conn.Flush()
	}
}
