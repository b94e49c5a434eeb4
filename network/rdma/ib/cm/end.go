package cm

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// Disconnect sends DREQ, with private data (up to 220 bytes), until DREP comes or it has been tried often enough, and then calls ended, once. If the peer was first
// ended is called at once. ended may be nil. After it nothing is told to the owner. A second call does nothing but to call its ended.
func (c *Connection) Disconnect(private []byte, ended func()) {
	m := c.m
	if ended == nil {
		ended = func() {}
	}
	m.mu.Lock()
	c.owner = nil
	switch {
	case m.closed || c.state == over || c.state == leaving:
		m.later(ended)
	case c.state == replied: // there is nothing to end yet
		m.reject(c, mad.OfREP, mad.ConsumerReject, nil, nil)
		m.release(c)
		m.later(ended)
	default: // answered, established
		m.half.Remove(&c.place)
		c.state, c.ended = leaving, ended
		c.open.Store(true)
		c.deadline, c.interval, c.tries = time.Time{}, firstLeave, leaveTries-1
		m.transmit(c, mad.AttrDREQ, random(), &mad.DREQ{LocalID: c.id, RemoteID: c.peer.id, QPN: c.peerQPN, Private: private})
		c.arm(c.interval)
	}
	m.mu.Unlock()
	m.tell()
}

// leaves handles a DREQ: it is answered whatever it belongs to. m.mu is held.
func (m *Manager) leaves(p ib.Path, tid uint64, r *mad.DREQ) {
	yes := &mad.DREP{LocalID: r.RemoteID, RemoteID: r.LocalID}
	c := m.byID[r.RemoteID]
	switch {
	case c == nil || !c.is(p, r.LocalID):
		m.stray(p, mad.AttrDREP, tid, yes)
		return
	case c.qpn != r.QPN || c.state == asked: // it is not from who it says it is
		return
	}
	m.send(p, mad.AttrDREP, tid, yes)
	o, ended := c.owner, c.ended
	m.release(c)
	c.owner, c.ended = nil, nil
	switch {
	case ended != nil:
		m.later(ended)
	case o != nil:
		private := bytes.Clone(r.Private)
		m.later(func() { o.Disconnected(private) })
	}
}

// left handles a DREP. m.mu is held.
func (m *Manager) left(p ib.Path, r *mad.DREP) {
	if c := m.byID[r.RemoteID]; c != nil && c.is(p, r.LocalID) && c.state == leaving {
		ended := c.ended
		c.ended = nil
		m.release(c)
		m.later(ended)
	}
}

// rejected handles a REJ, which is never answered. m.mu is held.
func (m *Manager) rejected(p ib.Path, r *mad.REJ) {
	c := m.byID[r.RemoteID]
	if c == nil && r.RemoteID == 0 && r.Reason == mad.TimedOut && r.InfoLen >= 8 { // who dialled has not had our REP
		c = m.byPeer[peer{p.Remote, binary.BigEndian.Uint64(r.Info), r.LocalID}]
		if c != nil && c.state != asked && c.state != answered { // it has had our REP: this is late, or from somebody else, who does not know our ID
			return
		}
	}
	switch {
	case c == nil || c.path != p:
		return
	case c.state == dialled && r.Subject == mad.OfREQ: // of a REQ that was refused the peer has no ID
	case !c.is(p, r.LocalID):
		return
	}
	if c.state == asked {
		m.withdraw(c, false)
		return
	}
	m.lose(c, &RejectedError{Reason: r.Reason, Info: bytes.Clone(r.Info[:min(int(r.InfoLen), len(r.Info))]), Private: bytes.Clone(r.Private)})
}

// unmapped is a path with addresses of IPv4 as such.
func unmapped(p ib.Path) ib.Path { return ib.Path{Local: p.Local.Unmap(), Remote: p.Remote.Unmap()} }
