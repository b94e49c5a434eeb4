package cm

import (
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
)

// How long the manager remembers what was (12.9.8.4: time wait), and of how many connections. When there are more the oldest is forgotten.
const (
	timeWait = 10 * time.Second
	maxPast  = 4096
)

// A grave is a connection that was: a message of it that the network has kept may still come, and must not make a new one.
type grave struct {
	id, peerID uint32
	peer       peer
	psn        ib.PSN // of its REQ
	at         time.Time
}

// past are connections that have ended a short while ago. It has no clock: the old ones go when one more comes, or when they are found.
type past struct {
	ring   []grave // a ring, oldest at next if it is full
	next   int
	byPeer map[peer]int // where
	byID   map[uint32]int
}

func newPast() past { return past{byPeer: make(map[peer]int), byID: make(map[uint32]int)} }

// add remembers a connection.
func (p *past) add(g grave) {
	g.at = time.Now()
	at := p.next
	if len(p.ring) < maxPast {
		at = len(p.ring)
		p.ring = append(p.ring, g)
	} else {
		p.forget(at)
		p.ring[at] = g
		p.next = (at + 1) % maxPast
	}
	p.byPeer[g.peer], p.byID[g.id] = at, at
}

// forget takes what is at a place out of the maps.
func (p *past) forget(at int) {
	g := &p.ring[at]
	if i, ok := p.byPeer[g.peer]; ok && i == at {
		delete(p.byPeer, g.peer)
	}
	if i, ok := p.byID[g.id]; ok && i == at {
		delete(p.byID, g.id)
	}
}

// asked reports whether a REQ is that of a connection which has ended.
func (p *past) asked(who peer, psn ib.PSN) bool {
	i, ok := p.byPeer[who]
	return ok && p.ring[i].psn == psn && time.Since(p.ring[i].at) < timeWait
}

// has reports whether a communication ID of ours was that of a connection which has ended.
func (p *past) has(id uint32) bool {
	i, ok := p.byID[id]
	return ok && time.Since(p.ring[i].at) < timeWait
}
