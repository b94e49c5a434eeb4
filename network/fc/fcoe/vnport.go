package fcoe

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// A vnState is where a port is in finding its address (FC-BB-6 "VN2VN_Port initialization").
type vnState uint8

const (
	vnDown   vnState = iota // the interface cannot carry anything
	vnStart                 // waiting to send the first probe
	vnProbe1                // the first has been sent
	vnProbe2                // the second has been sent
	vnClaim                 // the address has been claimed
	vnUp                    // the address is the port's
)

// A vnPort is a port of ours among neighbours. All of it is by line.turn.
type vnPort struct {
	*link
	n *vn2vn
	c fc.PortConfig

	state vnState
	id    fc.ID // 0: none yet
	// due is when the next step of the machine is, or the next beacon.
	due time.Time
	// tries is how often the address has turned out to be somebody else's.
	tries                  int
	claimed, beacon, asked time.Time // when the last claim, beacon and probe after another's request were sent
	payload                int       // that the user was told
	ox                     uint16    // of the next request by FIP
	logins                 map[fc.ID]*login
}

// start begins to look for an address. p.l.turn is held.
func (p *vnPort) start(now time.Time) {
	p.choose()
	p.state = vnStart
	wait := random(p.n.soon(probeWait))
	if p.tries >= conflicts {
		wait = conflictWait
	}
	p.next(now.Add(wait))
}

// next says when the port has something to do. p.l.turn is held.
func (p *vnPort) next(at time.Time) {
	p.due = at
	p.l.at(at)
}

// choose takes an address: that of before, or what the port's name ends with, or any. p.l.turn is held.
func (p *vnPort) choose() {
	if p.id == 0 {
		p.id = fc.ID(p.c.Port & 0xffff)
	}
	for !p.free(p.id) {
		p.id = fc.ID(rand.Uint32N(0xfffe) + 1)
	}
	p.n.byID[p.id] = p
}

// free reports that the port may try for an address. p.l.turn is held.
func (p *vnPort) free(id fc.ID) bool {
	own := p.n.byID[id]
	return localID(id) && (own == nil || own == p) && p.n.neighbours[id] == nil
}

// leave gives the address up, if the port has one: everything on it ends. p.l.turn is held.
func (p *vnPort) leave(why error) {
	was := p.state
	p.state, p.due = vnDown, time.Time{}
	clear(p.logins)
	if p.n.byID[p.id] == p {
		delete(p.n.byID, p.id)
	}
	if was >= vnClaim {
		if err := p.l.wire.Leave(vnMAC(p.id)); err != nil {
			p.l.log.Warn("an address is not left", "mac", vnMAC(p.id), "error", err)
		}
	}
	if was == vnUp {
		p.out.down(why)
		if !p.closed {
			p.h.Down(why)
		}
	}
}

// stop waits for the interface. p.l.turn is held.
func (p *vnPort) stop(why error) {
	if p.state != vnDown {
		p.leave(why)
		p.tries = 0
	}
}

// restart looks for another address, since somebody else has this one. p.l.turn is held.
func (p *vnPort) restart(now time.Time, who fc.Name) {
	p.l.log.Info("an address is another port's", "port", p.c.Port, "id", p.id, "other", who)
	p.leave(fmt.Errorf("%w: the address %v is that of the port %v", fc.ErrDown, p.id, who))
	p.tries++
	for old := p.id; p.id == old; {
		p.id = fc.ID(rand.Uint32N(0xfffe) + 1)
	}
	p.start(now)
}

// tick does what is due, and returns when the next thing is. p.l.turn is held.
func (p *vnPort) tick(now time.Time) time.Time {
	if !p.due.IsZero() && !now.Before(p.due) {
		p.step(now)
	}
	next := p.due
	for id, g := range p.logins {
		next = sooner(next, p.tickLogin(id, g, now))
	}
	return next
}

// step takes the next step towards an address, or sends a beacon. p.l.turn is held.
func (p *vnPort) step(now time.Time) {
	switch p.state {
	case vnStart:
		p.state = vnProbe1
		p.probe()
		p.due = now.Add(p.n.soon(probeWait))
	case vnProbe1:
		p.state = vnProbe2
		p.probe()
		p.due = now.Add(p.n.soon(announce))
	case vnProbe2:
		if err := p.l.wire.Join(vnMAC(p.id)); err != nil {
			p.l.log.Error("the interface does not take the address of a port", "mac", vnMAC(p.id), "error", err)
			p.due = now.Add(conflictWait)
			return
		}
		p.state = vnClaim
		p.claim(now)
		p.due = now.Add(p.n.soon(announce))
	case vnClaim:
		p.state, p.tries = vnUp, 0
		p.sendBeacon(now)
		p.due = now.Add(p.n.soon(announce))
		p.announce()
		for id, x := range p.n.neighbours {
			// Who has not answered the claim is asked when it is heard: nobody gets more frames than have come in its name, however often
			// ports look for addresses.
			if x.willing && !x.spoke.Before(p.claimed) {
				p.login(id, x, now)
			}
		}
	case vnUp:
		p.sendBeacon(now)
		p.due = now.Add(beaconEvery + random(beaconFuzz))
	}
}

// announce tells the user of the port where it is. p.l.turn is held.
func (p *vnPort) announce() {
	payload := p.n.payload()
	p.payload = payload
	p.out.up(payload)
	p.h.Up(fc.Attachment{
		ID: p.id, MaxPayload: payload, Receives: p.l.room(), ErrorDetect: errorDetect, ResourceAllocation: resourceAllocation,
	})
}

// hurry sends a beacon as soon as may be: somebody waits for it. p.l.turn is held.
func (p *vnPort) hurry() {
	if soon := p.beacon.Add(p.n.soon(announce)); soon.Before(p.due) {
		p.next(soon)
	}
}

// words say what the port does. p.l.turn is held.
func (p *vnPort) words() string {
	switch p.state {
	case vnDown:
		return "waiting for the interface"
	case vnUp:
		return fmt.Sprintf("%v, %d neighbours logged in", p.id, p.foundCount())
	case vnClaim:
		return fmt.Sprintf("claiming %v", p.id)
	case vnStart, vnProbe1, vnProbe2:
	}
	return fmt.Sprintf("asking whether %v is free", p.id)
}

// Close implements [fc.Link].
func (p *vnPort) Close() {
	p.l.turn.Lock()
	again := p.closed
	p.closed = true
	if !again {
		for id, g := range p.logins {
			if g.found {
				p.logout(id)
			}
		}
		p.leave(fc.ErrClosed)
		p.n.remove(p)
	}
	p.l.turn.Unlock()
	p.out.down(fc.ErrClosed)
	p.l.send.flush()
}
