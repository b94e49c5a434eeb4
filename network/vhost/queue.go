package vhost

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A Queue is a ring while it runs. Its connection makes it, lets it start and rest, and ends if it breaks; see [setting].
type Queue struct {
	setting
	epoch  time.Time
	chains []atomic.Pointer[Chain] // by ID: made when they are needed, and used again
	poller poller
	bell   int           // wakes the thread
	ended  chan struct{} // closed when there is no thread any more
	empty  chan struct{} // has one when the last chain was given back

	halting  atomic.Bool
	inflight atomic.Int64

	spare ring.Buffers // for the next chain; who takes chains has it

	mu     sync.Mutex // guards what follows, and giving back
	broken bool       // the ring is not touched any more: its rules were broken, or it was stopped
	unseen int        // chains that were given back since the driver was shown any
	owed   bool       // it is to be called for some that it was shown
	kept   int        // pieces of memory that chains have room for which are given back
	copied traffic
	lent   traffic
	fresh  int      // the next kick, of which the thread does not know yet; none: there is none
	off    bool     // there is no thread that takes chains
	behind []func() // what CatchUp was given, and nobody has taken yet

	calling sync.Mutex // guards call
	call    int

	count struct{ chains, kicks, calls, polled atomic.Uint64 }
}

// setting is what a queue is made of.
type setting struct {
	index   int
	size    int
	packed  bool
	device  ring.Device
	handler Handler
	idle    bool     // no thread, see [Idle]
	pollers *pollers // of the host
	// fail ends the connection. It is called at most once, on any goroutine with no lock of the queue held, and does not wait for the queue.
	fail func(why error)
	// unmoved is called when the driver has kicked twice, and nothing has ever been in the ring: once. nil: nobody wants to know.
	unmoved func()
}

// traffic is bytes of data, to the guest and from it.
type traffic struct{ in, out uint64 }

// none is no descriptor.
const none = -1

// maxKept is how many pieces of memory the chains of a queue keep room for that are given back. A piece takes 32 bytes.
const maxKept = 1 << 18

// newQueue makes a queue that is not started yet.
func newQueue(s setting) (*Queue, error) {
	q := &Queue{setting: s, epoch: time.Now(), chains: make([]atomic.Pointer[Chain], s.size), ended: make(chan struct{}), empty: make(chan struct{}, 1), fresh: none, call: none, off: true}
	q.poller.all = s.pollers
	var err error
	q.bell, err = newBell()
	return q, err
}

// Index is its number.
func (q *Queue) Index() int { return q.index }

// start lets the queue run. The driver is called once: a device before this one may have died before it has done so.
func (q *Queue) start() {
	q.signal()
	if !q.idle {
		q.mu.Lock()
		q.off = false
		q.mu.Unlock()
		go q.run()
		return
	}
	close(q.ended)
	if _, err := q.device.Want(false); err != nil {
		q.breaks(err)
	}
}

// setKick lets the driver kick by fd, or not at all (none); setCall the device call by it. Both borrow it: the queue has a descriptor of its own.
func (q *Queue) setKick(fd int) error {
	own, err := duplicate(fd)
	if err != nil {
		return err
	}
	q.mu.Lock()
	old := q.fresh
	q.fresh = own
	if own == none {
		q.fresh = forgotten
	}
	q.mu.Unlock()
	closeDescriptor(old)
	ringBell(q.bell)
	return nil
}

// forgotten, as the next kick: there is none.
const forgotten = -2

func (q *Queue) setCall(fd int) error {
	own, err := duplicate(fd)
	if err != nil {
		return err
	}
	q.calling.Lock()
	old := q.call
	q.call = own
	q.calling.Unlock()
	closeDescriptor(old)
	q.signal() // what went to the old one may not have been seen
	return nil
}

// halt keeps the queue from taking more chains. It does not wait.
func (q *Queue) halt() {
	q.halting.Store(true)
	ringBell(q.bell)
}

// drain returns when the queue has stopped: it takes no more chains, all have been given back, the driver sees them, and the ring is not touched any more. The handler is asked to abort them when abort
// is closed. It is called once, after start.
func (q *Queue) drain(abort <-chan struct{}) {
	q.halt()
	<-q.ended // soon, as the handler does not wait; so the handler is not given chains after it was asked to abort all
	for q.inflight.Load() > 0 {
		select {
		case <-q.empty:
		case <-abort:
			abort = nil
			q.handler.Abort(q)
		}
	}
	q.Flush()
	q.close()
}

// close lets the descriptors go, of a queue that was drained or never started.
func (q *Queue) close() {
	q.mu.Lock()
	q.broken = true
	fresh := q.fresh
	q.fresh = none
	q.mu.Unlock()
	q.calling.Lock()
	call := q.call
	q.call = none
	q.calling.Unlock()
	closeDescriptor(fresh)
	closeDescriptor(call)
	closeDescriptor(q.bell)
}

// detach lets chains be forgotten that are given back from now on: the ring and the in-flight area stay as they are, so that who goes on with the ring has them again.
func (q *Queue) detach() {
	q.mu.Lock()
	q.broken = true
	q.mu.Unlock()
}

// base is what the ring goes on with, after drain.
func (q *Queue) base() uint32 { return q.device.Base() }

// breaks ends the queue's use of its ring, and the connection, because of why.
func (q *Queue) breaks(why error) {
	q.mu.Lock()
	first := !q.broken
	q.broken = true
	q.mu.Unlock()
	if first {
		q.fail(why)
	}
}

// Take takes a chain that the driver has posted for a device to fill when it has something, as of an event queue; nil: there is none. Such a queue has no thread, see [Idle].
func (q *Queue) Take() *Chain {
	q.mu.Lock()
	c, err := q.taken()
	q.mu.Unlock()
	if err != nil {
		q.breaks(err)
	}
	return c
}

// taken is Take. q.mu is held.
func (q *Queue) taken() (*Chain, error) {
	if !q.idle || q.broken || q.halting.Load() {
		return nil, nil
	}
	return q.next(q.now())
}

// next takes a chain, at the given time since epoch; nil: there is none. It is the thread's, or that of Take.
func (q *Queue) next(now int64) (*Chain, error) {
	ok, err := q.device.Next(&q.spare)
	if !ok || err != nil {
		return nil, err
	}
	c := q.chains[q.spare.ID].Load()
	if c == nil {
		c = &Chain{queue: q}
		q.chains[q.spare.ID].Store(c)
	}
	c.Buffers, q.spare = q.spare, c.Buffers
	c.lent = c.lent[:0]
	c.copies, c.lends = traffic{}, traffic{}
	c.since.Store(now)
	q.inflight.Add(1)
	q.count.chains.Add(1)
	return c, nil
}

// now is a time since epoch, never 0.
func (q *Queue) now() int64 { return max(1, int64(time.Since(q.epoch))) }

// CatchUp calls f when all chains have been handled that the driver has posted in q before: on the thread of q, with no lock, or here and now if no thread takes chains of it. Between queues there is no order
// but what a driver sees: so a back-end makes one where it matters. f must not wait.
func (q *Queue) CatchUp(f func()) {
	q.mu.Lock()
	if q.off {
		q.mu.Unlock()
		f()
		return
	}
	q.behind = append(q.behind, f)
	ringBell(q.bell) // it is there as long as the thread is
	q.mu.Unlock()
}

// giveBack gives c back, which has been another chain since if it is the ring's again. q.mu is held.
func (q *Queue) giveBack(c *Chain, written int64) (err error) {
	if c.since.Swap(0) == 0 {
		return errTwice
	}
	q.copied.add(c.copies)
	q.lent.add(c.lends)
	q.keep(c)
	if id := c.ID; !q.broken {
		err = q.show(id, uint32(min(max(written, 0), c.WritableLen)))
	}
	if q.inflight.Add(-1) == 0 {
		select {
		case q.empty <- struct{}{}:
		default:
		}
	}
	return err
}

// together is how many chains that are given back the driver sees at a time, at the most: one that is awake goes on with them while the device is at the next ones. The driver is called by Flush.
const together = 4

// show puts a chain, and lets the driver see it with those before it if they are enough. q.mu is held.
func (q *Queue) show(id uint16, written uint32) error {
	if err := q.device.Put(id, written); err != nil {
		return err
	}
	if q.unseen++; q.unseen < together {
		return nil
	}
	q.unseen = 0
	call, err := q.device.Publish(false)
	q.owed = q.owed || call
	return err
}

// keep lets c keep the room for its pieces of memory, if that is not too much. q.mu is held.
func (q *Queue) keep(c *Chain) {
	pieces := cap(c.Buffers.Readable) + cap(c.Buffers.Writable) + cap(c.lent)
	q.kept += pieces - c.kept
	c.kept = pieces
	if q.kept > maxKept {
		q.kept -= pieces
		c.kept = 0
		c.Buffers.Readable, c.Buffers.Writable, c.lent = nil, nil, nil
	}
}

func (t *traffic) add(of traffic) {
	t.in += of.in
	t.out += of.out
}

// Flush lets the driver see all chains that were given back, and calls it if it wants that. What was given back without Flush it may see, but it is not called for it. No lock may be held that Handle takes. (It makes a Queue what a target.Batch flushes.)
func (q *Queue) Flush() {
	q.mu.Lock()
	call, err := false, error(nil)
	if !q.broken {
		q.unseen = 0
		call, err = q.device.Publish(true)
		call = call || q.owed
		q.owed = false
	}
	q.mu.Unlock()
	switch {
	case err != nil:
		q.breaks(err)
	case call:
		q.signal()
	}
}

// signal calls the driver.
func (q *Queue) signal() {
	q.calling.Lock()
	if q.call != none {
		q.count.calls.Add(1)
		ringBell(q.call)
	}
	q.calling.Unlock()
}

// stats are the counters as they are.
func (q *Queue) stats() QueueStats {
	s := QueueStats{
		Index: q.index, Size: q.size, Running: !q.halting.Load(), Packed: q.packed,
		Inflight: int(q.inflight.Load()),
		Chains:   q.count.chains.Load(), Kicks: q.count.kicks.Load(), Calls: q.count.calls.Load(), Polled: q.count.polled.Load(),
	}
	now := q.now()
	for i := range q.chains {
		if c := q.chains[i].Load(); c != nil {
			if since := c.since.Load(); since > 0 {
				s.Oldest = max(s.Oldest, time.Duration(now-since))
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s.CopiedIn, s.CopiedOut, s.LentIn, s.LentOut = q.copied.in, q.copied.out, q.lent.in, q.lent.out
	return s
}
