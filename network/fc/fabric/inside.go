package fabric

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/internal/station"
)

// A port is one inside. It implements [fc.Link].
type port struct {
	*station.Station
	f       *Fabric
	entry   // f.mu, but for id and port
	handler fc.Handler
	home    *home
	void    void

	// What is with the Outside.
	away    atomic.Int64 // sequences, and calls of Post that are under way
	queued  atomic.Int64 // bytes of them
	closing atomic.Bool
	empty   sync.Once
	back    chan struct{} // closed when away is 0 for the first time while the port is closing

	framesIn, framesOut, bytesIn, bytesOut, thrown atomic.Int64 // from and to outside
}

// Attach implements [fc.Network]: it makes a port inside. Somebody outside who has logged in with its name is logged out, which
// [Fabric.Received] tells when something comes from there.
func (f *Fabric) Attach(c fc.PortConfig, h fc.Handler) (fc.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("fabric: attach: %w", fc.ErrClosed)
	}
	for _, p := range f.ports {
		if p.port == c.Port {
			return nil, fmt.Errorf("fabric: attach: there is a port %v already, at %v", c.Port, p.id)
		}
	}
	for _, m := range f.members {
		if m.port == c.Port {
			f.log.Warn("a host has logged in with the name of a port of ours", "port", c.Port, "id", m.id)
			f.leave(m)
		}
	}
	where := f.homes.enter(c.Port)
	if where == nil {
		return nil, fmt.Errorf("fabric: attach: there are no addresses left for the port %v", c.Port)
	}
	p := &port{f: f, handler: h, home: where, back: make(chan struct{})}
	p.entry = entry{id: where.id, port: c.Port, node: c.Node, payload: fc.MaxPayload, inside: p}
	for _, t := range c.Types {
		p.types.Set(t)
		p.features.Set(t, c.Features)
	}
	p.Station = station.New(station.Config{Lock: &f.mu, Handler: inner{h, p}, Frame: p.frame, After: f.flush})
	f.table.Lock()
	f.ports[p.id] = p
	f.table.Unlock()
	for _, m := range f.members {
		f.look(m)
	}
	p.SetUp(f.attachment(p.id))
	f.changed(&p.entry)
	return p, nil
}

// Post implements [fc.Link].
func (p *port) Post(s *fc.Sequence) bool {
	f := p.f
	s.State = 0 // another provider's, perhaps
	p.void.drop(s, p.void.find(s))
	if !f.homes.isOutside(s.Header.D) {
		return p.Station.Post(s)
	}
	f.table.RLock()
	m := f.members[s.Header.D]
	there := f.out != nil && m != nil && m.sees(p.id)
	known := false
	if there {
		_, known = m.with[p.id]
	}
	f.table.RUnlock()
	if !there {
		return p.throw(s)
	}
	p.away.Add(1)
	if p.closing.Load() || s.Header.S != p.id {
		p.returned()
		return false
	}
	switch {
	case !known && (s.Header.Type == fc.TypeFCP || accepts(s)):
		f.meet(m, p.id)
	case known && parts(s):
		f.leaves(m, p.id)
	}
	size := s.Size()
	p.queued.Add(size)
	if f.out.Post(s) {
		return true
	}
	p.queued.Add(-size)
	p.returned()
	return p.throw(s) // the link is down, and whoever is behind it is logged out now
}

// throw takes a sequence that nobody gets.
func (p *port) throw(s *fc.Sequence) bool {
	s.State = 0
	p.void.put(s)
	if p.Station.Post(s) {
		return true
	}
	p.void.drop(s, p.void.find(s))
	return false
}

// returned notes that a sequence is not with the Outside any more.
func (p *port) returned() {
	if p.away.Add(-1) == 0 && p.closing.Load() {
		p.empty.Do(func() { close(p.back) })
	}
}

// Flush implements [fc.Link].
func (p *port) Flush() {
	if p.Handing() {
		return
	}
	p.Station.Flush()
	p.f.flush()
}

// Cancel implements [fc.Link].
func (p *port) Cancel(s *fc.Sequence) {
	if p.f.homes.isOutside(s.Header.D) && p.void.find(s) == 0 {
		p.f.out.Cancel(s)
		return
	}
	p.Station.Cancel(s)
}

// Close implements [fc.Link].
func (p *port) Close() {
	f := p.f
	p.closing.Store(true)
	f.flush()
	if p.away.Load() > 0 {
		<-p.back
	}
	p.Station.Close(fc.ErrClosed)

	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ports[p.id] != p {
		return
	}
	f.table.Lock()
	delete(f.ports, p.id)
	f.table.Unlock()
	p.home.there = false
	f.changed(&p.entry)
	for _, m := range f.members {
		f.part(m, p.id)
		f.look(m)
	}
}

// Stats implements [fc.Link].
func (p *port) Stats() fc.Stats {
	s := p.Station.Stats()
	s.FramesIn += p.framesIn.Load()
	s.BytesIn += p.bytesIn.Load()
	s.FramesOut += p.framesOut.Load()
	s.BytesOut += p.bytesOut.Load()
	s.Dropped += p.thrown.Load()
	s.BytesQueued += p.queued.Load()
	return s
}

// frame carries a frame to a port inside or to a service. p.f.mu is held.
func (p *port) frame(s *fc.Sequence, part *fc.Part) bool {
	f := p.f
	to := f.ports[part.D]
	switch {
	case f.homes.isOutside(part.D): // it is in the void
		return true
	case to != nil && to != p && to.Full(p.Station):
		return false
	case to == nil && !part.D.WellKnown():
		f.dropped.Add(1)
		return true
	}
	frame := fc.Frame{Header: part.Header, First: part.First, Last: part.Last, Payload: p.Payload(s, part)}
	frame.FCtl &^= fc.FCtlFill
	if to != nil {
		to.Deliver(frame)
		return true
	}
	if a, ok := f.serve(&p.entry, &frame); ok {
		p.deliver(a)
	}
	return true
}

// deliver hands frames of a service to a port inside. p.f.mu is held.
func (p *port) deliver(a *fc.Sequence) {
	for moved := int64(0); ; {
		part := a.Part(p.f.c.MaxPayload, moved)
		frame := fc.Frame{Header: part.Header, First: part.First, Last: part.Last}
		frame.FCtl &^= fc.FCtlFill
		frame.Payload = append(frame.Payload, a.Head[moved:moved+part.Payload()]...)
		p.Deliver(frame)
		moved += part.Payload()
		if part.Last {
			return
		}
	}
}
