package sim

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// A link is both sides of a connection.
type link struct {
	net    *Network
	mu     sync.Mutex // all of both sides; data moves under it, a piece at a time
	silent bool       // nothing passes any more (Fate.Drop)
}

// A conn is one side. Its fields are guarded by the link's lock.
type conn struct {
	l       *link
	peer    *conn
	dev     *device
	options rdma.Options
	dialed  bool
	info    rdma.Info
	h       rdma.Handler // nil before Start

	wake sync.Cond // for the goroutine
	kick bool      // there is something for it to look at

	posted  []*rdma.Work // not flushed
	out     []item       // flushed
	pumping bool         // somebody works on out
	handing bool         // a batch is being handed over
	stalled bool         // out waits for a timer or a gate
	works   int          // that have left

	reads    map[*rdma.Work]*read // the peer has been asked for, not given back
	asked    int                  // of these, not answered
	waiting  []item               // Reads that wait for others
	late     []*completion        // Sends and Writes that are done, and not given back
	settling bool                 // one of late is being given back

	in      []event
	pending int // messages from when they have come until Received has returned
	windows map[rdma.Key]window

	closed  bool  // Close was called
	closing bool  // orderly: nothing is posted any more
	sentEnd bool  // and all that was posted has left
	gotEnd  bool  // the peer has done the same
	ended   bool  // nothing moves any more
	err     error // what it ended with

	timers map[*time.Timer]struct{}
	ticks  sync.WaitGroup // functions of timers
	stats  rdma.Stats
}

// An item is what waits to be sent: a work, or the answer to a Read of the peer.
type item struct {
	w     *rdma.Work
	fate  Fate
	fated bool // fate is known, and its delay is over
	read  *read
}

// A read is a Read that the peer has been asked for.
type read struct {
	w    *rdma.Work
	fate Fate
	err  error // what it ends with if the connection does
}

// A completion is a Send or Write that is done.
type completion struct {
	w     *rdma.Work
	err   error
	ready bool
}

// An event is something that has come.
type event struct {
	kind kind
	m    rdma.Message
	read *read
}

type kind uint8

const (
	message  kind = iota
	question      // a Read of the peer
	answered      // a Read of ours
	finish        // the peer has sent all
)

// Bits of Work.State.
const (
	free uint32 = iota
	posted
)

// connect makes the two sides of an accepted request.
func connect(r *request, o rdma.Options) (ours, theirs *conn, err error) {
	if !r.to.use(&r.to.conns) {
		return nil, nil, fmt.Errorf("%w: sim: the device is closed", rdma.ErrLost)
	}
	if !r.from.use(&r.from.conns) {
		r.to.free(&r.to.conns)
		return nil, nil, fmt.Errorf("%w: sim: the peer's device is closed", rdma.ErrLost)
	}
	l := &link{net: r.to.net}
	side := func(d *device, o rdma.Options, local, remote string, reads int) *conn {
		o.Private = nil
		c := &conn{
			l: l, dev: d, options: o, info: rdma.Info{Provider: "sim", Local: local, Remote: remote, Reads: max(reads, 0)},
			reads: make(map[*rdma.Work]*read), windows: make(map[rdma.Key]window), timers: make(map[*time.Timer]struct{}),
		}
		c.wake.L = &l.mu
		return c
	}
	ours = side(r.to, o, r.remote, r.local, min(o.Reads, r.options.Serves))
	theirs = side(r.from, r.options, r.local, r.remote, min(r.options.Reads, o.Serves))
	ours.peer, theirs.peer, theirs.dialed = theirs, ours, true
	l.net.mu.Lock()
	l.net.conns[ours], l.net.conns[theirs] = struct{}{}, struct{}{}
	l.net.mu.Unlock()
	return ours, theirs, nil
}

// forget ends the bookkeeping for a connection that has ended.
func (c *conn) forget() {
	c.l.net.mu.Lock()
	delete(c.l.net.conns, c)
	c.l.net.mu.Unlock()
	c.dev.free(&c.dev.conns)
}

func (c *conn) Start(h rdma.Handler) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.h != nil || c.closed {
		return
	}
	c.h = h
	c.kick = true
	c.dev.running.Go(c.run)
}

// poke has the goroutine look what there is to do.
func (c *conn) poke() {
	c.kick = true
	c.wake.Signal()
}

// Post queues w. A work that breaks the rules ends the connection: it is the user's mistake.
func (c *conn) Post(w *rdma.Work) bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.ended || c.closing {
		return false
	}
	if why := c.misuse(w); why != "" {
		c.fail(fmt.Errorf("%w: sim: misuse: %s", rdma.ErrClosed, why), errReset)
		return false
	}
	w.State, w.Moved = posted, 0
	c.posted = append(c.posted, w)
	switch w.Op {
	case rdma.Write:
		c.stats.Writes++
	case rdma.Read:
		c.stats.Reads++
	}
	return true
}

var errReset = fmt.Errorf("%w: sim: the peer has broken off", rdma.ErrLost)

func (c *conn) misuse(w *rdma.Work) string {
	switch {
	case w.State != free:
		return "a work was posted that is posted"
	case w.Op > rdma.Read:
		return "no such operation"
	case w.Len < 0 || w.At < 0 || (w.Len > 0 && (w.Data == nil || w.At > w.Data.Len()-w.Len)):
		return "a work is not within its data"
	case w.Op >= rdma.Write && len(w.Head) != 0:
		return "a Write or Read with a head"
	case w.Op == rdma.Read && c.info.Reads == 0:
		return "a Read where none are agreed on"
	}
	return ""
}

// Flush sends what is queued, unless a batch is being handed over or somebody is sending:
// then they do it.
func (c *conn) Flush() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.handing {
		return
	}
	c.flush()
	c.pump()
}

// flush lets out see what is posted.
func (c *conn) flush() {
	for _, w := range c.posted {
		c.out = append(c.out, item{w: w})
	}
	c.posted = c.posted[:0]
}

func (c *conn) Cancel(w *rdma.Work) bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if w.Op != rdma.Read || c.ended {
		return false
	}
	is := func(i item) bool { return i.w == w }
	switch {
	case slices.Contains(c.posted, w):
		c.posted = slices.DeleteFunc(c.posted, func(o *rdma.Work) bool { return o == w })
	case slices.ContainsFunc(c.out, is):
		c.out = slices.DeleteFunc(c.out, is)
		c.next() // it may have been the one that was let go
	case slices.ContainsFunc(c.waiting, is):
		c.waiting = slices.DeleteFunc(c.waiting, is)
	default:
		return false
	}
	w.State = free
	c.poke()
	return true
}

// Close ends the connection. A connection that was not started is gone when it returns.
func (c *conn) Close(err error) {
	c.l.mu.Lock()
	if c.closed {
		c.l.mu.Unlock()
		return
	}
	c.closed = true
	started := c.h != nil
	switch {
	case c.ended:
	case err != nil:
		c.fail(fmt.Errorf("%w: %w", rdma.ErrClosed, err), errReset)
	case !started:
		c.fail(nil, nil)
	default:
		c.flush()
		c.linger()
	}
	if !started {
		c.drop()
	}
	c.l.mu.Unlock()
	if !started {
		c.ticks.Wait()
		c.forget()
	}
}

func (c *conn) Info() rdma.Info { return c.info }

func (c *conn) Stats() rdma.Stats {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	s := c.stats
	for _, w := range c.posted {
		s.Queued++
		s.BytesQueued += int64(len(w.Head)) + w.Len
	}
	for _, i := range c.out {
		if i.w != nil {
			s.Queued++
			s.BytesQueued += int64(len(i.w.Head)) + i.w.Len
		}
	}
	s.Asked = int64(c.asked)
	return s
}
