package cm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// Dial asks a service point for a connection, and waits for the answer: the peer's QPN, PSN, Credits and private data, and what was agreed on of Reads (this side's) and
// Serves (this side's); Timeout is t's and the delay of the peer's acknowledgements, RNR how often this side tries again after RNR NAK, MTU and Retries are t's. It sends
// RTU when the caller calls [Connection.Ready]. A peer that refuses is a [RejectedError].
func (m *Manager) Dial(ctx context.Context, p ib.Path, port uint16, t Terms, o Owner) (*Connection, Terms, error) {
	p = unmapped(p)
	switch err := t.check(mad.IPPrivateSize); {
	case err != nil:
		return nil, Terms{}, err
	case !p.Local.IsValid() || !p.Remote.IsValid() || p.Local.Is4() != p.Remote.Is4() || port == 0:
		return nil, Terms{}, fmt.Errorf("%w: from %s to port %d of %s", ErrTerms, p.Local, port, p.Remote)
	case ib.MTUOf(t.MTU) == 0:
		return nil, Terms{}, fmt.Errorf("%w: a path MTU of %d", ErrTerms, t.MTU)
	}
	done := make(chan result, 1)
	c := &Connection{path: p, from: uint16(49152 + random()%16384), state: dialled, active: true, owner: o, qpn: t.QPN, tid: random(), result: done, interval: response.Duration(), tries: ownRetries}
	q := m.ask(p, netip.AddrPortFrom(p.Local, c.from), port, &t)
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, Terms{}, ErrClosed
	}
	m.enter(c)
	q.LocalID = c.id
	c.wants = t
	c.deadline = until(mostDialling)
	m.transmit(c, mad.AttrREQ, c.tid, &q)
	c.arm(c.interval)
	m.mu.Unlock()
	select {
	case r := <-done:
		return c.came(r)
	case <-ctx.Done():
	}
	m.mu.Lock()
	if c.result != nil {
		c.result = nil
		m.giveUp(c)
		m.release(c)
		m.mu.Unlock()
		return nil, Terms{}, ctx.Err()
	}
	m.mu.Unlock()
	return c.came(<-done)
}

func (c *Connection) came(r result) (*Connection, Terms, error) {
	if r.err != nil {
		return nil, Terms{}, r.err
	}
	return c, r.terms, nil
}

// giveUp tells the peer that nobody waits for its answer any more: it knows the connection by our ID and GUID (12.6.7.2). m.mu is held.
func (m *Manager) giveUp(c *Connection) {
	m.reject(c, mad.OfREQ, mad.TimedOut, binary.BigEndian.AppendUint64(nil, m.conf.GUID), nil)
}

// replies handles a REP. m.mu is held.
func (m *Manager) replies(p ib.Path, tid uint64, r *mad.REP) {
	c := m.byID[r.RemoteID]
	switch {
	case c == nil || !c.active || c.path != p || c.known && c.peer != (peer{p.Remote, r.GUID, r.LocalID}):
		if !m.past.has(r.RemoteID) {
			m.stray(p, mad.AttrREJ, tid, &mad.REJ{LocalID: r.RemoteID, RemoteID: r.LocalID, Subject: mad.OfREP, Reason: mad.InvalidCommID})
		}
	case c.state == established:
		m.rtu(c) // ours was lost
	case c.state == dialled:
		m.accepted(c, r)
	}
}

// accepted handles the first REP. m.mu is held.
func (m *Manager) accepted(c *Connection, r *mad.REP) {
	c.stop()
	if why := c.unusable(r); why != 0 {
		c.peer.id = r.LocalID
		m.reject(c, mad.OfREP, why, nil, nil)
		m.lose(c, fmt.Errorf("%w: %s", ErrProtocol, why))
		return
	}
	if old := m.byQP[queuePair{c.path.Remote, r.GUID, r.QPN}]; old != nil && m.supersede(old) {
		c.peer.id = r.LocalID
		m.reject(c, mad.OfREP, mad.StaleConnection, nil, nil)
		m.lose(c, ErrStale)
		return
	}
	m.meet(c, r.GUID, r.LocalID, r.QPN)
	c.state, c.sent, c.deadline = replied, nil, time.Time{}
	t := c.wants
	t.Reads, t.Serves = min(t.Reads, int(r.ResponderResources)), min(t.Serves, int(r.InitiatorDepth))
	t.QPN, t.PSN, t.Credits, t.RNR, t.Private = r.QPN, r.PSN, r.FlowControl, int(r.RNRRetryCount), bytes.Clone(r.Private)
	t.Timeout += r.AckDelay.Duration()
	c.wants = Terms{}
	c.answer(t, nil)
}

// unusable is what is wrong with a REP; 0: nothing.
func (c *Connection) unusable(r *mad.REP) mad.Reason {
	switch {
	case r.QPN < 2:
		return mad.NoQP
	case c.m.byPeer[peer{c.path.Remote, r.GUID, r.LocalID}] != nil:
		return mad.DuplicateCommID
	}
	return 0
}

// Port is the port that the header of IP CM has said that a connection is from that was dialled.
func (c *Connection) Port() uint16 { return c.from }

// Ready sends RTU: the queue pair of the side that dialled receives.
func (c *Connection) Ready() {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.state == replied {
		m.establish(c)
		m.rtu(c)
	}
}

// rtu sends RTU. m.mu is held.
func (m *Manager) rtu(c *Connection) {
	m.send(c.path, mad.AttrRTU, c.tid, &mad.RTU{LocalID: c.id, RemoteID: c.peer.id})
}

// waits handles an MRA: the peer needs more time (12.6.6). m.mu is held.
func (m *Manager) waits(p ib.Path, r *mad.MRA) {
	c := m.byID[r.RemoteID]
	switch {
	case c == nil || c.path != p:
	case c.state == dialled && r.Subject == mad.OfREQ, c.state == answered && r.Subject == mad.OfREP && c.peer.id == r.LocalID:
		c.arm(r.Timeout.Duration() + c.interval)
	}
}
