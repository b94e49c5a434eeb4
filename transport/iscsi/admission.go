package iscsi

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// admit makes a session for a connection that has passed its login, or reinstates one (RFC 7143
// 6.3.5). t is the target that the login was for; nil: discovery.
func (n *Node) admit(c *Conn, t *servedTarget, r *login.Result) (uint16, pdu.LoginStatus) {
	state := SessionState{
		SessionIdentity: SessionIdentity{
			Initiator: r.InitiatorName, ISID: r.ISID, Target: r.TargetName, Discovery: r.Discovery,
			Alias: r.InitiatorAlias, User: r.User, Mover: c.traits.Name, Since: time.Now(), Params: r.Params,
		},
		ExpCmdSN: r.CmdSN, MaxCmdSN: r.CmdSN + uint32(n.cfg.Window) - 1,
	}
	if t != nil {
		if status := n.reinstate(state.key()); status != pdu.LoginSuccess {
			return 0, status
		}
	}
	s := newSession(n, state)
	s.conns = []*Conn{c}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing || len(n.byTSIH) >= 65535 || len(n.conns) > n.cfg.MaxConnections {
		return 0, pdu.LoginOutOfResources
	}
	if t != nil {
		switch now := n.topology.Load().targets[r.TargetName]; {
		case now == nil || now.port != t.port: // removed meanwhile
			return 0, pdu.LoginNotFound
		case n.sessions[s.key()] != nil: // somebody else was faster
			return 0, pdu.LoginServiceUnavailable
		}
		n.sessions[s.key()] = s
		s.target = t
	}
	for s.TSIH == 0 || n.byTSIH[s.TSIH] != nil {
		var b [2]byte
		rand.Read(b[:])
		s.TSIH = binary.BigEndian.Uint16(b[:])
	}
	n.byTSIH[s.TSIH] = s
	if t != nil {
		s.nexus = t.port.Login(s, target.Initiator{
			Name: r.InitiatorName,
			Port: scsi.ISCSIPort(r.InitiatorName, r.ISID),
		})
	}
	c.sess = s
	return s.TSIH, pdu.LoginSuccess
}

// reinstate ends the session with a key, if there is one: another takes its place.
func (n *Node) reinstate(key sessionKey) pdu.LoginStatus {
	n.mu.Lock()
	old := n.sessions[key]
	n.mu.Unlock()
	if old == nil {
		return pdu.LoginSuccess
	}
	n.log.Info("session reinstated", "initiator", key.initiator, "target", key.target)
	old.end(errors.New("session reinstated"))
	select {
	case <-old.gone:
		return pdu.LoginSuccess
	case <-time.After(n.cfg.LoginTimeout):
		return pdu.LoginServiceUnavailable
	}
}

// join adds c to a session, or puts it in the place of a connection with the same CID (RFC 7143
// 6.3.4).
func (n *Node) join(c *Conn, r *login.Result) (uint16, pdu.LoginStatus) {
	n.mu.Lock()
	s := n.byTSIH[r.TSIH]
	n.mu.Unlock()
	key := sessionKey{initiator: r.InitiatorName, isid: r.ISID, target: r.TargetName}
	if s == nil || s.key() != key || s.Discovery {
		return 0, pdu.LoginNoSession
	}
	if s.Mover != c.traits.Name {
		return 0, pdu.LoginCannotInclude
	}
	if same := s.connection(r.CID); same != nil {
		same.m.Terminate(errors.New("connection reinstated"))
		select {
		case <-same.gone:
		case <-time.After(n.cfg.LoginTimeout):
			return 0, pdu.LoginServiceUnavailable
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return 0, pdu.LoginNoSession
	case len(s.conns) >= int(s.Params.MaxConnections):
		return 0, pdu.LoginTooManyConnections
	}
	s.conns = append(s.conns, c)
	c.sess = s
	return s.TSIH, pdu.LoginSuccess
}

// forget takes a session that has ended off the node's books.
func (n *Node) forget(s *Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sessions[s.key()] == s {
		delete(n.sessions, s.key())
	}
	delete(n.byTSIH, s.TSIH)
	close(s.gone)
	n.changed.Broadcast()
}

// sessionsWith are the sessions with a target port, those included that are ending. n.mu is held.
func (n *Node) sessionsWith(port *target.Port) []*Session {
	var all []*Session
	for _, s := range n.byTSIH {
		if s.target != nil && s.target.port == port {
			all = append(all, s)
		}
	}
	return all
}

// endSessions ends sessions; done, if it is not nil, is called when all of them have ended.
func (n *Node) endSessions(all []*Session, cause error, done func()) {
	var left atomic.Int32
	left.Store(int32(len(all)) + 1)
	one := func() {
		if left.Add(-1) == 0 && done != nil {
			done()
		}
	}
	for _, s := range all {
		s.end(cause)
		s.lose(one)
	}
	one()
}
