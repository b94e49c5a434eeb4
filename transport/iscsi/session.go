package iscsi

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// A Session is an I_T nexus of iSCSI, or a discovery session: numbers, and connections.
type Session struct {
	SessionIdentity
	node  *Node
	nexus *target.Nexus // nil: discovery
	// purse pays for what a discovery session holds; nil: nexus.Memory does.
	purse *buffer.Purse

	window commandWindow

	// delivery is held while a PDU of full feature phase is handled. With several connections
	// commands are delivered in the order of their numbers, whichever connection they came by:
	// those of one connection by the goroutine of another (delivery.go).
	delivery sync.Mutex
	reorder  reorderBuffer
	tasks    taskSet
	managing atomic.Int32 // task management functions that are not answered

	// A hand-over (handover.go).
	draining atomic.Bool
	isFrozen bool
	frozen   chan struct{} // closed when isFrozen

	mu    sync.Mutex
	conns []*Conn
	ended bool
	loss  loss // of the nexus

	gone chan struct{} // closed: every task has ended, the nexus is lost
}

// newSession makes a session of what it is.
func newSession(n *Node, state SessionState) *Session {
	s := &Session{SessionIdentity: state.SessionIdentity, node: n, gone: make(chan struct{})}
	s.window.exp.Store(state.ExpCmdSN)
	s.window.max.Store(state.MaxCmdSN)
	s.reorder.memory = s.memory
	return s
}

// memory pays for what the session holds beside its tasks. It is there from the first connection on.
func (s *Session) memory() *buffer.Purse {
	if s.nexus != nil {
		return s.nexus.Memory()
	}
	return s.purse
}

// take makes c a connection of the session, before others see it there.
func (s *Session) take(c *Conn) {
	c.sess = s
	if s.nexus != nil {
		c.channel = s.nexus.Channel(c, target.ChannelLimits{
			Solicited: c.node.cfg.Solicited, Arena: c.node.cfg.Arena, Fills: c.traits.Fills,
		})
	}
	s.conns = append(s.conns, c)
}

// connections are the session's connections now.
func (s *Session) connections() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// connection is the one with a CID, or nil.
func (s *Session) connection(cid uint16) *Conn {
	for _, c := range s.connections() {
		if c.cid == cid {
			return c
		}
	}
	return nil
}

// ending reports that the session has ended, or is about to.
func (s *Session) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// leaving reports that the session has ended, or that its nexus is lost, as by a logout: nobody owns
// it any more.
func (s *Session) leaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended || s.loss.begun
}

// Close ends the session: its connections, its tasks, its nexus. It does not wait for the tasks.
func (s *Session) Close() { s.end(errors.New("the session was closed")) }

// end ends the session: its connections, its tasks, the nexus. gone tells when.
func (s *Session) end(cause error) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	conns := slices.Clone(s.conns)
	s.mu.Unlock()
	s.reorder.close()
	for _, c := range conns {
		c.m.Terminate(cause)
	}
	if s.nexus == nil {
		s.mu.Lock()
		then := s.loss.then
		s.loss.then = nil
		s.mu.Unlock()
		s.node.forget(s)
		for _, f := range then {
			f()
		}
		return
	}
	s.lose(func() { s.node.forget(s) })
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
	last := s.drop(c)
	if last || s.nexus == nil {
		s.end(cause)
		done()
		return
	}
	s.skipConn(c)
	c.endTasks(done)
}

// drop takes c off the connections of the session, and reports whether it was the last.
func (s *Session) drop(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.conns, c); i >= 0 {
		s.conns = slices.Delete(s.conns, i, i+1)
	}
	return len(s.conns) == 0
}

// coldReset ends every session with the target (11.5.1: like a power on).
func (s *Session) coldReset() {
	all := s.node.matching(func(o *SessionIdentity) bool { return o.Target == s.Target && !o.Discovery })
	for _, o := range append(slices.DeleteFunc(all, func(o *Session) bool { return o == s }), s) {
		o.end(nil) // who has asked for it sees the end when it is one for everybody
	}
}
