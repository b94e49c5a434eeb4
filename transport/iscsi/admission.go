package iscsi

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// stillAdmits reports that a target lets in who has passed a login for the value t of it by the portal p: it
// may have become another meanwhile. It returns its port, or the status with which the login is refused, and
// why. n.mu is held, so that nobody is let in by a value that has just been replaced.
func (n *Node) stillAdmits(t *servedTarget, p *Portal, r *login.Result) (port *target.Port, status pdu.LoginStatus, why string) {
	now, group, why := n.topology.find(p, r.TargetName, r.InitiatorName)
	switch {
	case now == nil:
		return nil, pdu.LoginNotFound, why
	case now.Away:
		return nil, pdu.LoginServiceUnavailable, underMaintenance
	case now != t && now.Auth != nil && (now.Proof == nil || now.Proof != t.Proof):
		return nil, pdu.LoginServiceUnavailable, "who may log in has been changed meanwhile"
	case !now.admitsAs(r.InitiatorName, r.User):
		return nil, pdu.LoginAuthorizationFail, notThatUser(r)
	case group != r.PortalGroup:
		return nil, pdu.LoginServiceUnavailable, "the portal has come to another group meanwhile"
	}
	if port = n.topology.port(now, group); port == nil {
		return nil, pdu.LoginOutOfResources, "the target has no port for the portal group"
	}
	return port, pdu.LoginSuccess, ""
}

func notThatUser(r *login.Result) string {
	return fmt.Sprintf("the target lets this initiator in by another user than %q", r.User)
}

const underMaintenance = "the target is under maintenance"

// admit makes a session for a connection that has passed its login, or reinstates one (RFC 7143
// 6.3.5). t is the target that the login was for; nil: discovery. why says why it is refused.
func (n *Node) admit(c *Conn, t *servedTarget, r *login.Result) (tsih uint16, status pdu.LoginStatus, why string) {
	state := SessionState{
		SessionIdentity: SessionIdentity{
			Initiator: r.InitiatorName, ISID: r.ISID, Target: r.TargetName, Discovery: r.Discovery,
			Alias: r.InitiatorAlias, User: r.User, Mover: c.traits.Name, Address: addressOf(c.traits.Remote),
			Since: time.Now(), Params: r.Params,
		},
		ExpCmdSN: r.CmdSN, MaxCmdSN: r.CmdSN + uint32(n.cfg.Window) - 1,
	}
	if t != nil {
		state.PortalGroup = r.PortalGroup
	}
	if t != nil && !n.reinstate(state.key(), r.User) {
		return 0, pdu.LoginAuthorizationFail, notTheirs
	}
	var out *Conn // that has to make room
	defer func() { n.evictDiscovery(out) }()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing || len(n.byTSIH) >= 65535 {
		return 0, pdu.LoginOutOfResources, "there is no room for a session"
	}
	for state.TSIH == 0 || n.byTSIH[state.TSIH] != nil {
		var b [2]byte
		rand.Read(b[:])
		state.TSIH = binary.BigEndian.Uint16(b[:])
	}
	s := newSession(n, state)
	if t == nil {
		out = n.admitTo(n.doors.discovery, c)
		s.purse = n.cfg.Arena.Purse("discovery from "+c.place.address, "")
	} else {
		if now := n.sessions[s.key()]; now != nil && !now.ending() { // somebody else was faster
			return 0, pdu.LoginServiceUnavailable, "another login of the same initiator port was faster"
		}
		port, status, why := n.stillAdmits(t, c.portal, r)
		if status != pdu.LoginSuccess {
			return 0, status, why
		}
		if err := n.book(c, r); err != nil {
			return 0, pdu.LoginOutOfResources, err.Error()
		}
		nexus, err := port.Login(state.from())
		if err != nil { // the target was removed meanwhile
			return 0, pdu.LoginNotFound, "the target has been removed"
		}
		s.nexus = nexus
		n.sessions[s.key()] = s
	}
	n.byTSIH[s.TSIH] = s
	s.take(c)
	return s.TSIH, pdu.LoginSuccess, ""
}

// addressOf is the address of ADDR:PORT; none if there is none in it.
func addressOf(remote string) netip.Addr {
	p, _ := netip.ParseAddrPort(remote)
	return p.Addr().Unmap()
}

// notTheirs is why a user may not touch a session.
const notTheirs = "the session of this initiator port belongs to another user"

// belongsTo reports whether a login by which user was proved may end the session or join it: who has
// proved it owns it. A session for which nothing was proved is anybody's who is let in.
func (s *Session) belongsTo(user string) bool { return s.User == "" || s.User == user }

// reinstateTime is how long a login waits for the end of the tasks of the session, whose place it
// takes. Most end at once. A unit at which some hang answers BUSY to the new session until they have
// ended, and all others serve it.
const reinstateTime = 250 * time.Millisecond

// reinstate ends the session with a key, if there is one, since another, of user, takes its place. It
// reports false if it belongs to somebody else, whom it has not ended.
func (n *Node) reinstate(key sessionKey, user string) bool {
	n.mu.Lock()
	old := n.sessions[key]
	n.mu.Unlock()
	switch {
	case old == nil:
		return true
	case !old.belongsTo(user) && !old.leaving():
		return false
	}
	n.log.Info("session reinstated", "initiator", key.initiator, "target", key.target)
	conns := old.connections()
	old.end(errors.New("session reinstated"))
	enough := time.After(reinstateTime)
	select {
	case <-old.gone:
	case <-enough:
		return true
	}
	for _, c := range conns { // they count in the initiator's share until they are gone
		select {
		case <-c.gone:
		case <-enough:
			return true
		}
	}
	return true
}

// join adds c to a session, or puts it in the place of a connection with the same CID (RFC 7143
// 6.3.4). The tasks of that one have to end first: no unit can tell the new connection's commands
// from theirs, and a write that ended late would undo a newer one. If they do not end soon the
// session ends: the initiator makes a new one, to which the units where they hang answer BUSY. why
// says why it is refused.
func (n *Node) join(c *Conn, t *servedTarget, r *login.Result) (tsih uint16, status pdu.LoginStatus, why string) {
	n.mu.Lock()
	s := n.byTSIH[r.TSIH]
	n.mu.Unlock()
	if s == nil || s.Initiator != r.InitiatorName || s.ISID != r.ISID || s.Target != r.TargetName || s.Discovery {
		return 0, pdu.LoginNoSession, "there is no such session"
	}
	if !s.belongsTo(r.User) {
		return 0, pdu.LoginAuthorizationFail, notTheirs
	}
	if s.Mover != c.traits.Name {
		return 0, pdu.LoginCannotInclude, "the session goes over " + s.Mover
	}
	if s.PortalGroup != r.PortalGroup {
		return 0, pdu.LoginCannotInclude, fmt.Sprintf("the session is of portal group %d", s.PortalGroup)
	}
	if same := s.connection(r.CID); same != nil {
		same.m.Terminate(errors.New("connection reinstated"))
		select {
		case <-same.gone:
		case <-time.After(n.limits.Load().LoginTimeout / 4):
			s.end(errors.New("tasks of a connection that is reinstated do not end"))
			return 0, pdu.LoginNoSession, "tasks of the connection that is reinstated do not end"
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, status, why := n.stillAdmits(t, c.portal, r); status != pdu.LoginSuccess {
		return 0, status, why
	}
	if err := n.book(c, r); err != nil {
		return 0, pdu.LoginOutOfResources, err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return 0, pdu.LoginNoSession, "the session has ended"
	case len(s.conns) >= int(s.Params.MaxConnections):
		return 0, pdu.LoginTooManyConnections, "the session has all connections that it may have"
	}
	s.take(c)
	return s.TSIH, pdu.LoginSuccess, ""
}

// forget takes a session that has ended off the node's books.
func (n *Node) forget(s *Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sessions[s.key()] == s {
		delete(n.sessions, s.key())
	}
	delete(n.byTSIH, s.TSIH)
	if s.purse != nil {
		s.purse.Close()
	}
	close(s.gone)
	n.changed.Broadcast()
}
