package iscsi

import (
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// The doors of a node are what a connection passes: it is half a login first, and then either a
// discovery session or one of the connections of sessions. Behind each door there is room for so
// many, and nobody takes it all (package share):
//
//   - Half logins, and discovery sessions, make room when one more comes: the oldest of the address
//     that has most goes.
//   - Connections of sessions stay. An address, and an initiator with the user that it has proved to
//     be, may have as many as its share is.
//
// Node.mu guards all of it but the counters and the logs.
type doors struct {
	half      *share.Crowd[string, *Conn] // by address
	discovery *share.Crowd[string, *Conn] // by address
	// closing are those that had to make room, until they are gone, and closingOf how many of them each address
	// has. An address that has none is not kept out by those of others.
	closing   int
	closingOf map[string]int

	byAddress   *share.Pot[string]
	byInitiator *share.Pot[account]

	// What is told of in this second: who had to make room, logins and connections that were refused,
	// and who did not do in time what it owed.
	made, refused, turned, debts ratelog.Owners
	counters                     counters
}

// An account is whose connections are counted together: an initiator, as whom it has proved to be.
// Without proof a name is what its owner says it is, so that the address is looked at as well.
type account struct{ initiator, user string }

// perAddress is the multiple of what stays free that the connections of one address may be: many
// initiators may come from one, behind a gateway. One of them alone gets four fifths, as
// everywhere.
const perAddress = 16

// Counters are what the doors of a node have done since it started.
type Counters struct {
	HalfLoginsEnded   int64 // to make room for others
	DiscoveriesEnded  int64 // to make room for others
	ConnectionsTurned int64 // not taken at all
	LoginsRefused     int64 // for any reason
	SharesRefused     int64 // of these: since the initiator, or its address, has its share
	Stalled           int64 // connections that did not take or send data in time
	GapsEnded         int64 // sessions that left a number out for too long
	EchoesRejected    int64 // pings and texts for whose answer there was no memory
}

// counters are Counters at work.
type counters struct {
	half, discovery, turned, logins, shares, stalled, gaps, echoes atomic.Int64
}

// Counters are what the node's doors have done since it started.
func (n *Node) Counters() Counters {
	c := &n.doors.counters
	return Counters{
		HalfLoginsEnded: c.half.Load(), DiscoveriesEnded: c.discovery.Load(), ConnectionsTurned: c.turned.Load(),
		LoginsRefused: c.logins.Load(), SharesRefused: c.shares.Load(),
		Stalled: c.stalled.Load(), GapsEnded: c.gaps.Load(), EchoesRejected: c.echoes.Load(),
	}
}

func (d *doors) init(cfg *Limits) {
	d.half = share.NewCrowd[string, *Conn](cfg.MaxLogins)
	d.discovery = share.NewCrowd[string, *Conn](cfg.MaxDiscovery)
	d.byAddress = share.NewPot[string](share.Rule{Size: cfg.MaxConnections, Multiple: perAddress})
	d.byInitiator = share.NewPot[account](share.Rule{Size: cfg.MaxConnections})
}

// resize makes the doors as wide as the limits say, and returns the half logins and the discovery sessions
// that have to make room. n.mu is held.
func (n *Node) resize(l *Limits) (half, discovery []*Conn) {
	d := &n.doors
	d.byAddress.Resize(l.MaxConnections)
	d.byInitiator.Resize(l.MaxConnections)
	out := func(crowd *share.Crowd[string, *Conn], most int) (some []*Conn) {
		for _, m := range crowd.Resize(most) {
			n.closes(m.Value)
			some = append(some, m.Value)
		}
		return some
	}
	return out(d.half, l.MaxLogins), out(d.discovery, l.MaxDiscovery)
}

// A place is where a connection is behind the doors. Node.mu guards it, but for address.
type place struct {
	address string
	member  share.Member[string, *Conn] // of half or discovery
	booked  bool                        // in byAddress and byInitiator
	account account
	closing bool
}

// ownerOf is the address of a connection that came from remote, as its owner.
func ownerOf(remote string) string { return share.Address(remote) }

// come lets a connection in. If another has to make room it is returned, for evict. n.mu is held.
func (n *Node) come(c *Conn) (out *Conn) {
	n.conns[c] = struct{}{}
	return n.admitTo(n.doors.half, c)
}

// admitTo puts c among those of a crowd, and returns who has to make room, for evict. n.mu is held.
func (n *Node) admitTo(crowd *share.Crowd[string, *Conn], c *Conn) (out *Conn) {
	c.place.member.Value = c
	m := crowd.Add(c.place.address, &c.place.member)
	if m == nil {
		return nil
	}
	n.closes(m.Value)
	return m.Value
}

// tooFast reports that so many connections are ending to make room that another of the address has to wait. That
// they end waits for no peer, only for us. An address of which none is ending has room of its own: a quarter more.
// n.mu is held.
func (n *Node) tooFast(address string) bool {
	d, most := &n.doors, n.limits.Load().MaxLogins
	return d.closing > most && (d.closingOf[address] > 0 || d.closing > most+most/4)
}

// closes notes that a connection will be closed to make room. n.mu is held.
func (n *Node) closes(c *Conn) {
	c.place.closing = true
	n.doors.closing++
	if n.doors.closingOf == nil {
		n.doors.closingOf = make(map[string]int)
	}
	n.doors.closingOf[c.place.address]++
}

// evict closes a connection that has to make room, if there is one; what says for what, and which
// limit it is. No lock is held.
func (n *Node) evict(c *Conn, count *atomic.Int64, what, limit string) {
	if c == nil {
		return
	}
	count.Add(1)
	n.doors.made.Warn(n.log, what, c.place.address, "remote", c.traits.Remote, "limit", limit)
	c.m.Terminate(fmt.Errorf("%s: more than %s, and its address has most", what, limit))
}

// evictHalf closes a connection that is not logged in, to make room.
func (n *Node) evictHalf(c *Conn, limit string) {
	n.evict(c, &n.doors.counters.half, "closed one that is not logged in, to make room", limit)
}

// evictDiscovery closes a discovery session, to make room.
func (n *Node) evictDiscovery(c *Conn) {
	n.evict(c, &n.doors.counters.discovery, "closed a discovery session, to make room", "discovery.sessions")
}

// MakeRoom closes a connection that is not logged in, if there is one, since the process has no
// descriptors left. It reports whether there was one.
func (n *Node) MakeRoom() bool {
	n.mu.Lock()
	m := n.doors.half.Oldest()
	if m == nil {
		n.mu.Unlock()
		return false
	}
	n.doors.half.Remove(m)
	n.closes(m.Value)
	n.mu.Unlock()
	n.evictHalf(m.Value, "ulimit -n: too many open files")
	return true
}

// book makes c one of the connections of sessions, or says why not. n.mu is held.
func (n *Node) book(c *Conn, r *login.Result) error {
	d, p := &n.doors, &c.place
	a := account{r.InitiatorName, r.User}
	switch {
	case !d.byInitiator.May(a, 1):
		return n.share("this initiator", d.byInitiator.Of(a))
	case !d.byAddress.May(p.address, 1):
		return n.share("this address", d.byAddress.Of(p.address))
	}
	d.byInitiator.Take(a, 1)
	d.byAddress.Take(p.address, 1)
	p.booked, p.account = true, a
	d.half.Remove(&p.member)
	return nil
}

// share tells that a share is used up. n.mu is held.
func (n *Node) share(whose string, has int) error {
	d := &n.doors
	d.counters.shares.Add(1)
	if has == 0 {
		return fmt.Errorf("limits.connections: all %d are taken", d.byAddress.Size())
	}
	return fmt.Errorf("limits.connections: %s has %d, which is its share of %d, of which %d are taken",
		whose, has, d.byAddress.Size(), d.byAddress.Taken())
}

// goes takes a connection that has ended off all that it was counted in. n.mu is held.
func (n *Node) goes(c *Conn) {
	d, p := &n.doors, &c.place
	delete(n.conns, c)
	d.half.Remove(&p.member)
	d.discovery.Remove(&p.member)
	if p.booked {
		d.byInitiator.Give(p.account, 1)
		d.byAddress.Give(p.address, 1)
		p.booked = false
	}
	if p.closing {
		d.closing--
		if d.closingOf[p.address]--; d.closingOf[p.address] == 0 {
			delete(d.closingOf, p.address)
		}
		p.closing = false
	}
}

// tellRefused tells the log once a second of what it was not told one by one.
func (n *Node) tellRefused() {
	n.doors.made.Flush(n.log, "closed more, to make room")
	n.doors.turned.Flush(n.log, "more connections refused")
	n.doors.refused.Flush(n.log, "more logins refused")
	n.doors.debts.Flush(n.log, "more ended that owed something")
}
