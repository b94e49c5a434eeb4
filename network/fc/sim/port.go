package sim

import (
	"slices"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/internal/station"
)

// holdLimit is how long a frame is held back at most, if nothing comes that could overtake it.
const holdLimit = 50 * time.Millisecond

// A port is one station of a network. Its fields are guarded by the network's lock.
type port struct {
	*station.Station
	net    *Network
	config fc.PortConfig
	id     fc.ID
	joins  int // logins at the fabric

	sent  int                   // frames that were about to leave
	got   int                   // of these, frames from the fabric to it
	fates map[*fc.Sequence]Fate // of frames that have to wait
	held  []*held               // frames for it that are held back
	knows map[fc.ID]*port       // neighbours that its handler was told of, and that are there
}

// A held frame waits until others have overtaken it.
type held struct {
	from  *station.Station
	frame fc.Frame
	more  int
}

// Close takes the port out of the network.
func (p *port) Close() {
	n := p.net
	n.mu.Lock()
	n.leave(p, fc.ErrClosed)
	n.mu.Unlock()
	p.Station.Close(fc.ErrClosed)
	n.mu.Lock()
	n.remove(p)
	n.mu.Unlock()
}

// know tells p of a neighbour. p.net.mu is held.
func (p *port) know(o *port) {
	p.knows[o.id] = o
	p.Found(fc.Neighbour{ID: o.id, Node: o.config.Node, Port: o.config.Port, MaxPayload: p.net.config.MaxPayload})
}

// lose tells p that a neighbour is gone. p.net.mu is held.
func (p *port) lose(o *port) {
	delete(p.knows, o.id)
	p.Gone(o.id, errGone)
}

// unlearned tells p in some time that a neighbour is gone, unless it has found it again by then. p.net.mu is held.
func (p *port) unlearned(o *port) {
	p.net.after(p.net.config.Learn, func() {
		if p.Up() && p.knows[o.id] == nil {
			p.Gone(o.id, errGone)
		}
	})
}

// forget ends what a port that is down had: it knows nobody. p.net.mu is held.
func (p *port) forget() {
	clear(p.knows)
	p.held = nil
	clear(p.fates)
}

// frame takes a frame of p, and does with it what its fate is. p.net.mu is held.
func (p *port) frame(s *fc.Sequence, part *fc.Part) bool {
	a := passing{from: p.Station, fates: p.fates, s: s, part: part, name: p.config.Port, sent: &p.sent}
	if p.net.wall == nil {
		a.to = p.net.at(part.D)
	}
	return p.net.pass(&a)
}

// A passing is a frame on its way.
type passing struct {
	from  *station.Station
	to    *port // nil: nobody, or the fabric
	fates map[*fc.Sequence]Fate
	s     *fc.Sequence
	part  *fc.Part
	name  fc.Name // of the link
	down  bool    // from the fabric
	sent  *int    // frames that were about to leave that way
}

// station is where it goes; nil: nowhere. n.mu is held.
func (n *Network) station(a *passing) *station.Station {
	switch {
	case a.to != nil:
		return a.to.Station
	case n.wall != nil:
		return n.wall.Station
	}
	return nil
}

// pass does with a frame what its fate is; false: it has to wait. n.mu is held.
func (n *Network) pass(a *passing) bool {
	to := n.station(a)
	if to != nil && to.Full(a.from) {
		return false
	}
	f, ok := a.fates[a.s]
	if !ok {
		f = n.fate(Event{
			From: a.name, Down: a.down, N: *a.sent, Header: a.part.Header, First: a.part.First, Last: a.part.Last, Len: int(a.part.Payload()),
		})
		*a.sent++
	}
	if f.Gate != nil && f.Gate.wait(n, a.from) {
		a.fates[a.s] = f
		return false
	}
	delete(a.fates, a.s)
	frame := fc.Frame{Header: a.part.Header, First: a.part.First, Last: a.part.Last, Payload: a.from.Payload(a.s, a.part)}
	frame.FCtl &^= fc.FCtlFill
	switch {
	case f.Drop || to == nil: // lost, or of nobody
		return true
	case f.Damage:
		to.Dropped()
		return true
	}
	for range 1 + f.Copies {
		n.carry(a, frame, f)
	}
	return true
}

// carry brings a frame to where it goes, now or later. n.mu is held.
func (n *Network) carry(a *passing, f fc.Frame, fate Fate) {
	f.Payload = append([]byte(nil), f.Payload...)
	from, to := a.from, a.to
	switch {
	case fate.Delay > 0:
		n.after(fate.Delay, func() { n.arrive(from, to, f) })
	case fate.Hold > 0:
		h := &held{from: from, frame: f, more: fate.Hold}
		list := n.holds(to)
		*list = append(*list, h)
		n.after(holdLimit, func() { n.letGo(to, h) })
	default:
		n.arrive(from, to, f)
		for _, h := range slices.Clone(*n.holds(to)) {
			if h.more--; h.more == 0 {
				n.letGo(to, h)
			}
		}
	}
}

// holds are the frames to a port, or to the fabric, that are held back. n.mu is held.
func (n *Network) holds(to *port) *[]*held {
	if to == nil {
		return &n.wall.held
	}
	return &to.held
}

// letGo lets a frame that was held back arrive. n.mu is held.
func (n *Network) letGo(to *port, h *held) {
	list := n.holds(to)
	if i := slices.Index(*list, h); i >= 0 {
		*list = slices.Delete(*list, i, i+1)
		n.arrive(h.from, to, h.frame)
	}
}

// arrive delivers a frame, if who has sent it is there still: among neighbours, if it is known to be. n.mu is held.
func (n *Network) arrive(from *station.Station, to *port, f fc.Frame) {
	switch {
	case to == nil:
		if p := n.at(f.S); p == nil || p.Station != from {
			n.wall.Dropped()
			return
		}
		n.wall.Deliver(f)
		return
	case to.id != f.D, n.wall == nil && (to.knows[f.S] == nil || to.knows[f.S].Station != from):
		to.Dropped()
		return
	}
	to.Deliver(f)
}

// Inject lets a frame arrive at a port as if it came from the wire, whoever has sent it: for tests of what is hostile. The payload is copied.
func (n *Network) Inject(to fc.Name, f fc.Frame) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f.Payload = append([]byte(nil), f.Payload...)
	if p := n.named(to); p != nil {
		p.Deliver(f)
	}
}
