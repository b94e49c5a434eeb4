package cm

import (
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// reliable is the bit of ClassPortInfo that says that reliable connections can be made (table 107).
const reliable = 1 << 9

// Received takes a management datagram that came to QP1, and borrows it. It answers with one datagram at the most.
func (m *Manager) Received(p ib.Path, datagram []byte) {
	h, data, ok := mad.Parse(datagram)
	if !ok || h.BaseVersion != mad.BaseVersion || h.Class != mad.ClassCM || !p.Local.IsValid() || !p.Remote.IsValid() {
		return // other classes are nobody's here: a port of Ethernet has no subnet manager, and its I/O is found by address
	}
	p = unmapped(p)
	m.mu.Lock()
	if !m.closed {
		m.handle(p, &h, data)
	}
	m.mu.Unlock()
	m.tell()
}

// handle handles a datagram of the communication manager's class. m.mu is held.
func (m *Manager) handle(p ib.Path, h *mad.Header, data []byte) {
	switch {
	case h.Method == mad.MethodGet:
		m.get(p, h)
	case h.IsCM():
		m.message(p, h, data)
	case h.Method == mad.MethodSend && h.Attribute == mad.AttrREQ:
		if q, ok := mad.ParseREQ(data); ok {
			m.refuse(p, h.TID, &q, mad.InvalidClassVersion, []byte{mad.ClassVersionCM})
		}
	}
}

// get answers a question for an attribute: there is one, ClassPortInfo. m.mu is held.
func (m *Manager) get(p ib.Path, h *mad.Header) {
	if !m.gate.answer() {
		m.stats.Dropped++
		return
	}
	a := mad.Header{BaseVersion: mad.BaseVersion, Class: h.Class, ClassVersion: mad.ClassVersionCM, Method: mad.MethodGetResponse, TID: h.TID, Attribute: h.Attribute, Modifier: h.Modifier}
	var info mad.ClassPortInfo
	switch {
	case h.ClassVersion != mad.ClassVersionCM:
		a.Status = mad.StatusBadVersion
	case h.Attribute != mad.AttrClassPortInfo:
		a.Status = mad.StatusAttributeUnsuitable
	default:
		info = mad.ClassPortInfo{BaseVersion: mad.BaseVersion, ClassVersion: mad.ClassVersionCM, Capabilities: reliable, Timeout: response}
	}
	m.conf.Send(p, info.Append(a.Append(m.out[:0])))
}

// message handles a message. m.mu is held.
func (m *Manager) message(p ib.Path, h *mad.Header, data []byte) {
	switch h.Attribute {
	case mad.AttrREQ:
		if q, ok := mad.ParseREQ(data); ok {
			m.asks(p, h.TID, &q)
		}
	case mad.AttrMRA:
		if r, ok := mad.ParseMRA(data); ok {
			m.waits(p, &r)
		}
	case mad.AttrREJ:
		if r, ok := mad.ParseREJ(data); ok {
			m.rejected(p, &r)
		}
	case mad.AttrREP:
		if r, ok := mad.ParseREP(data); ok {
			m.replies(p, h.TID, &r)
		}
	case mad.AttrRTU:
		if r, ok := mad.ParseRTU(data); ok {
			m.ready(p, h.TID, &r)
		}
	case mad.AttrDREQ:
		if r, ok := mad.ParseDREQ(data); ok {
			m.leaves(p, h.TID, &r)
		}
	case mad.AttrDREP:
		if r, ok := mad.ParseDREP(data); ok {
			m.left(p, &r)
		}
	case mad.AttrLAP:
		if r, ok := mad.ParseLAP(data); ok { // there is one path
			m.stray(p, mad.AttrAPR, h.TID, &mad.APR{LocalID: r.RemoteID, RemoteID: r.LocalID, Status: mad.PathUnsupported})
		}
	case mad.AttrSIDRREQ:
		if r, ok := mad.ParseSIDRREQ(data); ok { // there are no datagram services
			m.stray(p, mad.AttrSIDRREP, h.TID, &mad.SIDRREP{RequestID: r.RequestID, Status: mad.SIDRUnsupported, ServiceID: r.ServiceID})
		}
	}
}
