package cm

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// What is not in messages.
const (
	halfOpen  = 256
	maxEvents = 4096 // that wait to be told; REQs that come then are dropped
)

// A Manager has the connections of a device. Its methods may be called from any goroutine, but with no lock held that a [Listener] or an [Owner] takes: they are called from
// most of them.
type Manager struct {
	conf Config

	mu       sync.Mutex // guards all that follows, and connections and requests but for what says otherwise
	closed   bool
	services map[service]*point
	byID     map[uint32]*Connection // by our communication ID
	byPeer   map[peer]*Connection   // by that of the peer
	byQP     map[queuePair]*Connection
	half     *share.Crowd[netip.Addr, *Connection] // by house: those that wait to be accepted, or for RTU
	houses   map[netip.Addr]*resident              // those with connections
	gate     *gate
	past     past
	stats    Stats
	out      [mad.Size]byte // the datagram that is being sent
	events   []func()       // what users are to be told, in order
	telling  bool           // somebody does
}

// Stats count what a manager has and has done.
type Stats struct {
	HalfOpen, Connections int   // now
	Requests              int64 // REQs that somebody was told of
	Refused               int64 // that nobody was told of: no such service, stale, ...
	Dropped               int64 // messages that were not answered since there were too many of them
	Evicted               int64 // half open connections that made room for others
	Unanswered            int64 // messages of ours that nobody has answered, after all retries
}

// A service is where a service point is: a port, at an address or at all of a family.
type service struct {
	at   netip.Addr
	port uint16
}

// A point is a service point.
type point struct {
	l      Listener
	closed bool
}

// A peer names a connection as the other end does: by its address, its adapter, its communication ID.
type peer struct {
	at   netip.Addr
	guid uint64
	id   uint32
}

// A queuePair is one of a peer.
type queuePair struct {
	at   netip.Addr
	guid uint64
	qpn  ib.QPN
}

// New makes a manager.
func New(c Config) *Manager {
	if c.HalfOpen <= 0 {
		c.HalfOpen = halfOpen
	}
	return &Manager{
		conf: c, services: make(map[service]*point), byID: make(map[uint32]*Connection), byPeer: make(map[peer]*Connection), byQP: make(map[queuePair]*Connection),
		half: share.NewCrowd[netip.Addr, *Connection](c.HalfOpen), houses: make(map[netip.Addr]*resident), gate: newGate(c.Limits), past: newPast(),
	}
}

// Listen makes a service point: REQs for the port that come to local (unspecified: to any address of its family) become requests of l.
// When close has returned no call to l begins, and requests that were not answered are rejected.
func (m *Manager) Listen(local netip.Addr, port uint16, l Listener) (close func(), err error) {
	s := service{local.Unmap(), port}
	if !s.at.IsValid() || port == 0 {
		return nil, fmt.Errorf("%w: service points have an address and a port", ErrTerms)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrClosed
	case m.services[s] != nil:
		return nil, fmt.Errorf("%w: port %d of %s is taken", ErrTerms, port, s.at)
	}
	p := &point{l: l}
	m.services[s] = p
	return func() { m.unlisten(s, p) }, nil
}

// unlisten closes a service point.
func (m *Manager) unlisten(s service, p *point) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	if m.services[s] == p {
		delete(m.services, s)
	}
	for _, c := range m.byID {
		if c.state == asked && c.point == p {
			m.reject(c, mad.OfREQ, mad.InvalidServiceID, nil, nil)
			m.release(c)
		}
	}
}

// find is the service point for what comes to an address. m.mu is held.
func (m *Manager) find(at netip.Addr, port uint16) *point {
	all := netip.IPv6Unspecified()
	if at.Is4() {
		all = netip.IPv4Unspecified()
	}
	for _, a := range []netip.Addr{at, at.WithZone(""), all} {
		if p := m.services[service{a, port}]; p != nil {
			return p
		}
	}
	return nil
}

// Stats is what it has, and has done.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.HalfOpen, s.Connections = m.half.Len(), len(m.byID)
	return s
}

// Close gives all up; connections get no DREQ: their owners end them before. Those that are being ended are told that they have, Dial returns. When it has returned
// no other call to a user begins.
func (m *Manager) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	m.events = nil
	for _, p := range m.services {
		p.closed = true
	}
	for _, c := range m.byID {
		if c.state == asked {
			m.reject(c, mad.OfREQ, mad.InvalidServiceID, nil, nil)
		}
		c.answer(Terms{}, ErrClosed)
		if c.ended != nil {
			m.events = append(m.events, c.ended)
			c.ended = nil
		}
		m.release(c)
	}
	clear(m.services)
	m.mu.Unlock()
	m.tell()
}

// tell tells users what there is to tell, in order, one after the other, unless somebody does. It is called with no lock held.
func (m *Manager) tell() {
	m.mu.Lock()
	if m.telling {
		m.mu.Unlock()
		return
	}
	m.telling = true
	for len(m.events) > 0 {
		f := m.events[0]
		m.events = m.events[1:]
		m.mu.Unlock()
		f()
		m.mu.Lock()
	}
	m.events, m.telling = nil, false
	m.mu.Unlock()
}

// later has f told when the lock is free. m.mu is held.
func (m *Manager) later(f func()) { m.events = append(m.events, f) }

// newID is a communication ID that nobody can guess, and that is not in use. m.mu is held.
func (m *Manager) newID() uint32 {
	for {
		if id := uint32(random()); id != 0 && m.byID[id] == nil && !m.past.has(id) {
			return id
		}
	}
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.BigEndian.Uint64(b[:])
}

// A message is one of package mad.
type message interface{ Append(b []byte) []byte }

// send sends a message. m.mu is held.
func (m *Manager) send(p ib.Path, a mad.Attribute, tid uint64, msg message) {
	h := mad.CM(a, tid)
	m.conf.Send(p, msg.Append(h.Append(m.out[:0])))
}

// until is a moment from now.
func until(d time.Duration) time.Time { return time.Now().Add(d) }
