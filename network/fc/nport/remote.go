package nport

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A Remote is another port, as long as it is logged in.
type Remote struct {
	Node, Port fc.Name
	// Private is the upper layer's, from Login to LoggedOut.
	Private any

	p            *Port
	id, local    fc.ID
	max          int
	since        time.Time
	theirs, ours uint32

	// tables.mu guards the following.
	over  bool      // it has no exchanges any more, or not yet
	first *Exchange // all that are not closed
	busy  int       // of them, those that are under way
}

// ID is the port's address.
func (r *Remote) ID() fc.ID { return r.id }

// MaxPayload is how much payload a frame to it may have.
func (r *Remote) MaxPayload() int { return r.max }

// Since is when the process login began.
func (r *Remote) Since() time.Time { return r.since }

// Params are the service parameters of FCP that both have: its own, and those that Login has answered (for a PRLI of
// ours, those of Config).
func (r *Remote) Params() (theirs, ours uint32) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	return r.theirs, r.ours
}

// Logout ends the login of the process and of the port, which it tells (LOGO) if tell says so. LoggedOut is called before it returns;
// if another call to the upper layer is under way (perhaps the caller's own), right behind that. No lock may be held that the upper
// layer's methods take.
func (r *Remote) Logout(tell bool, why error) {
	p := r.p
	p.turn.leave(func() {
		o := p.peers[r.id]
		if o == nil || o.remote != r {
			return
		}
		p.logOut(o, fmt.Errorf("%w: %w", ErrLoggedOut, why))
		if tell {
			p.sendLogout(r.id)
		}
		p.later(o, p.pause())
	})
	p.wakeUp()
}

// A peer is what is known of the port at an address, logged in or not. It is changed by who has the turn, with Port.mu held.
type peer struct {
	id         fc.ID
	node, port fc.Name
	max        int // payload
	// ours: it does not know of our login any more, so that the next one is up to us, whatever the names are.
	ours bool
	// neighbour: the network says that it is there. wanted: the name server says that it has our protocol.
	neighbour, wanted bool
	in                bool // the port is logged in (PLOGI)
	remote            *Remote
	failed            error // why the last login was not
	heard             time.Duration

	// The following belong to who has the turn.
	asking *request      // PLOGI or PRLI of ours
	again  time.Duration // when to try
	tries  int
	last   request1
	// unsure: the name server is to be asked whether it is still there, not before verify; verifying: it is being asked.
	unsure, verifying bool
	verify            time.Duration
	// refused is until when nobody logs in from there, since a process login was refused.
	refused time.Duration
}

// A request1 is the last login that a port has asked for: a copy of it that comes late must not end what it began.
type request1 struct {
	what els.Command
	ox   uint16
	at   time.Duration
}

// change changes o as f says, and wakes those who wait for that.
func (p *Port) change(f func()) {
	p.mu.Lock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
}

// know gives the peer at an address, and makes one if there is none; then somebody who is not logged in goes, if there is no room. nil: there is none.
func (p *Port) know(id fc.ID) *peer {
	o := p.peers[id]
	if o != nil {
		o.heard = p.now()
		return o
	}
	if len(p.peers) >= p.config.MaxRemotes && !p.makeRoom() {
		return nil
	}
	o = &peer{id: id, heard: p.now(), max: fc.MinPayload}
	p.change(func() { p.peers[id] = o })
	return o
}

// makeRoom forgets the peer of which nothing has been heard for longest, of those who are not logged in (PRLI).
func (p *Port) makeRoom() bool {
	var oldest *peer
	for _, o := range p.peers {
		if o.remote != nil || o.neighbour || o.wanted {
			continue
		}
		if oldest == nil || o.heard < oldest.heard {
			oldest = o
		}
	}
	if oldest == nil {
		return false
	}
	p.forgetPeer(oldest, errUnlisted)
	return true
}

// forgetPeer ends what there is of a peer.
func (p *Port) forgetPeer(o *peer, why error) {
	p.logOut(o, why)
	p.change(func() { delete(p.peers, o.id) })
}

// logOut ends a peer's logins, and what we ask it. The address, and that it is there, stays.
func (p *Port) logOut(o *peer, why error) {
	q := o.asking
	o.asking = nil
	p.drop(q, why)
	o.last = request1{}
	p.endProcess(o, why)
	p.change(func() { o.in = false })
}

// endProcess ends a peer's process login.
func (p *Port) endProcess(o *peer, why error) {
	r := o.remote
	if r == nil {
		return
	}
	p.change(func() { o.remote = nil })
	p.tables.end(r)
	p.config.Log.Debug("a Fibre Channel port has logged out", "port", r.Port, "address", r.id, "why", why)
	p.config.Upper.LoggedOut(r, why)
	p.verdicts()
}

// offer asks the upper layer whether a process may log in; if so, it has. asked: it was we who have asked, with the parameters of Config.
func (p *Port) offer(o *peer, params uint32, asked bool) (ours uint32, response els.Response) {
	r := &Remote{Node: o.node, Port: o.port, p: p, id: o.id, local: p.at.ID, max: o.max, since: time.Now(), theirs: params, over: true}
	ours, code := p.config.Upper.Login(r, params)
	if response = els.Response(code); response != els.ResponseExecuted {
		return ours, response
	}
	if asked {
		ours = p.config.Params
	}
	p.tables.mu.Lock()
	r.over = false
	p.tables.mu.Unlock()
	p.change(func() { r.ours, o.remote, o.failed = ours, r, nil })
	p.config.Log.Debug("a Fibre Channel port has logged in", "port", r.Port, "address", r.id)
	return ours, response
}

// later lets the clock see to o in a while.
func (p *Port) later(o *peer, in time.Duration) {
	o.again = p.now() + in
	p.wakeUp()
}

// pause is how long we wait before we log in again where we were told off.
func (p *Port) pause() time.Duration { return time.Duration(p.errorDetect.Load()) / 2 }
