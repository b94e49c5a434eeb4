package cm

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// A Request is a peer that asks. It ends with one call of Accept or Reject, or when it is withdrawn.
type Request struct {
	Path  ib.Path
	Terms Terms          // the peer's
	From  netip.AddrPort // what the header of IP CM says
	Port  uint16         // that the peer asks for

	c         *Connection
	local     ib.Timeout // how long the peer takes to answer
	tries     int        // how often it wants an answer to be sent again
	alternate bool       // it has another path
	told      bool       // the listener has been told of it. The manager's mu guards it
}

// asks handles a REQ. m.mu is held.
func (m *Manager) asks(p ib.Path, tid uint64, q *mad.REQ) {
	who := peer{p.Remote, q.GUID, q.LocalID}
	old := m.byPeer[who]
	if !m.admit(p.Remote, old != nil) {
		m.stats.Dropped++
		return
	}
	switch {
	case old != nil:
		m.again(old, p, tid, q)
		return
	case m.past.asked(who, q.PSN):
		m.refuse(p, tid, q, mad.StaleConnection, nil)
		return
	}
	r, why, info := readREQ(p, q)
	if why != 0 {
		m.refuse(p, tid, q, why, info)
		return
	}
	at := m.find(p.Local, r.Port)
	if at == nil {
		m.refuse(p, tid, q, mad.InvalidServiceID, nil)
		return
	}
	if c := m.byQP[queuePair{p.Remote, q.GUID, q.QPN}]; c != nil && m.supersede(c) {
		m.refuse(p, tid, q, mad.StaleConnection, nil)
		return
	}
	c := &Connection{path: p, state: asked, psn: q.PSN, tid: tid, point: at, request: r, deadline: until(mostHalfOpen)}
	r.c = c
	c.place.Value = c
	m.enter(c)
	m.meet(c, q.GUID, q.LocalID, q.QPN)
	if out := m.half.Add(house(p.Remote), &c.place); out != nil {
		m.evict(out.Value)
	}
	c.arm(patience)
	m.later(func() { m.offer(r) })
}

// admit lets a REQ in, or not. again: it has come before. m.mu is held.
func (m *Manager) admit(from netip.Addr, again bool) bool {
	if len(m.events) >= maxEvents {
		return false
	}
	h := house(from)
	if r := m.houses[h]; r != nil {
		return r.asks.take(time.Now(), m.gate.limits.Address)
	}
	return m.gate.stranger(h, again)
}

// again handles a REQ of a connection that there is. m.mu is held.
func (m *Manager) again(c *Connection, p ib.Path, tid uint64, q *mad.REQ) {
	if c.psn != q.PSN || c.peerQPN != q.QPN || c.path != p || c.active {
		m.refuse(p, tid, q, mad.DuplicateCommID, nil)
		return
	}
	switch c.state {
	case asked:
		m.send(p, mad.AttrMRA, c.tid, &mad.MRA{LocalID: c.id, RemoteID: c.peer.id, Subject: mad.OfREQ, Timeout: serviceTime})
	case answered:
		m.conf.Send(p, c.sent)
	}
}

// supersede ends a connection whose peer asks for another with the same queue pair. It reports whether that is a stale connection; one that is not established
// yet, or that is being ended, is none (12.9.8.3.1). m.mu is held.
func (m *Manager) supersede(c *Connection) (stale bool) {
	if c.state == asked {
		m.withdraw(c, false)
		return false
	}
	stale = c.state == established
	m.lose(c, ErrStale)
	return stale
}

// refuse answers a REQ that no connection is made for. m.mu is held.
func (m *Manager) refuse(p ib.Path, tid uint64, q *mad.REQ, why mad.Reason, info []byte) {
	m.stats.Refused++
	m.stray(p, mad.AttrREJ, tid, &mad.REJ{RemoteID: q.LocalID, Subject: mad.OfREQ, Reason: why, Info: info, InfoLen: uint8(len(info))})
}

// stray answers a message that belongs to nothing, unless there are too many of them. m.mu is held.
func (m *Manager) stray(p ib.Path, a mad.Attribute, tid uint64, msg message) {
	if !m.gate.answer() {
		m.stats.Dropped++
		return
	}
	m.send(p, a, tid, msg)
}

// offer tells a listener of a request, unless it is gone.
func (m *Manager) offer(r *Request) {
	m.mu.Lock()
	c := r.c
	if c.state != asked || c.point.closed || m.closed {
		m.mu.Unlock()
		return
	}
	r.told = true
	m.stats.Requests++
	m.mu.Unlock()
	if c.point.l.Requested(r) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.state == asked {
		m.reject(c, mad.OfREQ, mad.NoResources, nil, nil)
		m.release(c)
	}
}

// evict ends a half open connection to make room for others. m.mu is held.
func (m *Manager) evict(c *Connection) {
	m.stats.Evicted++
	if c.state == asked {
		m.reject(c, mad.OfREQ, mad.NoResources, nil, nil)
		m.withdraw(c, true)
		return
	}
	m.lose(c, ErrGone)
}

// withdraw ends a connection that the user was asked for, and tells them. m.mu is held.
func (m *Manager) withdraw(c *Connection, evicted bool) {
	m.release(c)
	if r := c.request; r.told && !c.point.closed {
		m.later(func() { c.point.l.Withdrawn(r, evicted) })
	}
}

// Agree is what is agreed on if t is what this side wants: it lowers t.Reads to what the peer serves, and t.Serves to what the peer wants. MTU, Timeout, Retries and RNR are
// what the peer says that this side's requester goes by.
func (r *Request) Agree(t Terms) Terms {
	t.Reads, t.Serves = min(t.Reads, r.Terms.Serves), min(t.Serves, r.Terms.Reads)
	t.MTU, t.Timeout, t.Retries, t.RNR = r.Terms.MTU, r.Terms.Timeout, r.Terms.Retries, r.Terms.RNR
	return t
}

// Accept answers with REP; what comes then is told to o. Reads and Serves are lowered as in Agree; Timeout is how long this side takes to acknowledge (0: 134 ms), RNR how often
// the peer tries again after RNR NAK.
func (r *Request) Accept(t Terms, o Owner) (*Connection, error) {
	if err := t.check(mad.REPPrivate); err != nil {
		return nil, err
	}
	c, m := r.c, r.c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.state != asked {
		return nil, ErrGone
	}
	a := r.Agree(t)
	delay := ackDelay
	if t.Timeout > 0 {
		delay = ib.TimeoutOf(t.Timeout)
	}
	c.state, c.owner, c.qpn = answered, o, t.QPN
	c.interval, c.tries = min(max(r.local.Duration(), leastResponse), mostResponse), r.tries
	m.transmit(c, mad.AttrREP, c.tid, &mad.REP{
		LocalID: c.id, RemoteID: c.peer.id, QPN: t.QPN, PSN: t.PSN, ResponderResources: uint8(a.Serves), InitiatorDepth: uint8(a.Reads),
		AckDelay: delay, Failover: r.failover(), FlowControl: t.Credits, RNRRetryCount: uint8(t.RNR), GUID: m.conf.GUID, Private: t.Private,
	})
	c.arm(c.interval)
	return c, nil
}

// Reject answers with REJ, reason 28 (consumer), and private data, up to 148 bytes.
func (r *Request) Reject(private []byte) error {
	if len(private) > mad.REJPrivate {
		return fmt.Errorf("%w: %d bytes of private data, where %d fit", ErrTerms, len(private), mad.REJPrivate)
	}
	return r.refuse(mad.ConsumerReject, nil, private)
}

// RejectMTU answers with REJ, reason 26 (path MTU), and what is possible: 256 to 4096.
func (r *Request) RejectMTU(largest int) error {
	return r.refuse(mad.InvalidMTU, []byte{byte(ib.MTUOf(largest))}, nil)
}

func (r *Request) refuse(why mad.Reason, info, private []byte) error {
	m := r.c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.c.state != asked {
		return ErrGone
	}
	m.reject(r.c, mad.OfREQ, why, info, private)
	m.release(r.c)
	return nil
}

// ready handles an RTU. m.mu is held.
func (m *Manager) ready(p ib.Path, tid uint64, r *mad.RTU) {
	c := m.byID[r.RemoteID]
	if c == nil || !c.is(p, r.LocalID) {
		if !m.past.has(r.RemoteID) { // the room was needed, or this is another process than the one that was meant
			m.stray(p, mad.AttrREJ, tid, &mad.REJ{LocalID: r.RemoteID, RemoteID: r.LocalID, Subject: mad.OfOther, Reason: mad.InvalidCommID})
		}
		return
	}
	m.heard(c)
}

// is reports whether a message from p with that ID is from the other end of c. c.m.mu is held.
func (c *Connection) is(p ib.Path, id uint32) bool { return c.known && c.peer.id == id && c.path == p }

// heard: the peer is ready. m.mu is held.
func (m *Manager) heard(c *Connection) {
	if c.state != answered {
		return
	}
	m.establish(c)
	o := c.owner
	m.later(func() { o.Established() })
}

// Heard tells that a packet of the peer's queue pair has come (12.9.7.2). It costs next to nothing if the connection is established.
func (c *Connection) Heard() {
	if c.open.Load() {
		return
	}
	c.m.mu.Lock()
	c.m.heard(c)
	c.m.mu.Unlock()
	c.m.tell()
}
