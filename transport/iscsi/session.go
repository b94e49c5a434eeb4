package iscsi

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A sessionKey names the initiator port and the target: one session each (RFC 7143 6.3.5).
type sessionKey struct {
	initiator string
	isid      pdu.ISID
	target    string
}

// A Session is an I_T nexus of iSCSI, or a discovery session: numbers, and connections.
type Session struct {
	node   *Node
	key    sessionKey
	mover  string // one kind carries all of its connections
	tsih   uint16
	target *Target // nil: discovery
	nexus  *target.Nexus
	params login.Params
	alias  string
	user   string
	since  time.Time

	// The command window (4.2.2.1). A slot is taken by a command that consumes a CmdSN and
	// free again when its response is queued; max never goes back.
	exp, max atomic.Uint32

	// turn is held while a PDU is handled: with several connections commands are delivered
	// in the order of their numbers, whichever connection they came by, and those of one
	// connection by the goroutine of another (order.go).
	turn  sync.Mutex
	early atomic.Int64 // how many are held

	mu    sync.Mutex
	conns []*Conn
	held  map[uint32]*heldPDU // commands that came before their turn
	hold  int                 // bytes of them
	ended bool
	loss  loss // of the nexus

	gone chan struct{} // closed: every task has ended, the nexus is lost
}

// admit makes, reinstates or joins a session for a connection that has passed its login.
func (n *Node) admit(c *Conn, r *login.Result) (uint16, pdu.LoginStatus) {
	key := sessionKey{initiator: r.InitiatorName, isid: r.ISID, target: r.TargetName}
	if r.TSIH != 0 {
		return n.join(c, key, r)
	}
	n.mu.Lock()
	t := n.targets[r.TargetName]
	old := n.sessions[key]
	n.mu.Unlock()
	if r.Discovery {
		old = nil
	}
	if old != nil { // session reinstatement: the old one ends first, with all its tasks
		n.log.Info("session reinstated", "initiator", r.InitiatorName, "target", r.TargetName)
		old.end(errors.New("session reinstated"))
		select {
		case <-old.gone:
		case <-time.After(n.cfg.LoginTimeout):
			return 0, pdu.LoginServiceUnavailable
		}
	}
	s := &Session{
		node: n, key: key, mover: c.traits.Name, params: r.Params, alias: r.InitiatorAlias, user: r.User,
		since: time.Now(), gone: make(chan struct{}),
	}
	s.exp.Store(r.CmdSN)
	s.max.Store(r.CmdSN + uint32(n.cfg.Window) - 1)
	s.conns = []*Conn{c}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing || len(n.byTSIH) >= 65535 || len(n.conns) > n.cfg.MaxConnections {
		return 0, pdu.LoginOutOfResources
	}
	if !r.Discovery {
		if n.sessions[key] != nil {
			return 0, pdu.LoginServiceUnavailable // somebody else was faster
		}
		n.sessions[key] = s
		s.target = t
	}
	for s.tsih == 0 || n.byTSIH[s.tsih] != nil {
		var b [2]byte
		rand.Read(b[:])
		s.tsih = binary.BigEndian.Uint16(b[:])
	}
	n.byTSIH[s.tsih] = s
	if s.target != nil {
		s.nexus = t.port.Login(s, target.Initiator{
			Name: r.InitiatorName,
			Port: scsi.ISCSIPort(r.InitiatorName, r.ISID),
		})
	}
	c.sess = s
	return s.tsih, pdu.LoginSuccess
}

// join adds c to a session, or puts it in the place of a connection with the same CID.
func (n *Node) join(c *Conn, key sessionKey, r *login.Result) (uint16, pdu.LoginStatus) {
	n.mu.Lock()
	s := n.byTSIH[r.TSIH]
	n.mu.Unlock()
	if s == nil || s.key != key || s.target == nil {
		return 0, pdu.LoginNoSession
	}
	if s.mover != c.traits.Name {
		return 0, pdu.LoginCannotInclude
	}
	s.mu.Lock()
	var same *Conn
	for _, o := range s.conns {
		if o.cid == r.CID {
			same = o
		}
	}
	s.mu.Unlock()
	if same != nil { // connection reinstatement
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
	case len(s.conns) >= int(s.params.MaxConnections):
		return 0, pdu.LoginTooManyConnections
	}
	s.conns = append(s.conns, c)
	c.sess = s
	return s.tsih, pdu.LoginSuccess
}

// end ends the session: its connections, its tasks, the nexus. gone tells when.
func (s *Session) end(cause error) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	conns := slices.Clone(s.conns)
	s.forgetHeld()
	s.mu.Unlock()
	for _, c := range conns {
		c.m.Terminate(cause)
	}
	finish := func() {
		n := s.node
		n.mu.Lock()
		if n.sessions[s.key] == s {
			delete(n.sessions, s.key)
		}
		delete(n.byTSIH, s.tsih)
		close(s.gone)
		n.changed.Broadcast()
		n.mu.Unlock()
	}
	if s.nexus == nil {
		finish()
		return
	}
	for _, c := range conns {
		c.dropWaiting()
	}
	s.lose(finish)
}

// A loss is the end of a session's nexus: once, whoever asks for it.
type loss struct {
	begun, over bool
	then        []func()
}

// lose ends the nexus; done follows when its tasks have ended and the units have forgotten it.
func (s *Session) lose(done func()) {
	s.mu.Lock()
	l := &s.loss
	if l.over {
		s.mu.Unlock()
		done()
		return
	}
	l.then = append(l.then, done)
	begun := l.begun
	l.begun = true
	s.mu.Unlock()
	if begun {
		return
	}
	s.nexus.Lost(func() {
		s.mu.Lock()
		l.over = true
		then := l.then
		l.then = nil
		s.mu.Unlock()
		for _, f := range then {
			f()
		}
	})
}

// left takes a connection that has ended out of the session; the session ends with its
// last one (ERL 0: nothing is kept for a recovery). done follows when its tasks have ended.
func (s *Session) left(c *Conn, cause error, done func()) {
	s.mu.Lock()
	if i := slices.Index(s.conns, c); i >= 0 {
		s.conns = slices.Delete(s.conns, i, i+1)
	}
	last := len(s.conns) == 0
	s.mu.Unlock()
	c.dropWaiting()
	if last || s.nexus == nil {
		s.end(cause)
		done()
		return
	}
	s.passOver(c)
	s.nexus.Abort(func(t *target.Task) bool { return t.Private.(*task).c == c }, done)
}
