package cm

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// A state is where a connection is between its REQ and its end (12.9.5, 12.9.6).
type state uint8

const (
	asked       state = iota // REQ has come, and the user has not answered yet
	answered                 // REP was sent
	dialled                  // REQ was sent
	replied                  // REP has come, and the user is not ready yet
	established              // RTU was sent, or has come, or was not needed
	leaving                  // DREQ was sent
	over                     // the manager knows it no more
)

// Times. What a peer says of its own is taken between least and most.
const (
	leastResponse = 500 * time.Millisecond // until REP is sent again
	mostResponse  = 10 * time.Second
	serviceTime   = ib.Timeout(23)   // 34 s: how long a peer is asked to wait for the user
	patience      = 30 * time.Second // with the user
	mostHalfOpen  = 90 * time.Second // between REQ and RTU, whatever the peer says in MRA
	mostDialling  = 5 * time.Minute  // the same when we have asked; the caller's context is what ends it before

	response   = ib.Timeout(18) // 1.07 s: what our REQ says of either side
	ownRetries = 15             // of REQ
	firstLeave = 250 * time.Millisecond
	mostLeave  = 2 * time.Second
	leaveTries = 6 // DREQs in all: 250 ms, 500 ms, 1 s, 2 s, 2 s, 2 s
	ackDelay   = ib.Timeout(15)
	noFailover = 1 // of REP: alternate paths are not supported
	fullPKey   = 0xFFFF
	hopLimit   = 64
)

// A Connection is one that was asked for, or accepted.
type Connection struct {
	m    *Manager
	path ib.Path
	from uint16      // the port that it says it is from, if we have asked
	open atomic.Bool // it is established, or more: Heard has nothing to do

	// What follows is guarded by m.mu.
	state    state
	active   bool   // we have asked
	id       uint32 // ours
	peer     peer   // the other end's, known from its first message on
	known    bool
	qpn      ib.QPN // ours
	peerQPN  ib.QPN
	psn      ib.PSN // of the peer's REQ, by which it is told from another
	tid      uint64 // of the REQ, and of all answers
	point    *point
	request  *Request
	owner    Owner
	place    share.Member[netip.Addr, *Connection]
	resident *resident // its house, while it counts there

	sent     []byte // the message that is sent again
	timer    *time.Timer
	round    uint // of timer: a call of an earlier one does nothing
	interval time.Duration
	tries    int       // how often sent may be sent again
	deadline time.Time // of what has not been established

	result chan result // of Dial: it has room for one
	wants  Terms       // of Dial, until it returns
	ended  func()      // of Disconnect
}

// A result is what Dial returns.
type result struct {
	terms Terms
	err   error
}

// answer lets Dial return, if it waits. c.m.mu is held.
func (c *Connection) answer(t Terms, err error) {
	if c.result != nil {
		c.result <- result{t, err}
		c.result = nil
	}
}

// enter makes c one of the manager's connections, and gives it an ID. m.mu is held.
func (m *Manager) enter(c *Connection) {
	c.m = m
	c.id = m.newID()
	m.byID[c.id] = c
}

// meet notes who the other end is. m.mu is held.
func (m *Manager) meet(c *Connection, guid uint64, id uint32, qpn ib.QPN) {
	c.known, c.peerQPN = true, qpn
	c.peer = peer{c.path.Remote, guid, id}
	m.byPeer[c.peer] = c
	m.byQP[c.queuePair()] = c
}

func (c *Connection) queuePair() queuePair { return queuePair{c.peer.at, c.peer.guid, c.peerQPN} }

// establish makes it an established one. m.mu is held.
func (m *Manager) establish(c *Connection) {
	c.state = established
	c.open.Store(true)
	c.stop()
	c.sent, c.request = nil, nil
	m.half.Remove(&c.place)
	h := house(c.path.Remote)
	if c.resident = m.houses[h]; c.resident == nil {
		c.resident = new(resident)
		m.houses[h] = c.resident
	}
	c.resident.connections++
}

// release forgets c, and remembers that it was. m.mu is held.
func (m *Manager) release(c *Connection) {
	if c.state == over {
		return
	}
	was := c.state
	c.state = over
	c.open.Store(true)
	c.stop()
	c.sent = nil
	m.half.Remove(&c.place)
	delete(m.byID, c.id)
	if c.known {
		if m.byPeer[c.peer] == c {
			delete(m.byPeer, c.peer)
		}
		if q := c.queuePair(); m.byQP[q] == c {
			delete(m.byQP, q)
		}
	}
	if c.known && was != asked {
		g := grave{id: c.id, peerID: c.peer.id, peer: c.peer, psn: c.psn}
		if c.active {
			g.psn = 1 << 24 // it was asked for by no REQ
		}
		m.past.add(g)
	}
	if r := c.resident; r != nil {
		c.resident = nil
		if r.connections--; r.connections == 0 {
			delete(m.houses, house(c.path.Remote))
		}
	}
}

// lose ends c, which nobody has ended, and tells its owner why. m.mu is held.
func (m *Manager) lose(c *Connection, err error) {
	o, ended := c.owner, c.ended
	m.release(c)
	c.owner, c.ended = nil, nil
	switch {
	case c.result != nil:
		c.answer(Terms{}, err)
	case ended != nil:
		m.later(ended)
	case o != nil:
		m.later(func() { o.Failed(err) })
	}
}

// transmit sends a message that is sent again until there is an answer. m.mu is held.
func (m *Manager) transmit(c *Connection, a mad.Attribute, tid uint64, msg message) {
	h := mad.CM(a, tid)
	c.sent = msg.Append(h.Append(make([]byte, 0, mad.Size)))
	m.conf.Send(c.path, c.sent)
}

// arm has expired called after a time. c.m.mu is held.
func (c *Connection) arm(d time.Duration) {
	c.stop()
	if !c.deadline.IsZero() {
		d = min(d, max(0, time.Until(c.deadline)))
	}
	round := c.round
	c.timer = time.AfterFunc(d, func() { c.m.expired(c, round) })
}

// stop takes that back. c.m.mu is held.
func (c *Connection) stop() {
	c.round++
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// expired does what there is to do when time has passed without an answer.
func (m *Manager) expired(c *Connection, round uint) {
	m.mu.Lock()
	if c.round == round && !m.closed {
		m.late(c)
	}
	m.mu.Unlock()
	m.tell()
}

// late: there is no answer yet. m.mu is held.
func (m *Manager) late(c *Connection) {
	again := c.tries > 0 && (c.deadline.IsZero() || time.Now().Before(c.deadline))
	switch {
	case c.state == asked:
		m.reject(c, mad.OfREQ, mad.NoResources, nil, nil)
		m.withdraw(c, false)
	case again && c.sent != nil:
		c.tries--
		m.conf.Send(c.path, c.sent)
		if c.state == leaving {
			c.interval = min(2*c.interval, mostLeave)
		}
		c.arm(c.interval)
	case c.state == answered:
		m.stats.Unanswered++
		m.reject(c, mad.OfREP, mad.TimedOut, nil, nil)
		m.lose(c, ErrTimeout)
	case c.state == dialled:
		m.stats.Unanswered++
		m.giveUp(c)
		m.lose(c, ErrTimeout)
	default: // leaving
		m.stats.Unanswered++
		m.lose(c, ErrTimeout)
	}
}

// reject sends a REJ of a connection. c.m.mu is held.
func (m *Manager) reject(c *Connection, s mad.Subject, why mad.Reason, info, private []byte) {
	m.send(c.path, mad.AttrREJ, c.tid, &mad.REJ{LocalID: c.id, RemoteID: c.peer.id, Subject: s, Reason: why, Info: info, InfoLen: uint8(len(info)), Private: private})
}
