// Package tcp is the datamover of plain iSCSI: PDUs in a TCP byte stream (RFC 7143).
//
// The engine of the connection's socket says when to receive (see receive.go); sending is
// done by whoever queues a PDU while nobody else sends (see send.go).
package tcp

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// network is the name of the mover, and of what reaches its portals.
const network = "tcp"

// loginParams are in force until Enable (RFC 7143 13.12: 8192 bytes, no digests).
var loginParams = iscsi.MoverParams{MaxRecv: 8192, MaxSend: 8192, MaxBurst: 262144}

// A Mover is the iscsi.Mover of one TCP connection.
type Mover struct {
	conn    tcp.Socket
	traits  iscsi.Traits
	h       iscsi.Handler
	buffers *Buffers

	// Receiving: one goroutine at a time, but for what mu guards.
	recv   receiver
	params iscsi.MoverParams // as received data is read

	// Transfers that were asked for by R2T, and who is being placed. mu is held during
	// each receive into a transfer's memory, so that Cancel can wait for it.
	mu        sync.Mutex
	solicited []slot
	idle      uint32          // the first slot that is free, plus one
	closed    bool            // no more claims
	placing   *iscsi.Transfer // gets the data segment that is arriving; nil: thrown away

	tx sender

	terminate sync.Once
	cause     error
	ending    atomic.Bool // what still arrives is thrown away
	loggedIn  atomic.Bool
	linger    *time.Timer

	pdusIn, bytesIn, dataOut, receives, again, copied, digested atomic.Int64
}

// maxSolicited is how many R2Ts can be outstanding on a connection; the session asks for
// fewer.
const maxSolicited = 1 << 16

// A slot holds a transfer that waits for its Data-Outs. The tag is the number of the slot
// and a count, so that a tag is not valid again soon.
type slot struct {
	x     *iscsi.Transfer
	count uint16
	next  uint32 // in the list of free slots, plus one
}

// New makes a mover of the connection c, which it takes, for e to wait for. The caller
// starts it by Start, or closes it.
func New(c *tcp.Conn, e tcp.Engine, buffers *Buffers) (*Mover, error) {
	return newMover(c, e, buffers, nil)
}

// newMover makes a mover that sends unsent before all else.
func newMover(c *tcp.Conn, e tcp.Engine, buffers *Buffers, unsent []byte) (*Mover, error) {
	m := &Mover{buffers: buffers, params: loginParams, traits: iscsi.Traits{
		Name: network, Network: network, PhaseCollapse: true, Digests: true, Detaches: true, Fills: true, Local: c.LocalAddr(), Remote: c.RemoteAddr(),
	}}
	var err error
	if m.conn, err = e.Attach(c); err != nil {
		return nil, err
	}
	m.recv.m, m.recv.take = m, batchSize
	m.tx.init(m, unsent)
	return m, nil
}

// Traits implements iscsi.Mover.
func (m *Mover) Traits() iscsi.Traits { return m.traits }

// Start lets h have what is received, until the connection ends.
func (m *Mover) Start(h iscsi.Handler) {
	m.h = h
	m.conn.Start(m)
}

// Close closes the connection of a mover that was not started.
func (m *Mover) Close() error { return m.conn.Close() }

// Ended implements tcp.Handler: nothing is received any more.
func (m *Mover) Ended(err error) {
	if m.recv.err == nil {
		m.recv.err = fmt.Errorf("receive: %w", err)
	}
	m.Terminate(m.recv.err)
	m.linger.Stop()
	_ = m.conn.Close() // it may be closed already
	m.tx.stop()
	m.ended()
}

// ended tells the session that nothing uses the connection any more.
func (m *Mover) ended() {
	m.abandonReceives()
	m.h.Terminated(m.cause)
}

// linger is how long an orderly end waits for the peer to take what is queued and to close
// its direction: a close with unread bytes resets the connection, and the peer may lose
// our last words.
const linger = 2 * time.Second

// Terminate implements iscsi.Mover.
func (m *Mover) Terminate(err error) {
	m.terminate.Do(func() {
		m.cause = err
		m.ending.Store(true)
		m.tx.finish(err != nil)
		m.linger = time.AfterFunc(linger, func() { _ = m.conn.Close() })
	})
}

// Enable implements iscsi.Mover. It is called inside ControlArrived, so the receiving
// side is between two PDUs.
func (m *Mover) Enable(p iscsi.MoverParams) {
	now := m.params
	now.MaxSend, now.MaxBurst = p.MaxSend, p.MaxBurst
	if now != p { // else it may be called by another connection's goroutine
		m.params = p
	}
	m.tx.enable(p)
	m.loggedIn.Store(true)
}

// MayBlock implements tcp.Handler: a login may have to wait for the end of the session, or of the
// connection, that it takes the place of (RFC 7143 6.3.5, 6.3.4).
func (m *Mover) MayBlock() bool { return !m.loggedIn.Load() }

// Control implements iscsi.Mover.
func (m *Mover) Control() *iscsi.PDU { return m.tx.control() }

// SendControl implements iscsi.Mover.
func (m *Mover) SendControl(p *iscsi.PDU) {
	if !m.tx.queue(item{p: p}, len(p.Data)) {
		p.Forget()
	}
}

// Flush implements iscsi.Mover.
func (m *Mover) Flush() { m.tx.Flush() }

// PutData implements iscsi.Mover.
func (m *Mover) PutData(x *iscsi.Transfer) bool {
	x.Moved = 0
	return m.tx.queue(item{x: x}, int(x.Len))
}

// GetData implements iscsi.Mover: it sends one R2T for all of x.
func (m *Mover) GetData(x *iscsi.Transfer) bool {
	x.Moved, x.Expect, x.Failed = 0, 0, nil
	m.mu.Lock()
	tag, ok := m.claim(x)
	m.mu.Unlock()
	if !ok { // closed, or more than the session ever asks for
		return false
	}
	p := m.Control()
	pdu.R2T{LUN: x.LUN, ITT: x.ITT, TTT: tag, R2TSN: x.R2TSN, BufferOffset: x.Offset, DesiredLength: uint32(x.Len)}.Put(&p.BHS)
	m.SendControl(p)
	return true
}

// claim finds a slot for x. m.mu is held.
func (m *Mover) claim(x *iscsi.Transfer) (uint32, bool) {
	if m.closed {
		return 0, false
	}
	if m.idle == 0 {
		if len(m.solicited) == maxSolicited {
			return 0, false
		}
		m.solicited = append(m.solicited, slot{})
		m.idle = uint32(len(m.solicited))
	}
	i := m.idle - 1
	s := &m.solicited[i]
	m.idle, s.next = s.next, 0
	s.x = x
	if s.count++; s.count == 1<<16-1 { // the tags from FFFF0000h on are the session's
		s.count = 0
	}
	x.Tag = uint32(s.count)<<16 | i
	return x.Tag, true
}

// lookup returns the transfer that waits under tag. m.mu is held.
func (m *Mover) lookup(tag uint32) *iscsi.Transfer {
	if i := int(tag % maxSolicited); i < len(m.solicited) {
		if x := m.solicited[i].x; x != nil && x.Tag == tag {
			return x
		}
	}
	return nil
}

// forget frees the slot of x, if it has one. m.mu is held. It reports whether x was
// with us: waiting, or being placed.
func (m *Mover) forget(x *iscsi.Transfer) bool {
	had := m.placing == x
	if had {
		m.placing = nil
	}
	if i := x.Tag % maxSolicited; int(i) < len(m.solicited) && m.solicited[i].x == x {
		s := &m.solicited[i]
		s.x, s.next, m.idle = nil, m.idle, i+1
		had = true
	}
	return had
}

// Cancel implements iscsi.Mover.
func (m *Mover) Cancel(x *iscsi.Transfer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forget(x)
}

// abandonReceives gives back everything that waited for data when the connection ended.
func (m *Mover) abandonReceives() {
	m.recv.release()
	for {
		m.mu.Lock()
		m.closed = true
		x := m.placing
		for i := 0; x == nil && i < len(m.solicited); i++ {
			x = m.solicited[i].x
		}
		if x != nil {
			m.forget(x)
		}
		m.mu.Unlock()
		if x == nil {
			return
		}
		m.h.DataMoved(x, iscsi.ErrTerminated)
	}
}

// Stats implements iscsi.Mover.
func (m *Mover) Stats() iscsi.MoverStats {
	s := m.tx.stats()
	s.PDUsIn, s.BytesIn, s.Receives = m.pdusIn.Load(), m.bytesIn.Load(), m.receives.Load()
	s.ReceiveAgain, s.DataOut = m.again.Load(), m.dataOut.Load()
	s.Copied += m.copied.Load()
	s.Digested += m.digested.Load()
	return s
}
