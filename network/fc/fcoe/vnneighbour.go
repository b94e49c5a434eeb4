package fcoe

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

// maxNeighbours bounds the table: who invents claims fills no more.
const maxNeighbours = 512

// A station is what a frame of VN2VN says of the port that it is from (FC-BB-6 "VN2VN operations").
type station struct {
	mac        ethernet.MAC // of its ENode
	node, port fc.Name
	id         fc.ID
	size       int  // the longest FCoE frame that it takes; 0: the frame does not say
	recorded   bool // the REC flag: the address is one that it had before
}

// A neighbour is a port that has claimed its address. All of it is by line.turn.
type neighbour struct {
	station
	heard time.Time // its last beacon, or claim
	// willing: it has its address for good, so that it takes logins. spoke is when it last said so.
	willing bool
	spoke   time.Time
}

// same reports that s is the neighbour still.
func (x *neighbour) same(s *station) bool {
	return x.mac == s.mac && x.node == s.node && x.port == s.port
}

// probed has a probe request. n.l.turn is held.
func (n *vn2vn) probed(s *station, now time.Time) {
	p := n.byID[s.id]
	if p == nil {
		return
	}
	switch p.state {
	case vnClaim, vnUp:
		p.defend(s.mac, now)
		return
	case vnProbe1, vnProbe2:
		// Both want it: the higher name has it. What one had before counts more than what ours tries.
		if p.c.Port > s.port && !s.recorded {
			p.defend(s.mac, now)
			return
		}
	case vnStart, vnDown:
	}
	p.restart(now, s.port)
}

// defended has the answer to a probe. n.l.turn is held.
func (n *vn2vn) defended(s *station, now time.Time) {
	switch p := n.byID[s.id]; {
	case p == nil:
	case p.state == vnUp:
		p.claimAgain(now)
	default:
		p.restart(now, s.port)
	}
}

// claimedBy has a claim notification. n.l.turn is held.
func (n *vn2vn) claimedBy(s *station, now time.Time) {
	if s.recorded {
		n.ask(now)
		return
	}
	if p := n.byID[s.id]; p != nil {
		if p.state < vnClaim || s.port > p.c.Port {
			p.restart(now, s.port)
		} else {
			p.claimAgain(now)
		}
		return
	}
	known := false
	for _, p := range n.ports {
		if p.state < vnClaim {
			continue
		}
		if known = known || n.learn(s, now, false); known && n.answers.take(now) {
			p.answer(s)
			p.hurry()
		}
	}
}

// answered has a claim response: whoever sends it has its address. n.l.turn is held.
func (n *vn2vn) answered(s *station, now time.Time) {
	if n.byID[s.id] != nil || !slices.ContainsFunc(n.ports, func(p *vnPort) bool { return p.state >= vnClaim }) {
		return
	}
	if n.learn(s, now, true) {
		n.neighbours[s.id].spoke = now
		n.loginAll(s.id, now)
	}
}

// beaconFrom has a beacon. n.l.turn is held.
func (n *vn2vn) beaconFrom(s *station, now time.Time) {
	if s.recorded {
		n.ask(now)
		return
	}
	if p := n.byID[s.id]; p != nil {
		if p.state == vnUp {
			p.claimAgain(now) // the higher name keeps it
		}
		return
	}
	x := n.neighbours[s.id]
	if x != nil && x.same(s) {
		x.heard, x.willing, x.spoke = now, true, now
		n.loginAll(s.id, now)
		return
	}
	// A claim makes it answer with its own, and a beacon makes it log in.
	n.silent++
	for _, p := range n.ports {
		if p.state == vnUp {
			p.claimAgain(now)
			p.hurry()
		}
	}
}

// learn puts a port into the table, or says that there is no room. What others say of a neighbour with logins does not count before its
// beacons have stopped: everybody can send claims. A port that has another address now says so from the same station. n.l.turn is held.
func (n *vn2vn) learn(s *station, now time.Time, willing bool) bool {
	if x := n.neighbours[s.id]; x != nil {
		if x.same(s) {
			x.station, x.heard, x.willing = *s, now, x.willing || willing
			return true
		}
		if n.used(s.id) {
			n.refused++
			return false
		}
		n.forget(s.id, fmt.Errorf("fcoe: the port %v has its address %v now", s.port, s.id))
	}
	for id, x := range n.neighbours {
		switch {
		case x.port != s.port:
		case x.mac != s.mac && n.used(id): // its name, too
			n.refused++
			return false
		default:
			n.forget(id, fmt.Errorf("fcoe: its port %v has the address %v now", s.port, s.id))
		}
	}
	if len(n.neighbours) >= maxNeighbours && !n.evict() {
		n.refused++
		return false
	}
	n.neighbours[s.id] = &neighbour{station: *s, heard: now, willing: willing}
	n.l.at(now.Add(expiry))
	return true
}

// evict makes room for a neighbour, at the cost of the one that was heard longest ago of those without logins. n.l.turn is held.
func (n *vn2vn) evict() bool {
	var oldest fc.ID
	var found bool
	for id, x := range n.neighbours {
		if n.used(id) {
			continue
		}
		if old := n.neighbours[oldest]; old != nil {
			if f := n.found(id); f != found && f || f == found && !x.heard.Before(old.heard) {
				continue
			}
		}
		oldest, found = id, n.found(id)
	}
	if oldest == 0 {
		return false
	}
	n.forget(oldest, fmt.Errorf("fcoe: there are more than %d neighbours", maxNeighbours))
	return true
}

// forget takes a neighbour out of the table: its logins end. n.l.turn is held.
func (n *vn2vn) forget(id fc.ID, why error) {
	delete(n.neighbours, id)
	for _, p := range n.ports {
		p.lose(id, why)
	}
}

// used reports that frames have come for a login of the neighbour. n.l.turn is held.
func (n *vn2vn) used(id fc.ID) bool {
	return slices.ContainsFunc(n.ports, func(p *vnPort) bool { g := p.logins[id]; return g != nil && g.used })
}

// found reports that the neighbour is logged in. n.l.turn is held.
func (n *vn2vn) found(id fc.ID) bool {
	return slices.ContainsFunc(n.ports, func(p *vnPort) bool { g := p.logins[id]; return g != nil && g.found })
}

// loginsOf says how a neighbour stands to our ports, for people. n.l.turn is held.
func (n *vn2vn) loginsOf(id fc.ID) string {
	count := 0
	for _, p := range n.ports {
		if g := p.logins[id]; g != nil && g.found {
			count++
		}
	}
	switch {
	case count == 0:
		return "not logged in"
	case len(n.ports) == 1:
		return "logged in"
	}
	return fmt.Sprintf("logged in with %d of %d ports", count, len(n.ports))
}

// loginAll lets all ports log in with a neighbour that was heard. n.l.turn is held.
func (n *vn2vn) loginAll(id fc.ID, now time.Time) {
	for _, p := range n.ports {
		if p.state == vnUp {
			p.login(id, n.neighbours[id], now)
		}
	}
}

// ask sends a probe, to which those answer that have a recorded address. n.l.turn is held.
func (n *vn2vn) ask(now time.Time) {
	for _, p := range n.ports {
		if p.state == vnUp && now.Sub(p.asked) >= n.soon(announce) {
			p.asked = now
			p.probe()
			return
		}
	}
}

// remove takes a port out. n.l.turn is held.
func (n *vn2vn) remove(p *vnPort) {
	n.ports = slices.DeleteFunc(n.ports, func(x *vnPort) bool { return x == p })
}

// sorted are the keys in order.
func sorted[V any](m map[fc.ID]V) []fc.ID { return slices.Sorted(maps.Keys(m)) }
