package iscsi

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/internal/serial"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A session is handed over in three steps.
//
//	           Detach                no task is left                   Detach of all movers
//	active ─────────────> draining ──────────────────> frozen ───────────────────────────> Detached
//	   ^                     │ ctx ends first             no PDU is taken any more:
//	   └─────────────────────┘                            movers stop before the next one
//
// While it drains the command window opens no further, so that the initiator comes to its end.
// Session.delivery guards draining and frozen, but that draining is read without.

// A Detached session is one that was taken off its connections: values, and what goes with them.
type Detached struct {
	State SessionState
	Conns []DetachedConn
	// Nexus is still logged in at the target: the one who has this owns it, and hands it to
	// Node.Attach, or ends it with Lost.
	Nexus *target.Nexus
}

// A DetachedConn is a connection without its session's side.
type DetachedConn struct {
	State ConnState
	Wire  Wire
}

var (
	errNotThere  = errors.New("iscsi: there is no such session")
	errCannot    = errors.New("iscsi: a session whose connections cannot be taken off their movers")
	errDetaching = errors.New("iscsi: the session is being detached")
)

// Detach takes a session off its connections, at a PDU boundary of each, when its tasks have ended.
// It waits for that until ctx ends; then the session goes on. What the initiator has sent behind the
// boundary, and what was not sent to it, is part of the result.
func (n *Node) Detach(ctx context.Context, tsih uint16) (*Detached, error) {
	n.mu.Lock()
	s := n.byTSIH[tsih]
	n.mu.Unlock()
	if s == nil || s.Discovery {
		return nil, errNotThere
	}
	if slices.ContainsFunc(s.connections(), func(c *Conn) bool { return !c.traits.Detaches }) {
		return nil, errCannot
	}
	frozen, err := s.drain()
	if err != nil {
		return nil, err
	}
	select {
	case <-frozen:
	case <-s.gone:
		return nil, errNotThere
	case <-ctx.Done():
		if s.thaw() {
			return nil, fmt.Errorf("iscsi: tasks of the session do not end: %w", ctx.Err())
		}
	}
	d := &Detached{State: s.State(), Nexus: s.nexus}
	var gone []*Conn
	for _, c := range s.connections() {
		if x, ok := c.detach(); ok { // else it has ended
			d.Conns, gone = append(d.Conns, x), append(gone, c)
		}
	}
	s.mu.Lock()
	ended := s.ended
	s.ended = true
	s.mu.Unlock()
	for _, c := range gone {
		c.leave()
	}
	if ended { // by somebody else, or with the last of its connections
		for _, x := range d.Conns {
			_ = x.Wire.Close()
		}
		return nil, errNotThere
	}
	s.reorder.close()
	n.forget(s)
	return d, nil
}

// drain lets the session come to its end. The channel is closed when it is frozen.
func (s *Session) drain() (<-chan struct{}, error) {
	s.delivery.Lock()
	defer s.delivery.Unlock()
	if s.draining.Load() {
		return nil, errDetaching
	}
	s.frozen = make(chan struct{})
	s.window.hold()
	s.draining.Store(true)
	s.freeze()
	return s.frozen, nil
}

// freeze freezes a session that drains if nothing is left of what it has taken. s.delivery is held.
func (s *Session) freeze() {
	if !s.draining.Load() || s.isFrozen || !s.tasks.idle() || s.reorder.count.Load() > 0 || s.managing.Load() > 0 {
		return
	}
	s.isFrozen = true
	close(s.frozen)
}

// eased tells that something has ended that keeps a session from being frozen. Locks may be held.
func (s *Session) eased() {
	if s.draining.Load() {
		s.node.done.Go(func() {
			s.delivery.Lock()
			s.freeze()
			s.delivery.Unlock()
		})
	}
}

// thaw lets a session go on that drains. false: it is frozen already.
func (s *Session) thaw() bool {
	s.delivery.Lock()
	defer s.delivery.Unlock()
	if s.isFrozen {
		return false
	}
	s.draining.Store(false)
	s.window.release()
	for _, c := range s.connections() {
		c.tellWindow()
		c.m.Flush()
	}
	return true
}

// detach takes the connection of a frozen session off its mover. false: it has ended.
func (c *Conn) detach() (DetachedConn, bool) {
	wire := make(chan Wire, 1)
	c.m.Detach(func(w Wire) { wire <- w })
	select {
	case <-c.gone:
		return DetachedConn{}, false
	case w := <-wire:
		return DetachedConn{Wire: w, State: ConnState{
			CID: c.cid, StatSN: c.numbers.statSN, Params: *c.params.Load(), Since: c.since,
		}}, true
	}
}

// leave takes a connection off the books that was detached.
func (c *Conn) leave() {
	c.endText()
	c.sess.drop(c)
	c.channel.Lost(func() {}) // no task is there
	c.node.disconnected(c)
	close(c.gone)
}

// Attach makes a session again of what Detach has returned, on this node or another one that shows
// the target. Portal.Attach gives it connections; one that gets none is to be closed. If Attach fails
// the nexus has ended.
func (n *Node) Attach(d *Detached) (*Session, error) {
	s, err := n.attach(d)
	if d.Nexus != nil && (err != nil || s.nexus != d.Nexus) {
		d.Nexus.Lost(func() {})
	}
	return s, err
}

// attach is Attach, but for a nexus that is not used.
func (n *Node) attach(d *Detached) (*Session, error) {
	state := d.State
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.topology.served(state.Target)
	switch old := n.sessions[state.key()]; {
	case n.closing:
		return nil, ErrClosed
	case t == nil:
		return nil, fmt.Errorf("iscsi: there is no target %q", state.Target)
	case old != nil && !old.ending(), n.byTSIH[state.TSIH] != nil:
		return nil, errors.New("iscsi: the session is there already")
	}
	port := n.topology.port(t, state.PortalGroup)
	if port == nil {
		return nil, fmt.Errorf("iscsi: there is no portal group %d", state.PortalGroup)
	}
	nexus := d.Nexus
	if nexus == nil || nexus.Port != port { // it was logged in by another node
		var err error
		nexus, err = port.Login(state.from())
		if err != nil {
			return nil, fmt.Errorf("iscsi: %w", err)
		}
	}
	// No task is there: all of the window is free. What the initiator was told already stays true.
	state.MaxCmdSN = serial.Max(state.MaxCmdSN, state.ExpCmdSN+uint32(n.cfg.Window)-1)
	s := newSession(n, state)
	s.nexus = nexus
	n.sessions[s.key()], n.byTSIH[s.TSIH] = s, s
	return s, nil
}

// Attach makes a connection again, which comes to the portal by a mover that goes on with its wire.
// The caller then starts the mover, and flushes it.
func (p *Portal) Attach(s *Session, state ConnState, m Mover) (*Conn, error) {
	n := p.node
	c := newConn(p, m)
	c.login = nil
	c.cid, c.since = state.CID, state.Since
	c.numbers.statSN = state.StatSN
	c.params.Store(&state.Params)
	n.mu.Lock()
	err := n.book(c, &login.Result{Request: login.Request{InitiatorName: s.Initiator}, User: s.User})
	if err == nil {
		n.conns[c] = struct{}{}
	}
	n.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		n.disconnected(c)
		return nil, errNotThere
	}
	s.take(c)
	s.mu.Unlock()
	desired := c.traits.Login
	if desired == nil {
		desired = n.wishes.Load()
	}
	c.text.begin(desired, &state.Params, c.sendTargets)
	c.full.Store(true)
	m.Enable(c.moverParams(&state.Params))
	c.tellWindow()
	return c, nil
}

// tellWindow tells the initiator of the command window, by a NOP-In that wants no answer (11.19).
func (c *Conn) tellWindow() {
	p := c.m.Control()
	pdu.NOPIn{ITT: pdu.NoTag, TTT: pdu.NoTag}.Put(&p.BHS)
	c.m.SendControl(p)
}
