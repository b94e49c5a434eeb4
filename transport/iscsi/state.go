package iscsi

import (
	"net/netip"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A SessionState is all that a session is apart from its connections and its tasks: a value,
// which can be copied, kept and made a session of again.
type SessionState struct {
	SessionIdentity
	// ExpCmdSN is the command number that is expected next, MaxCmdSN the last one that the
	// initiator may use (RFC 7143 4.2.2.1).
	ExpCmdSN, MaxCmdSN uint32
}

// A SessionIdentity is what does not change as long as a session lives.
type SessionIdentity struct {
	Initiator string   // the iSCSI name
	ISID      pdu.ISID // with Initiator: the initiator port
	Target    string   // the iSCSI name; of a discovery session what the initiator said, or ""
	Discovery bool
	TSIH      uint16
	Alias     string // the initiator's
	User      string // that the initiator has proved to be; "" without authentication
	Mover     string // one kind carries all of its connections: Traits.Name
	// Address is where its first connection has come from.
	Address netip.Addr
	// PortalGroup is the tag of the group of portals that its connections come by; 0: discovery.
	PortalGroup uint16
	Since       time.Time
	// Params are those of the session; what each connection has for itself is in its
	// ConnState.
	Params login.Params
}

// key names the session.
func (s *SessionIdentity) key() sessionKey {
	return sessionKey{initiator: s.Initiator, isid: s.ISID, target: s.Target, group: s.PortalGroup}
}

// from is the initiator port as the target knows it.
func (s *SessionIdentity) from() target.Initiator {
	return target.Initiator{Name: s.Initiator, Port: scsi.ISCSIPort(s.Initiator, s.ISID), User: s.User, Address: s.Address}
}

// A sessionKey names the initiator port and the target port: one session each (RFC 7143 4.4.3, 6.3.5).
type sessionKey struct {
	initiator string
	isid      pdu.ISID
	target    string
	group     uint16
}

// A ConnState is all that a connection in full feature phase is apart from its session and the
// tasks that came by it.
type ConnState struct {
	CID    uint16
	StatSN uint32 // of the next status (RFC 7143 4.2.2.2)
	// Params are those of the session, with the digests and segment lengths of the connection.
	Params login.Params
	Since  time.Time
}

// State is the session as a value.
func (s *Session) State() SessionState {
	return SessionState{SessionIdentity: s.SessionIdentity, ExpCmdSN: s.window.exp.Load(), MaxCmdSN: s.window.max.Load()}
}
