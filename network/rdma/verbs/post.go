package verbs

import (
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// What a Work's State means here: whether it waits in a queue, how many parts of it the adapter has, and whether one has failed. Moved is how
// many bytes the adapter was given.
const (
	inQueue  = 1 << 0
	inFlight = 1 << 1 // one part
	broken   = 1 << 31
	parts    = broken - inFlight // the bits that count
)

// queued is works in order, linked by Next.
type queued struct {
	first, last  *rdma.Work
	count, bytes int64
}

func (q *queued) push(w *rdma.Work) {
	w.Next = nil
	if q.last == nil {
		q.first = w
	} else {
		q.last.Next = w
	}
	q.last = w
	q.count++
	q.bytes += int64(len(w.Head)) + w.Len
}

func (q *queued) pop() *rdma.Work {
	w := q.first
	if q.first = w.Next; q.first == nil {
		q.last = nil
	}
	w.Next = nil
	q.count--
	q.bytes -= int64(len(w.Head)) + w.Len
	return w
}

// remove takes w out; false: it is not there.
func (q *queued) remove(w *rdma.Work) bool {
	var before *rdma.Work
	for x := q.first; x != nil; before, x = x, x.Next {
		if x != w {
			continue
		}
		if before == nil {
			q.first = x.Next
		} else {
			before.Next = x.Next
		}
		if q.last == x {
			q.last = before
		}
		x.Next = nil
		q.count--
		q.bytes -= int64(len(w.Head)) + w.Len
		return true
	}
	return false
}

// Post implements rdma.Conn.
func (c *conn) Post(w *rdma.Work) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.failed {
		return false
	}
	w.Moved, w.State = 0, inQueue
	c.out.push(w)
	switch w.Op {
	case rdma.Write:
		c.stats.Writes++
	case rdma.Read:
		c.stats.Reads++
	}
	return true
}

// Flush implements rdma.Conn.
func (c *conn) Flush() {
	if !c.handing.Load() {
		c.flush()
	}
}

// flush gives the adapter what there is room for, and gives back what is done without it.
func (c *conn) flush() {
	c.mu.Lock()
	c.issue()
	done, h := c.first, c.h
	c.first = nil
	c.rest()
	if len(done) > 0 {
		c.giving.Add(1)
	}
	c.mu.Unlock()
	if len(done) == 0 {
		return
	}
	for _, g := range done {
		h.Done(g.w, g.err)
	}
	c.giving.Done()
}

// Cancel implements rdma.Conn.
func (c *conn) Cancel(w *rdma.Work) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed || w.Op != rdma.Read || w.State != inQueue || w.Moved != 0 || (!c.reads.remove(w) && !c.out.remove(w)) {
		return false
	}
	w.State = 0
	return true
}

// issue posts what there is to the adapter, as far as there is room. c.mu is held.
func (c *conn) issue() {
	for c.up && !c.failed {
		c.works, c.pieces, c.places = c.works[:0], c.pieces[:0], c.places[:0]
		last := -1 // of the Sends and Writes
		for c.flight.room() > 0 {
			q, w := c.next()
			if w == nil || !c.part(w) {
				break
			}
			switch x := &c.works[len(c.works)-1]; {
			case x.op == opRead, c.card.can.iwarp:
				x.flags |= signaled
			default:
				last = len(c.works) - 1
			}
			if w.Moved == w.Len {
				q.pop()
				w.State &^= inQueue
			}
		}
		if len(c.works) == 0 || c.failed {
			return // a connection that has just failed has its queue pair ended meanwhile: what was not posted comes back with the rest
		}
		// The last of them tells of all before it: one completion for a batch. With iWARP each tells of itself, since siw sends what does not tell
		// from the memory as it is when TCP gets to it, which is after a work behind it has been reported as done.
		if last >= 0 {
			c.works[last].flags |= signaled
		}
		c.waits.Add(int32(len(c.works)))
		c.stats.Sends++
		if n, err := c.pair.post(c.works, c.pieces); n < len(c.works) {
			// What the adapter did not take comes back with the rest, at the end.
			c.fail(lost(err))
			return
		}
	}
}

// next is the work that goes next, and its queue. Reads that waited for others go first; one that has to wait is put where it does. c.mu is held.
func (c *conn) next() (*queued, *rdma.Work) {
	for {
		if c.reads.first != nil && c.asked < c.info.Reads {
			return &c.reads, c.reads.first
		}
		w := c.out.first
		switch {
		case w == nil:
			return nil, nil
		case w.Len == 0 && (w.Op == rdma.Write || w.Op == rdma.Read):
			// Nobody is asked for nothing, and no key is looked at.
			c.out.pop()
			w.State = 0
			c.first = append(c.first, given{w, nil})
		case w.Op == rdma.Read && c.asked >= c.info.Reads:
			if c.info.Reads == 0 {
				c.fail(errNoReads)
				return nil, nil
			}
			c.reads.push(c.out.pop())
		default:
			return &c.out, w
		}
	}
}

// starve has the connection try again soon: there is no memory for what has to be copied, and others will give some back. c.mu is held.
func (c *conn) starve() {
	c.stats.Blocked++
	if c.retry == nil {
		c.retry = time.AfterFunc(time.Millisecond, func() {
			c.mu.Lock()
			c.retry = nil
			c.mu.Unlock()
			c.flush()
		})
	}
}

// A flight is a part of a work that the adapter has.
type flight struct {
	w     *rdma.Work
	stage *buffer.Lease // a copy of the data, or the place where data comes first; nil: it is in place
	at, n int64         // of the work's data
	read  bool
}

// flights are all that the adapter has of a connection. Sends and Writes are done in order, Reads whenever.
type flights struct {
	all   []flight
	free  []uint32
	order []uint32 // a ring: the Sends and Writes
	head  int
	count int
}

func (f *flights) init(depth int) {
	f.all = make([]flight, depth)
	f.order = make([]uint32, depth)
	for i := range depth {
		f.free = append(f.free, uint32(depth-1-i))
	}
}

func (f *flights) room() int { return len(f.free) }

// put takes a place for x.
func (f *flights) put(x flight) uint32 {
	i := f.free[len(f.free)-1]
	f.free = f.free[:len(f.free)-1]
	f.all[i] = x
	if !x.read {
		f.order[(f.head+f.count)%len(f.order)] = i
		f.count++
	}
	return i
}

// oldest is the place of the Send or Write that comes first; false: there is none.
func (f *flights) oldest() (uint32, bool) {
	if f.count == 0 {
		return 0, false
	}
	return f.order[f.head], true
}

// take empties a place; that of a Send or Write is the oldest.
func (f *flights) take(i uint32) flight {
	x := f.all[i]
	f.all[i] = flight{}
	f.free = append(f.free, i)
	if !x.read {
		f.head = (f.head + 1) % len(f.order)
		f.count--
	}
	return x
}
