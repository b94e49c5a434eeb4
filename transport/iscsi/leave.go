package iscsi

import (
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/target"
)

// Identities are those of the sessions that match.
func (n *Node) Identities(match func(*SessionIdentity) bool) (some []SessionIdentity) {
	for _, s := range n.matching(match) {
		some = append(some, s.SessionIdentity)
	}
	return some
}

// matching are the sessions that match, those included that are ending.
func (n *Node) matching(match func(*SessionIdentity) bool) (some []*Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.byTSIH {
		if match(&s.SessionIdentity) {
			some = append(some, s)
		}
	}
	return some
}

// EndSessions ends the sessions that match because of cause, and returns how many there are. If after is not
// 0 their initiators are asked to log out, and the sessions that are left are ended after that time. done,
// which may be nil, is called when their last task has ended and no unit knows them any more, perhaps before
// EndSessions returns.
func (n *Node) EndSessions(match func(*SessionIdentity) bool, cause error, after time.Duration, done func()) int {
	all := n.matching(match)
	var left atomic.Int32
	var late atomic.Pointer[time.Timer]
	left.Store(int32(len(all)) + 1)
	one := func() {
		if left.Add(-1) > 0 {
			return
		}
		if t := late.Load(); t != nil {
			t.Stop()
		}
		if done != nil {
			done()
		}
	}
	end := func() {
		for _, s := range all {
			s.end(cause)
		}
	}
	if after > 0 && len(all) > 0 {
		for _, s := range all {
			for _, c := range s.connections() {
				c.askLogout(after)
			}
		}
		late.Store(time.AfterFunc(after, end))
	} else {
		end()
	}
	for _, s := range all {
		s.whenLost(one)
	}
	one()
	return len(all)
}

// whenLost calls done when the nexus of the session is lost, perhaps at once.
func (s *Session) whenLost(done func()) {
	s.mu.Lock()
	if s.nexus == nil && s.ended || s.loss.over {
		s.mu.Unlock()
		done()
		return
	}
	s.loss.then = append(s.loss.then, done)
	s.mu.Unlock()
}

// current is the target of the session as it is now; nil: it is not shown any more.
func (s *Session) current() *servedTarget { return s.node.topology.served(s.Target) }

// mayReset reports that the initiator may do what ends the tasks of others.
func (s *Session) mayReset(f target.Function) bool {
	if f != target.ResetTarget {
		return true
	}
	t := s.current()
	return t != nil && t.Reset
}
