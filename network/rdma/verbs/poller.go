package verbs

import (
	"maps"
	"runtime"
	"slices"
	"sync"
)

// A poller takes the completions of some connections of a card, and hands over what has come. One goroutine at a time does it: who has mu.
// That is the poller's own goroutine, and one that ends a connection.
type poller struct {
	card  *card
	q     queue
	depth int
	room  int           // guarded by card.mu
	pools map[int]*pool // that its connections share, by the length of messages; guarded by card.mu
	dead  bool          // its queue has failed; guarded by card.mu
	done  sync.WaitGroup

	mu      sync.Mutex // the right to poll; comes before all other locks of this package, and handlers are called with it held
	batch   []completion
	touched []*conn

	listMu sync.Mutex
	conns  map[uint32]*conn // guarded by listMu; by the number of the queue pair
}

// Batches, and how often a queue is looked at that has nothing.
const (
	pollBatch = 64
	// spins is how often a poller looks again before it waits, if there are other processors that could bring something meanwhile.
	spins = 64
)

func newPoller(c *card, depth, index int) (*poller, error) {
	q, err := c.a.queue(depth, index)
	if err != nil {
		return nil, err
	}
	p := &poller{card: c, q: q, depth: depth, room: depth, batch: make([]completion, pollBatch), conns: make(map[uint32]*conn), pools: make(map[int]*pool)}
	p.done.Go(p.run)
	return p, nil
}

// run polls until the poller is closed. After something has come it looks a few times more before it waits, but not where there is one
// processor, which whoever would bring something needs.
func (p *poller) run() {
	idle := 0
	for {
		n, err := p.look()
		switch {
		case err != nil:
			p.broken(err)
			return
		case n > 0:
			idle = 0
			continue
		case idle < spins && runtime.GOMAXPROCS(0) > 1 && p.busy():
			idle++
			runtime.Gosched()
			continue
		}
		// What comes between the look and this is not told of: one more look.
		if err := p.q.arm(); err != nil {
			p.broken(err)
			return
		}
		if n, err = p.look(); n > 0 || err != nil {
			idle = 0
			continue
		}
		if p.q.wait() != nil {
			return
		}
		idle = 0
	}
}

// busy reports that a connection waits for completions of its own.
func (p *poller) busy() bool {
	p.listMu.Lock()
	defer p.listMu.Unlock()
	for _, c := range p.conns {
		if c.waits.Load() > 0 {
			return true
		}
	}
	return false
}

// look takes one batch.
func (p *poller) look() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take()
}

// drain takes all that there is, and not what comes meanwhile for ever. p.mu is held.
func (p *poller) drain() {
	for range p.depth/pollBatch + 1 {
		if n, err := p.take(); n == 0 || err != nil {
			return
		}
	}
}

// take hands over one batch. p.mu is held.
func (p *poller) take() (int, error) {
	n, err := p.q.poll(p.batch)
	for i := range p.batch[:n] {
		x := &p.batch[i]
		p.listMu.Lock()
		c := p.conns[x.pair]
		p.listMu.Unlock()
		if c == nil {
			continue // it is gone
		}
		if !c.touched {
			c.touched = true
			c.handing.Store(true)
			p.touched = append(p.touched, c)
		}
		c.completed(x)
	}
	for i, c := range p.touched {
		c.touched = false
		c.handing.Store(false)
		c.batchEnds()
		p.touched[i] = nil
	}
	p.touched = p.touched[:0]
	return n, err
}

// broken ends all connections of a queue that has failed; no other gets it.
func (p *poller) broken(err error) {
	p.card.mu.Lock()
	p.dead = true
	p.card.mu.Unlock()
	p.card.dev.log.Error("verbs: a queue of completions has failed", "adapter", p.card.name, "err", err)
	for _, c := range p.all() {
		c.lose(lost(err))
	}
}

func (p *poller) all() []*conn {
	p.listMu.Lock()
	defer p.listMu.Unlock()
	return slices.Collect(maps.Values(p.conns))
}

// add lets c have its completions. No queue pair with that number is about to end: it would have the lock.
func (p *poller) add(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listMu.Lock()
	p.conns[c.number] = c
	p.listMu.Unlock()
}

// remove forgets c: nothing of it is in the queue. p.mu is held.
func (p *poller) remove(c *conn) {
	p.listMu.Lock()
	delete(p.conns, c.number)
	p.listMu.Unlock()
}

func (p *poller) close() {
	p.q.interrupt()
	p.done.Wait()
	p.q.close()
}
