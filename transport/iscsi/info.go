package iscsi

import (
	"time"

	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// A SessionInfo describes a session for people and programs.
type SessionInfo struct {
	Initiator, Alias, ISID, Target, User string
	TSIH                                 uint16
	Discovery                            bool
	Since                                time.Time
	Params                               login.Params
	Totals                               target.Totals // of its I_T nexus
	Connections                          []ConnectionInfo
}

// A ConnectionInfo describes a connection of a session.
type ConnectionInfo struct {
	CID           uint16
	Transport     string // the mover: "tcp", "iser"
	Network       string // what its portals are reached by: "tcp", "iwarp"
	Local, Remote string
	Since         time.Time
	HeaderDigest  bool
	DataDigest    bool
	Stats         MoverStats
}

// Sessions describes the sessions there are.
func (n *Node) Sessions() []SessionInfo {
	n.mu.Lock()
	var all []*Session
	for _, s := range n.byTSIH {
		all = append(all, s)
	}
	n.mu.Unlock()
	infos := make([]SessionInfo, 0, len(all))
	for _, s := range all {
		i := SessionInfo{
			Initiator: s.key.initiator, Alias: s.alias, ISID: s.key.isid.String(), Target: s.key.target,
			User: s.user, TSIH: s.tsih, Discovery: s.target == nil, Since: s.since, Params: s.params,
		}
		if s.nexus != nil {
			i.Totals = s.nexus.Totals()
		}
		s.mu.Lock()
		for _, c := range s.conns {
			if !c.full.Load() {
				continue
			}
			p := c.params.Load()
			i.Connections = append(i.Connections, ConnectionInfo{
				CID: c.cid, Transport: c.traits.Name, Network: c.traits.Network, Local: c.traits.Local, Remote: c.traits.Remote, Since: c.since,
				HeaderDigest: p.HeaderDigest, DataDigest: p.DataDigest, Stats: c.stats(),
			})
		}
		s.mu.Unlock()
		infos = append(infos, i)
	}
	return infos
}

// stats are the mover's counters, and the copies that the session made itself.
func (c *Conn) stats() MoverStats {
	s := c.m.Stats()
	c.mu.Lock()
	s.Copied += c.copied
	c.mu.Unlock()
	return s
}
