package verbs

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// headSize is how long the head of a message may be, with data that is not registered, to go by the place that each work has for it; longer
// ones are copied to memory that is taken for them.
const headSize = 256

// A conn is one connection.
type conn struct {
	dev     *Device
	card    *card
	poll    *poller
	room    int // in the poller's queue
	id      identifier
	token   uint64
	pair    queuePair
	number  uint32 // of the queue pair
	port    uint32
	serial  uint32
	inline  int
	options rdma.Options
	info    rdma.Info
	pool    *pool // of receive buffers
	shares  bool  // the pool, with others
	heads   *buffer.Lease
	headKey uint32

	// The poller's, with its mu held.
	touched bool
	back    []uint32 // buffers whose messages were handed over
	early   []early  // messages that came before Start
	done    []given  // works that are given back

	handing atomic.Bool  // a batch is being handed over: who posts need not flush
	waits   atomic.Int32 // works that the adapter has

	mu     sync.Mutex // guards what follows; handlers are not called with it held
	h      rdma.Handler
	up     bool // works can be posted to the adapter
	out    queued
	reads  queued // that wait for others
	first  []given
	giving sync.WaitGroup // who gives back works of first; none comes when over is set
	flight flights
	asked  int // Reads that the adapter has
	works  []work
	pieces []piece
	places []uint32

	closing bool // orderly: nothing is posted any more, and when all is done the connection ends
	failed  bool // it ends
	local   bool // because this side wanted it
	err     error
	over    bool // all is given back
	linger  *time.Timer
	retry   *time.Timer
	gone    chan struct{} // closed when the peer has gone, or has heard that we go
	heard   bool          // gone is closed
	drained chan struct{} // closed when nothing is taken from the shared queue any more
	dry     bool          // drained is closed
	ended   chan struct{} // closed when nothing of the connection is left
	windows map[rdma.Key]*window
	stats   rdma.Stats
}

// An early is a message that came before Start.
type early struct {
	buffer      uint32
	size        int
	data        []byte // after the end: a copy
	key         rdma.Key
	invalidates bool
}

// A given is a work that is given back.
type given struct {
	w   *rdma.Work
	err error
}

// connect makes a connection of an identifier, which it takes if there is no error.
func (d *Device) connect(id identifier, token uint64, o rdma.Options) (_ *conn, err error) {
	card, err := d.card(id)
	if err != nil {
		return nil, err
	}
	depth := min(d.conf.Depth, card.can.works)
	messages := max(o.Messages, 1)
	c := &conn{
		dev: d, card: card, id: id, token: token, options: o, serial: card.serial(),
		gone: make(chan struct{}), drained: make(chan struct{}), ended: make(chan struct{}), windows: make(map[rdma.Key]*window),
	}
	c.flight.init(depth)
	defer func() {
		if err != nil {
			c.unmake()
		}
	}()
	if c.heads, err = d.inbox.Get(int64(depth * headSize)); err != nil {
		return nil, fmt.Errorf("%w: verbs: %w", rdma.ErrExhausted, err)
	}
	var ok bool
	if c.headKey, ok = card.mem.key(c.heads.Segment(0).Region); !ok {
		return nil, fmt.Errorf("%w: verbs: no memory can be registered with adapter %s (is there a limit of locked memory, RLIMIT_MEMLOCK?)", rdma.ErrExhausted, card.name)
	}
	if c.pool, err = card.place(c, depth+1, o.MaxMessage, messages); err != nil {
		return nil, err
	}
	p := pairConfig{adapter: card.a, queue: c.poll.q, works: depth, pieces: min(card.can.pieces, mostPieces)}
	if c.shares {
		p.shared = c.pool.to
	} else {
		p.receives = messages
	}
	if c.pair, err = id.queuePair(p); err != nil {
		return nil, fmt.Errorf("%w: %w", rdma.ErrExhausted, err)
	}
	c.number, c.inline, c.port = c.pair.number(), c.pair.inlined(), id.port()
	if !c.shares {
		c.pool = newPool(card, o.MaxMessage, card.can.works)
		c.pool.to = c.pair
		if _, err = c.pool.promise(messages); err != nil {
			return nil, err
		}
	}
	if err = c.pool.back(); err != nil {
		return nil, err
	}
	local, remote := id.addresses()
	c.info = rdma.Info{Provider: Name, Local: local.String(), Remote: remote.String()}
	c.poll.add(c)
	return c, nil
}

// agree sets how many Reads may be outstanding, before anybody has the connection.
func (c *conn) agree(reads int) { c.info.Reads = max(reads, 0) }

// unmake gives back what connect has taken, but for the identifier; the poller does not know c.
func (c *conn) unmake() {
	if c.pair != nil {
		c.pair.end()
	}
	c.giveBack()
}

// giveBack gives back what a connection has, after the end of its queue pair.
func (c *conn) giveBack() {
	if c.pool != nil {
		if c.shares {
			c.pool.release(max(c.options.Messages, 1))
		} else {
			c.pool.close()
		}
	}
	if c.poll != nil {
		c.card.freed(c.poll, c.room)
	}
	if c.heads != nil {
		c.heads.Release()
	}
}

// Info implements rdma.Conn.
func (c *conn) Info() rdma.Info { return c.info }

// Stats implements rdma.Conn.
func (c *conn) Stats() rdma.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Queued, s.BytesQueued = c.out.count, c.out.bytes
	s.Asked = int64(c.asked)
	return s
}

// Start implements rdma.Conn.
func (c *conn) Start(h rdma.Handler) {
	c.poll.mu.Lock()
	c.mu.Lock()
	c.h = h
	over := c.over
	c.mu.Unlock()
	if !over {
		c.hand(c.early, h)
		c.early = nil
		c.repost()
		c.poll.mu.Unlock()
		c.flush()
		return
	}
	c.poll.mu.Unlock()
	c.dev.ends.Go(func() { // it ended before
		c.hand(c.early, h)
		h.Closed(c.err)
	})
}

// happened implements subject: the connection manager's events.
func (c *conn) happened(e event) {
	switch e.kind {
	case established:
		c.rise()
	case disconnected:
		c.catchUp()
		c.mu.Lock()
		if !c.heard {
			c.heard = true
			close(c.gone)
		}
		switch {
		case e.status != 0:
			c.fail(fmt.Errorf("%w: verbs: broken off by the peer (status %d)", rdma.ErrLost, e.status))
		default:
			c.fail(nil)
		}
		c.mu.Unlock()
	case rejected, unreachable:
		c.lose(fmt.Errorf("%w: verbs: the peer has given up (status %d)", rdma.ErrLost, e.status))
	case removed:
		c.lose(fmt.Errorf("%w: verbs: adapter %s goes away", rdma.ErrLost, c.card.name))
	}
}

// told learns what has happened to the queue pair.
func (c *conn) told(k happeningKind) {
	switch k {
	case pairAccess:
		c.catchUp()
		c.lose(fmt.Errorf("%w: verbs: the adapter says so", rdma.ErrAccess))
	case pairBroken:
		c.catchUp()
		c.lose(fmt.Errorf("%w: verbs: the queue pair has failed", rdma.ErrLost))
	case pairHeard:
		c.mu.Lock()
		if !c.failed {
			c.id.established()
		}
		c.mu.Unlock()
		c.rise()
	case pairDrained:
		c.mu.Lock()
		if !c.dry {
			c.dry = true
			close(c.drained)
		}
		c.mu.Unlock()
	}
}

// catchUp hands over what has come: it is from before what was just learnt, and may say better why the connection ends.
func (c *conn) catchUp() {
	c.poll.mu.Lock()
	c.poll.drain()
	c.poll.mu.Unlock()
}

// rise lets works go: the peer is there.
func (c *conn) rise() {
	c.mu.Lock()
	c.up = true
	c.mu.Unlock()
	c.flush()
}

// lose ends the connection because of err.
func (c *conn) lose(err error) {
	c.mu.Lock()
	c.fail(err)
	c.mu.Unlock()
}

func lost(err error) error { return fmt.Errorf("%w: %w", rdma.ErrLost, err) }
