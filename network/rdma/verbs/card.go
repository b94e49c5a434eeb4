package verbs

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"runtime"
	"sync"

	"github.com/lunette-io/lunette/network/rdma"
)

// A card is an adapter in use.
type card struct {
	dev    *Device
	name   string
	a      adapter
	can    limits
	mem    *memory
	events sync.WaitGroup

	mu      sync.Mutex // guards what follows
	pollers []*poller
	serials uint32
}

func newCard(d *Device, name string, a adapter) *card {
	c := &card{dev: d, name: name, a: a, can: a.limits()}
	c.mem = newMemory(c, d.conf.Memory, d.copies.Regions(), d.inbox.Regions())
	c.events.Go(c.follow)
	return c
}

// follow ends the connections to which something has happened.
func (c *card) follow() {
	for {
		h, err := c.a.next()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			c.dev.log.Error("verbs: an adapter does not say any more what happens to it", "adapter", c.name, "err", err)
			return
		}
		c.happened(h)
	}
}

func (c *card) happened(h happening) {
	switch h.kind {
	case adapterLost:
		c.dev.log.Error("verbs: an adapter has failed", "adapter", c.name)
		c.dev.retire(c)
		c.each(func(x *conn) { x.lose(fmt.Errorf("%w: verbs: adapter %s has failed", rdma.ErrLost, c.name)) })
	case portDown:
		c.dev.log.Warn("verbs: a port is down", "adapter", c.name, "port", h.number)
		c.each(func(x *conn) {
			if x.port == h.number {
				x.lose(fmt.Errorf("%w: verbs: port %d of %s is down", rdma.ErrLost, h.number, c.name))
			}
		})
	case queueBroken:
		c.mu.Lock()
		pollers := c.pollers
		c.mu.Unlock()
		for _, p := range pollers {
			if p.q.number() == h.number {
				p.broken(errors.New("it has overflowed, or the adapter has failed"))
			}
		}
	case nothingOfNote:
	default:
		c.each(func(x *conn) {
			if x.number == h.number {
				x.told(h.kind)
			}
		})
	}
}

// each calls f for each connection, with no lock held.
func (c *card) each(f func(x *conn)) {
	c.mu.Lock()
	pollers := c.pollers
	c.mu.Unlock()
	for _, p := range pollers {
		for _, x := range p.all() {
			f(x)
		}
	}
}

// mostPollers is how many pollers a card has, unless their queues are full.
const mostPollers = 4

// queueDepth is how many completions there is room for in a queue, if the adapter has that.
const queueDepth = 16 << 10

// sharedDepth is how many buffers a shared queue has at the most.
const sharedDepth = 32 << 10

// place gives a connection a poller with room for the completions of its works and messages, and of that the shared pool, which then has promised it its
// buffers; nil: it has its own.
func (c *card) place(x *conn, works, size, messages int) (*pool, error) {
	size = 1 << bits.Len(uint(max(size, 256)-1))
	c.mu.Lock()
	defer c.mu.Unlock()
	q, err := c.poller(works, size, messages)
	if err != nil {
		return nil, err
	}
	x.poll = q
	p := c.sharedPool(q, size, messages)
	if p == nil {
		x.room = works + messages
		q.room -= x.room
		return nil, nil
	}
	made, err := p.promise(messages)
	q.room -= made // for ever: buffers stay, and can bring messages to any connection of q
	if err != nil {
		return nil, err
	}
	x.shares, x.room = true, works
	q.room -= works
	return p, nil
}

// poller finds a poller which has room for so many completions. c.mu is held.
func (c *card) poller(works, size, messages int) (*poller, error) {
	var best *poller
	alive := 0
	for _, p := range c.pollers {
		if p.dead {
			continue
		}
		alive++
		need := works + messages
		if s := p.pools[size]; s != nil {
			need -= s.spare(messages)
		}
		if p.room >= need && (best == nil || p.room > best.room) {
			best = p
		}
	}
	if best != nil && (best.room == best.depth || alive >= min(mostPollers, runtime.GOMAXPROCS(0))) {
		return best, nil
	}
	room := works + messages
	depth := min(max(queueDepth, room), c.can.completions)
	if room > depth {
		if best != nil {
			return best, nil
		}
		return nil, fmt.Errorf("%w: verbs: adapter %s has room for %d works and messages in a queue, and a connection wants %d", rdma.ErrExhausted, c.name, depth, room)
	}
	p, err := newPoller(c, depth, len(c.pollers))
	if err != nil {
		if best != nil {
			return best, nil
		}
		return nil, err
	}
	c.pollers = append(c.pollers, p)
	return p, nil
}

// freed gives room back.
func (c *card) freed(p *poller, room int) {
	c.mu.Lock()
	p.room += room
	c.mu.Unlock()
}

// serial is a number for a connection, by which its completions are known from those of another whose queue pair had the same number.
func (c *card) serial() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serials = c.serials%(1<<30) + 1
	return c.serials
}

// sharedPool is the pool of the connections of q for messages of up to size bytes, so many more; nil: the connection has its own. Each poller has its
// own pools: a message that comes takes room in the queue of its connection, where there is room for the buffers of that queue's connections alone.
// c.mu is held.
func (c *card) sharedPool(q *poller, size, messages int) *pool {
	if !c.shares() {
		return nil
	}
	p := q.pools[size]
	if p == nil {
		most := min(c.can.shared, sharedDepth)
		r, err := c.a.shared(most)
		if err != nil {
			c.dev.log.Warn("verbs: the adapter makes no shared queue, so that each connection has its own", "adapter", c.name, "err", err)
			return nil
		}
		p = newPool(c, size, most)
		p.to = r
		q.pools[size] = p
	}
	if !p.fits(messages) {
		return nil
	}
	return p
}

// describe says how the adapter is used.
func (c *card) describe() Adapter {
	a := Adapter{Name: c.name, Shared: c.shares()}
	for r, x := range *c.mem.known.Load() {
		if x.r != nil {
			a.Registered += int64(len(r.Mem))
		}
	}
	c.each(func(*conn) { a.Connections++ })
	return a
}

// shares reports that connections share receive buffers.
func (c *card) shares() bool {
	return c.can.shared > 0 && c.dev.conf.Shared != SharedNo && (c.dev.conf.Shared == SharedYes || !c.can.iwarp)
}

// close ends a card that has no connections.
func (c *card) close() {
	c.a.interrupt()
	c.events.Wait()
	for _, q := range c.pollers {
		for _, p := range q.pools {
			p.to.end()
			p.close()
		}
		q.close()
	}
	c.mem.close()
	c.a.close()
}
