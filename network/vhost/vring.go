package vhost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/vhost/message"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A vring is what the front-end has said of one queue, and the queue if it runs. All but queue and past are guarded by the mu of the connection.
type vring struct {
	index     int
	size      uint32 // 0: it was not said
	addr      message.VringAddr
	addressed bool
	base      uint32
	kick      int // what the driver kicks by; none: the ring is stopped
	call      int // what the driver is called by, or none
	err       int // what the front-end is told by that the ring broke, or none
	enabled   bool

	queue atomic.Pointer[Queue] // nil: it does not run
	past  QueueStats            // of the queues that ran before; guarded by the connection's show
}

func newVring(i int) *vring {
	return &vring{index: i, kick: none, call: none, err: none, past: QueueStats{Index: i}}
}

// forget is the ring as it was at first. It does not run.
func (r *vring) forget() {
	closeDescriptor(r.kick)
	closeDescriptor(r.call)
	closeDescriptor(r.err)
	r.size, r.addressed, r.base, r.enabled = 0, false, 0, false
	r.kick, r.call, r.err = none, none, none
}

// wanted reports that the ring is to run. c.mu is held.
func (c *connection) wanted(r *vring) bool {
	return r.kick != none && r.size > 0 && r.addressed && (r.enabled || c.features&message.FeatureProtocol == 0)
}

// settle starts the rings that are to run. One whose memory is not there waits for it, unless it is strict, of which it is an error. c.mu is held.
func (c *connection) settle(strict *vring) error {
	if c.before != nil || !c.agreed {
		return nil
	}
	for _, r := range c.rings {
		if r.queue.Load() != nil || !c.wanted(r) {
			continue
		}
		p, err := c.place(r)
		if err != nil && r != strict {
			continue
		}
		if err == nil {
			err = c.start(r, p)
		}
		if err != nil {
			return fmt.Errorf("queue %d: %w", r.index, err)
		}
	}
	return nil
}

// packed reports that rings are packed (virtio 2.8). c.mu is held.
func (c *connection) packed() bool { return c.features&featurePacked != 0 }

// place finds the memory of a ring. c.mu is held.
func (c *connection) place(r *vring) (p ring.Place, err error) {
	t := c.memory.table.Load()
	p.Size = int(r.size)
	desc, avail, used := ring.Bytes(p.Size, c.packed())
	if p.Desc, err = t.user(r.addr.Desc, desc); err != nil {
		return p, err
	}
	if p.Avail, err = t.user(r.addr.Avail, avail); err != nil {
		return p, err
	}
	p.Used, err = t.user(r.addr.Used, used)
	return p, err
}

// start lets the queue of a ring run. c.mu is held.
func (c *connection) start(r *vring, p ring.Place) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	options := ring.Options{Packed: c.packed(), Indirect: c.features&featureIndirect != 0, EventIndex: c.features&featureEventIndex != 0}
	device, err := ring.NewDevice(p, options, &finder{memory: c.memory}, ring.Start{Base: r.base, Inflight: c.inflight.part(r.index)})
	if err != nil {
		return err
	}
	if c.life == nil {
		if err := c.beginLife(); err != nil {
			return err
		}
	}
	idle, _ := c.backend.(Idle)
	s := setting{
		index: r.index, size: p.Size, packed: options.Packed, device: device, handler: c.life.handler,
		idle: idle != nil && idle.Idle(r.index), pollers: c.host.pollers,
		fail: func(why error) { c.breaks(r, why) },
	}
	if r.past.Chains == 0 {
		s.unmoved = func() { c.unmoved(r.index) }
	}
	q, err := newQueue(s)
	if err != nil {
		return err
	}
	if err = q.setKick(r.kick); err == nil {
		err = q.setCall(r.call)
	}
	if err != nil {
		q.close()
		return err
	}
	r.queue.Store(q)
	q.start()
	return nil
}

// breaks is told by a queue that its ring cannot be used any more.
func (c *connection) breaks(r *vring, why error) {
	c.broken.CompareAndSwap(nil, r)
	c.drop(fmt.Errorf("queue %d: %w", r.index, why))
}

// unmoved is told by a queue that the driver kicks, and that nothing has ever been in its ring.
func (c *connection) unmoved(index int) {
	c.log.Warn("the driver kicks, and nothing is in its ring: is the guest's memory shared (QEMU: share=on; Cloud Hypervisor: shared=on)?", "queue", index)
}

// stop lets those of rings that run stop, and returns when all of their chains have been given back. There is [Patience] for them; after that they are aborted, which the driver sees.
//
// With now, and if the connection ends for any reason but that its socket is closed, they are aborted at once, and nobody sees anything: the ring stays as it is, for who goes on with it. So it is too if
// the socket is closed and there is no more patience. c.mu is held.
func (c *connection) stop(now bool, rings ...*vring) {
	var queues []*Queue
	for _, r := range rings {
		if q := r.queue.Load(); q != nil {
			q.halt()
			queues = append(queues, q)
		}
	}
	if len(queues) == 0 {
		return
	}
	abort := make(chan struct{})
	var once sync.Once
	impatient := func(unseen bool) {
		once.Do(func() {
			for _, q := range queues {
				if unseen {
					q.detach()
				}
			}
			close(abort)
		})
	}
	if now {
		impatient(true)
	}
	defer context.AfterFunc(c.ctx, func() {
		if !errors.Is(context.Cause(c.ctx), ErrClosed) {
			impatient(true)
		}
	})()
	defer c.host.after(Patience, func() { impatient(c.ctx.Err() != nil) })()
	for _, q := range queues {
		q.drain(abort)
	}
	for _, r := range rings {
		c.retire(r)
	}
}

// retire forgets the queue of a ring, which has been drained, but for what it has counted, and where the next one goes on. c.mu is held.
func (c *connection) retire(r *vring) {
	q := r.queue.Load()
	if q == nil {
		return
	}
	r.base = q.base()
	c.show.Lock()
	defer c.show.Unlock()
	r.past = r.stats()
	r.past.Running, r.past.Inflight, r.past.Oldest = false, 0, 0
	r.queue.Store(nil)
}

// stats are the counters of a ring. The show of its connection is held.
func (r *vring) stats() QueueStats {
	q := r.queue.Load()
	if q == nil {
		return r.past
	}
	s, past := q.stats(), &r.past
	s.Chains += past.Chains
	s.Kicks += past.Kicks
	s.Calls += past.Calls
	s.Polled += past.Polled
	s.CopiedIn += past.CopiedIn
	s.CopiedOut += past.CopiedOut
	s.LentIn += past.LentIn
	s.LentOut += past.LentOut
	return s
}
