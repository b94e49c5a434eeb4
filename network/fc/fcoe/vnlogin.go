package fcoe

import (
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// Times of logins with neighbours.
const (
	// crossing is how long the other port's FLOGI is waited for when it has accepted ours, and its answer when we have accepted its:
	// both send one, and who gets one later than PLOGI takes it for a new beginning.
	crossing = 100 * time.Millisecond
	// refusedWait is how long to wait before the next FLOGI when the last was refused: the other port does not know us yet.
	refusedWait = 500 * time.Millisecond
	// refusals is how often that is tried. Then the next beacon is waited for.
	refusals = 6
	// copied is how long a FLOGI with the same identifier is a copy of the one that was accepted, on a wire that doubles frames. Who begins anew
	// takes longer, since it looks for its address before.
	copied = 500 * time.Millisecond
)

// errLoggedOut is why a neighbour is gone that has said so.
var errLoggedOut = errors.New("fcoe: it has logged out")

// A login is that of a neighbour with one of our ports (FC-BB-6 "VN2VN_Port FLOGI"): each sends FLOGI to the other by FIP. All of it is by line.turn.
type login struct {
	waiting bool      // a FLOGI of ours is not answered
	asked   time.Time // when it was sent
	ox      uint16    // its identifier
	refused int       // how often

	ours, theirs bool // whose FLOGI was accepted
	payload      int  // what the other takes in a frame
	// accepted is when its FLOGI was, and acceptedOX the identifier of that.
	accepted   time.Time
	acceptedOX uint16
	// found: the user of the port was told. used: frames have come since.
	found, used bool
	// due is when the user is told, or FLOGI is sent again; zero: neither.
	due time.Time
}

// login sends FLOGI to a neighbour that was heard, if that is due. p.l.turn is held.
func (p *vnPort) login(id fc.ID, x *neighbour, now time.Time) {
	g := p.logins[id]
	if g == nil {
		g = &login{}
		p.logins[id] = g
	}
	if g.found || g.ours || g.theirs || (g.waiting && now.Sub(g.asked) < errorDetect) || !g.due.IsZero() {
		return
	}
	g.refused = 0
	p.ask(id, g, x, now)
}

// ask sends FLOGI. p.l.turn is held.
func (p *vnPort) ask(id fc.ID, g *login, x *neighbour, now time.Time) {
	g.waiting, g.asked, g.ox, g.due = true, now, p.ox, time.Time{}
	p.ox = (p.ox + 1) & 0x7fff
	l := els.FabricLogin(els.FLOGI, p.c.Port, p.c.Node, p.n.payload())
	p.request(x.mac, id, g.ox, l.Append(nil))
}

// tickLogin does what is due for a login, and returns when the next thing is. p.l.turn is held.
func (p *vnPort) tickLogin(id fc.ID, g *login, now time.Time) time.Time {
	if g.due.IsZero() || now.Before(g.due) {
		return g.due
	}
	g.due = time.Time{}
	x := p.n.neighbours[id]
	switch {
	case x == nil:
	case g.ours || g.theirs:
		p.tell(id, g, x)
	case p.state == vnUp:
		p.ask(id, g, x, now)
	}
	return g.due
}

// wait sets the time of tickLogin. p.l.turn is held.
func (p *vnPort) wait(g *login, at time.Time) {
	g.due = at
	p.l.at(at)
}

// tell lets the port's user know that a neighbour has logged in. p.l.turn is held.
func (p *vnPort) tell(id fc.ID, g *login, x *neighbour) {
	g.found, g.used, g.waiting, g.due = true, false, false, time.Time{}
	p.h.Found(fc.Neighbour{ID: id, Node: x.node, Port: x.port, MaxPayload: min(g.payload, p.n.payload())})
}

// lose ends the login of a neighbour. p.l.turn is held.
func (p *vnPort) lose(id fc.ID, why error) {
	g := p.logins[id]
	delete(p.logins, id)
	if g != nil && g.found {
		p.h.Gone(id, why)
	}
}

// foundCount is how many neighbours are logged in. p.l.turn is held.
func (p *vnPort) foundCount() (n int) {
	for _, g := range p.logins {
		if g.found {
			n++
		}
	}
	return n
}

// asked has a request of a neighbour by FIP. n.l.turn is held.
func (n *vn2vn) asked(src ethernet.MAC, f *fip.Link, now time.Time) {
	p := n.byID[f.Header.D]
	if p == nil || p.state != vnUp {
		return
	}
	x := n.neighbours[f.Header.S]
	stranger := x == nil || x.mac != src
	switch els.CommandOf(f.Payload) {
	case els.FLOGI:
		l, err := els.ParseLogin(f.Payload)
		switch payload := l.ReceiveSize(); {
		case err != nil:
			p.reject(src, f, refusalOf(err), now)
		case stranger || l.Port != x.port:
			p.reject(src, f, els.Reject{Reason: els.ReasonFIP, Explanation: els.ExplanationNoNeighbour}, now)
		case payload < fc.MinPayload:
			p.reject(src, f, els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationSize}, now)
		default:
			p.accept(f, x, payload, now)
		}
	case els.LOGO:
		if stranger {
			p.reject(src, f, els.Reject{Reason: els.ReasonFIP, Explanation: els.ExplanationNoNeighbour}, now)
			return
		}
		p.reply(src, f, els.AppendAccept(nil))
		x.willing = false
		p.lose(x.id, errLoggedOut)
	default:
		p.reject(src, f, els.Reject{Reason: els.ReasonUnsupported, Explanation: els.ExplanationNotSupported}, now)
	}
}

// accept logs a neighbour in. p.l.turn is held.
func (p *vnPort) accept(f *fip.Link, x *neighbour, payload int, now time.Time) {
	l := els.FabricLogin(els.LSAcc, p.c.Port, p.c.Node, p.n.payload())
	p.reply(x.mac, f, l.Append(nil))
	x.heard = now
	g := p.logins[x.id]
	if g == nil {
		g = &login{}
		p.logins[x.id] = g
	}
	if g.theirs && g.acceptedOX == f.Header.OX && now.Sub(g.accepted) < copied {
		return // a copy, which is answered, and no other login
	}
	g.theirs, g.payload, g.accepted, g.acceptedOX = true, payload, now, f.Header.OX
	if g.found || !g.waiting || g.ours {
		p.tell(x.id, g, x)
		return
	}
	p.wait(g, now.Add(p.n.soon(crossing)))
}

// repliedTo has the answer to a request of ours. n.l.turn is held.
func (n *vn2vn) repliedTo(src ethernet.MAC, f *fip.Link, now time.Time) {
	p, x := n.byID[f.Header.D], n.neighbours[f.Header.S]
	if p == nil || p.state != vnUp || x == nil || x.mac != src {
		return
	}
	g := p.logins[x.id]
	if g == nil || !g.waiting || g.ox != f.Header.OX {
		return
	}
	l, err := els.ParseLogin(f.Payload)
	payload := l.ReceiveSize()
	if err == nil && (l.Port != x.port || payload < fc.MinPayload) {
		err = fmt.Errorf("the port %v takes frames of %d bytes", l.Port, payload)
	}
	g.waiting = false
	switch {
	case err == nil:
		g.ours, g.payload = true, payload
		if g.theirs {
			p.tell(x.id, g, x)
			return
		}
		p.wait(g, now.Add(p.n.soon(crossing)))
	case g.theirs:
		p.tell(x.id, g, x)
	case g.refused < refusals:
		g.refused++
		p.wait(g, now.Add(p.n.soon(refusedWait)))
	}
}

// reject refuses a request; nobody gets many such answers. p.l.turn is held.
func (p *vnPort) reject(to ethernet.MAC, f *fip.Link, why els.Reject, now time.Time) {
	if p.n.answers.take(now) {
		p.reply(to, f, why.Append(nil))
	}
}

// refusalOf is the answer to a request that cannot be read.
func refusalOf(err error) els.Reject {
	var bad *els.Error
	if errors.As(err, &bad) {
		return bad.Reject()
	}
	return els.Reject{Reason: els.ReasonProtocol}
}

// logout tells a neighbour that its login has ended. p.l.turn is held.
func (p *vnPort) logout(id fc.ID) {
	if x := p.n.neighbours[id]; x != nil {
		p.request(x.mac, id, p.ox, els.Logout{ID: p.id, Port: p.c.Port}.Append(nil))
		p.ox = (p.ox + 1) & 0x7fff
	}
}
