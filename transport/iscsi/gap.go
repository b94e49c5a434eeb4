package iscsi

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/target"
)

// What came before its turn waits for a number that its initiator leaves out, and holds memory
// meanwhile. Nobody can ask for that number again (ErrorRecoveryLevel 0), so that the session ends
// if it does not come: after StallTimeout, counted from the oldest that waits, and soon when others are
// refused memory and the initiator has more than its least. Pings do not put that off.

// watchGap ends the session if a gap in its numbers is too old at second now. The node's clock calls it.
func (s *Session) watchGap(now int64) {
	b := &s.reorder
	if b.count.Load() == 0 {
		return
	}
	since, commands, bytes := b.oldest()
	if commands == 0 {
		return
	}
	most := s.node.cfg.StallTimeout
	if m := s.memory(); m != nil && m.Wanted() {
		most = min(most, target.Patience)
	}
	waits := time.Duration(now-since) * time.Second
	if waits < most {
		return
	}
	n := s.node
	n.doors.counters.gaps.Add(1)
	err := fmt.Errorf("CmdSN %d has not come for %v, and %d behind it wait with %d bytes", s.window.exp.Load(), waits, commands, bytes)
	n.doors.debts.Warn(n.log, "session ended: the initiator left a command out", s.Initiator, "target", s.Target, "user", s.User, "why", err)
	s.end(err)
}

// oldest is the second since when the oldest waits, how many do, and with how many bytes.
func (b *reorderBuffer) oldest() (since int64, commands, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.early {
		if commands == 0 || e.since < since {
			since = e.since
		}
		commands++
	}
	return since, commands, b.bytes
}
