package virtio

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A guest is the life of a driver behind a portal's socket, and what handles its requests. What is where:
//
//	nexus    an I_T nexus, one for each target that the guest sees; its target.Services    Node.mu, nexus.mu
//	queue    a ring of requests, and the requests that nobody uses                         its thread
//	request  a command while it is with the target                                         see there
//	events   what the guest is to be told                                                  events.mu
type guest struct {
	portal    *Portal
	driver    *vhost.Driver
	features  uint64
	initiator string // its name; of the options when the driver came

	nexuses [numbers]atomic.Pointer[nexus] // by the number of the target; Node.mu is held to change them
	queues  [iu.QueueRequests + maxQueues]atomic.Pointer[queue]
	over    atomic.Bool // the driver's life has ended

	requests  atomic.Int32 // that were ever made
	functions atomic.Int32 // task management functions that have not ended
	events    events
}

func newGuest(p *Portal, d *vhost.Driver) *guest {
	return &guest{portal: p, driver: d, features: d.Features()}
}

// login makes a nexus with a target that the portal shows, and lets the guest know if it is to be told. portal.node.mu is held.
func (g *guest) login(s *showing, tell bool) {
	p := g.portal
	n := p.node
	if err := n.book(p); err != nil {
		p.crowded = true
		n.told.crowded.Warn(n.log, "a guest does not see a target", p.path, "socket", p.path, "target", s.name, "why", err)
		return
	}
	x, err := s.port.Login(target.Initiator{Name: g.initiator, Port: initiatorPort(g.initiator)})
	if err != nil { // the target is just going away
		n.doors.Give(p, 1)
		return
	}
	n.numbers++
	nx := newNexus(g, s, n.numbers, x)
	s.nexus = nx
	n.all[nx] = struct{}{}
	before := g.nexuses[s.number].Swap(nx)
	if tell && (before == nil || before.target != nx.target) { // else the guest sees the target already
		g.events.add(g.features, event{Event: iu.Event{
			Kind: iu.EventTransportReset, Address: iu.EventAddress(s.number, 0), Reason: iu.ResetRescan,
		}})
	}
}

// Handle implements [vhost.Handler].
func (g *guest) Handle(c *vhost.Chain) {
	vq := c.Queue()
	switch i := vq.Index(); i {
	case iu.QueueControl:
		g.control(c)
	case iu.QueueEvent: // nobody brings them, see Idle
		c.Return(0)
		vq.Flush()
	default:
		q := g.queues[i].Load()
		if q == nil || q.vq != vq {
			q = &queue{g: g, vq: vq}
			g.queues[i].Store(q)
		}
		q.handle(c)
	}
}

// Burst implements [vhost.Handler].
func (g *guest) Burst(vq *vhost.Queue) {
	if q := g.queues[vq.Index()].Load(); q != nil && q.vq == vq {
		q.burst()
	}
	if g.events.waiting.Load() { // the driver has just done something: perhaps there is room now
		g.portal.node.wake()
	}
}

// Abort implements [vhost.Handler].
func (g *guest) Abort(vq *vhost.Queue) {
	for i := range g.nexuses {
		if nx := g.nexuses[i].Load(); nx != nil {
			nx.scsi.AbortTasks(func(t *target.Task) bool { return vq == nil || of(t).q.vq == vq }, func() {})
		}
	}
}

// Ended implements [vhost.Handler]: the nexuses end with the driver's life.
func (g *guest) Ended(err error) {
	p := g.portal
	n := p.node
	g.over.Store(true)
	var later deferred
	n.mu.Lock()
	if p.guest == g {
		p.guest = nil
	}
	for i := range g.nexuses {
		if nx := g.nexuses[i].Load(); nx != nil {
			nx.detach(&later, false)
		}
	}
	n.mu.Unlock()
	later.run()
	n.log.Debug("a guest's driver has ended", "socket", p.path, "initiator", g.initiator, "cause", err)
}

// flush lets the driver see all that was given back.
func (g *guest) flush() {
	for i := iu.QueueRequests; i < len(g.queues); i++ {
		if q := g.queues[i].Load(); q != nil {
			q.vq.Flush()
		}
	}
}

// broken ends the connection, whose driver has broken the rules.
func (g *guest) broken(why error) {
	n := g.portal.node
	if !g.over.Load() {
		n.told.broken.Warn(n.log, "a guest's driver has broken the rules of virtio's SCSI host", g.portal.path, "socket", g.portal.path, "why", why)
	}
	g.driver.Fail(why)
}
