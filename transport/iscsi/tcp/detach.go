package tcp

import (
	"bytes"
	"errors"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// A Wire is a connection between two movers (iscsi.Wire).
type Wire struct {
	Conn *tcp.Conn
	// Received is what was received and not handled: of the PDU at the boundary, and what is
	// behind it. Unsent is what has to be sent before anything else.
	Received, Unsent []byte
}

var errForeign = errors.New("iscsi: a connection that another mover has detached")

// Close implements iscsi.Wire.
func (w *Wire) Close() error { return w.Conn.Close() }

// Detach implements iscsi.Mover.
func (m *Mover) Detach(then func(w iscsi.Wire)) {
	boundary := func() bool { return !m.recv.seg.anything && !m.ending.Load() }
	m.conn.Detach(boundary, func(c *tcp.Conn) {
		m.tx.close()
		unsent, err := m.tx.Detach()
		ends := true
		m.terminate.Do(func() { m.cause, ends = err, err != nil }) // there is nothing to end any more
		if ends {
			if m.linger != nil {
				m.linger.Stop()
			}
			_ = c.Close()
			m.tx.abandon()
			m.ended()
			return
		}
		w := &Wire{Conn: c, Unsent: unsent, Received: m.recv.unhandled()}
		m.recv.release()
		then(w)
	})
}

// unhandled is a copy of what was received and not handled.
func (v *receiver) unhandled() []byte {
	if v.b == nil {
		return bytes.Clone(v.rest)
	}
	return bytes.Clone(v.mem[v.r:v.w])
}

// Attach makes a mover that goes on with w, which it takes, for e to wait for.
func Attach(w *Wire, e tcp.Engine, buffers *Buffers) (*Mover, error) {
	m, err := newMover(w.Conn, e, buffers, w.Unsent)
	if err != nil {
		return nil, err
	}
	v := &m.recv
	v.fetch()
	if n := len(w.Received); n > len(v.mem) {
		v.mem = make([]byte, n)
	}
	v.w = copy(v.mem, w.Received)
	v.left = true // the first Receive handles that
	return m, nil
}

// Attach makes a connection again of a session that was detached, by the portal's engine.
func (p *Portal) Attach(s *iscsi.Session, d iscsi.DetachedConn) error {
	w, ok := d.Wire.(*Wire)
	if !ok {
		return errForeign
	}
	m, err := Attach(w, p.engine, p.buffers)
	if err != nil {
		return err
	}
	c, err := p.portal.Attach(s, d.State, m)
	if err != nil {
		_ = m.Close()
		return err
	}
	m.Start(c)
	m.Flush()
	return nil
}
