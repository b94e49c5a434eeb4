package passthrough

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/initiator/sg"
)

// statistics count what has happened. Each is one atomic addition for a command.
type statistics struct {
	commands, bytes, copied, returns, resets atomic.Int64
	failed                                   [0x20]atomic.Int64 // by host status; the last one is of all that have no name
	unsent                                   atomic.Int64       // the kernel has not taken them
}

// count counts what came of a command.
func (s *statistics) count(r *sg.Result) {
	switch {
	case r.Err != nil:
		s.unsent.Add(1)
	case r.Host != sg.HostOK:
		s.failed[min(int(r.Host), len(s.failed)-1)].Add(1)
	}
}

// status fills in what a path knows.
func (p *path) status(s *Status) {
	q := &p.queue
	q.mu.Lock()
	if l := q.link; l != nil {
		s.Present, s.Info, s.UnderWay, s.Abandoned = true, l.info, l.underWay, l.abandoned
	}
	q.mu.Unlock()
	if !s.Present {
		p.desk.mu.Lock()
		if p.desk.why != nil {
			s.Why = p.desk.why.Error()
		}
		p.desk.mu.Unlock()
	}
	s.Commands, s.Bytes, s.Copied, s.Returns = p.stats.commands.Load(), p.stats.bytes.Load(), p.stats.copied.Load(), p.stats.returns.Load()
	s.Failed = make(map[sg.HostStatus]int64)
	for h := range p.stats.failed {
		if n := p.stats.failed[h].Load(); n > 0 {
			s.Failed[sg.HostStatus(h)] = n
		}
	}
}
