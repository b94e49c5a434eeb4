// Package iser is the datamover of iSCSI on RDMA (RFC 7145): control PDUs are messages,
// data-in is RDMA Writes and data-out is RDMA Reads of memory that the initiator has
// advertised with its command.
//
// What is received comes from the connection (receive.go); what is sent waits in a queue
// until it is flushed, and is posted in its order (send.go).
package iser

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// Name is the mover's name in [iscsi.Traits].
const Name = "iser"

// loginParams are in force until Enable (RFC 7145 6.4: 8192 bytes).
var loginParams = iscsi.MoverParams{MaxRecv: login.DefaultMaxRecv, MaxSend: login.DefaultMaxRecv, MaxBurst: 262144, InitialR2T: true}

// maxControl is how long the data segment of a PDU may be that is sent in full feature phase:
// the initiators of Linux have 128 bytes for it, whatever they have negotiated.
const maxControl = 128

// A phase is what may come on a connection.
type phase uint8

const (
	inLogin    phase = iota
	greeting         // the first message of full feature phase is next; it may be a Hello
	mustGreet        // and has to be
	fullPhase        // PDUs
	endedPhase       // nothing is taken any more
)

// A Mover is the iscsi.Mover of one RDMA connection.
type Mover struct {
	conn       rdma.Conn
	traits     iscsi.Traits
	h          iscsi.Handler
	invalidate bool // both sides do Send with Invalidate

	// That of the goroutine which delivers a PDU: one at a time.
	in iscsi.Arrival

	mu          sync.Mutex
	phase       phase
	busy        bool // a login request is being handled
	params      iscsi.MoverParams
	first       *work // the queue: not posted
	last        *work
	waiting     *work // Reads that may not be posted yet, oldest first
	free        *work
	refused     *work // posted too late: the connection had ended
	queued      int   // control PDUs that the connection has not given back, queued ones included
	queuedBytes int   // of their data
	maxQueued   int   // of queued; set before Start
	reads       int   // posted Reads
	most        int   // of them, at a time
	closed      bool  // everything has been given back
	cause       error // of the end, if we have ended it
	ours        bool  // cause holds

	// Who has to go before Terminated is told: the connection, a login under way, and who
	// closes the connection.
	holds atomic.Int32

	dataOut atomic.Int64 // bytes of unasked data-out PDUs
}

// New makes a mover of a connection, which it takes. private is what both sides said when it
// was made; desired is what the login shall negotiate, network the Network of [iscsi.Traits]. Start
// starts it.
func New(conn rdma.Conn, network string, ours, theirs Private, desired *login.Config) *Mover {
	i := conn.Info()
	m := &Mover{
		conn: conn, params: loginParams, most: i.Reads, maxQueued: usualQueued,
		invalidate: !ours.NoInvalidate && !theirs.NoInvalidate,
		traits: iscsi.Traits{
			Name: Name, Network: network, Local: i.Local, Remote: i.Remote,
			RDMA: true, MaxControl: maxControl, Login: desired,
		},
	}
	m.holds.Store(1)
	return m
}

// Traits implements iscsi.Mover.
func (m *Mover) Traits() iscsi.Traits { return m.traits }

// Start lets h have what is received, until the connection ends.
func (m *Mover) Start(h iscsi.Handler) {
	m.h = h
	m.conn.Start(m)
}

// Enable implements iscsi.Mover.
func (m *Mover) Enable(p iscsi.MoverParams) {
	m.mu.Lock()
	m.params = p
	if m.phase == inLogin {
		m.phase = greeting
		if p.Hello {
			m.phase = mustGreet
		}
	}
	m.mu.Unlock()
}

// Terminate implements iscsi.Mover.
func (m *Mover) Terminate(err error) {
	m.mu.Lock()
	if m.ours || m.closed {
		m.mu.Unlock()
		return
	}
	m.ours, m.cause, m.phase = true, err, endedPhase
	m.post() // the last words
	m.holds.Add(1)
	m.mu.Unlock()
	go func() { // our caller may have locks that Done and Closed take
		defer m.let()
		m.conn.Flush()
		m.conn.Close(err)
	}()
}

// Closed implements rdma.Handler.
func (m *Mover) Closed(err error) {
	m.mu.Lock()
	m.phase, m.closed = endedPhase, true
	if !m.ours {
		if m.cause = err; err == nil {
			m.cause = io.EOF // the initiator has gone
		}
	}
	back := [...]*work{m.first, m.waiting, m.refused}
	m.first, m.last, m.waiting, m.refused = nil, nil, nil, nil
	m.mu.Unlock()
	for _, v := range back {
		for v != nil {
			next := v.next
			v.next = nil
			m.finish(v, iscsi.ErrTerminated)
			v = next
		}
	}
	m.let()
}

// let ends one of holds.
func (m *Mover) let() {
	if m.holds.Add(-1) == 0 {
		m.h.Terminated(m.cause)
	}
}

// Detach implements iscsi.Mover: the traits say that it is not asked for.
func (m *Mover) Detach(func(iscsi.Wire)) {}

// Stats implements iscsi.Mover.
func (m *Mover) Stats() iscsi.MoverStats {
	s := m.conn.Stats()
	m.mu.Lock()
	waiting := 0
	for v := m.first; v != nil; v = v.next {
		waiting++
	}
	m.mu.Unlock()
	return iscsi.MoverStats{
		PDUsIn: s.MessagesIn, PDUsOut: s.MessagesOut, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Receives: s.Receives, Sends: s.Sends, ReceiveAgain: s.ReceiveAgain, Blocked: s.Blocked,
		DataOut: m.dataOut.Load() + s.Placed, Placed: s.Placed, Copied: s.Copied, CopiedPlaced: s.CopiedPlaced,
		Queued: s.Queued + int64(waiting), BytesQueued: s.BytesQueued,
	}
}
