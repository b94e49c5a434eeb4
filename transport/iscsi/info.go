package iscsi

import (
	"maps"
	"slices"
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
	all := slices.Collect(maps.Values(n.byTSIH))
	n.mu.Unlock()
	infos := make([]SessionInfo, 0, len(all))
	for _, s := range all {
		i := SessionInfo{
			Initiator: s.Initiator, Alias: s.Alias, ISID: s.ISID.String(), Target: s.Target,
			User: s.User, TSIH: s.TSIH, Discovery: s.Discovery, Since: s.Since, Params: s.Params,
		}
		if s.nexus != nil {
			i.Totals = s.nexus.Totals()
		}
		for _, c := range s.connections() {
			if !c.full.Load() {
				continue
			}
			p := c.params.Load()
			i.Connections = append(i.Connections, ConnectionInfo{
				CID: c.cid, Transport: c.traits.Name, Network: c.traits.Network, Local: c.traits.Local, Remote: c.traits.Remote, Since: c.since,
				HeaderDigest: p.HeaderDigest, DataDigest: p.DataDigest, Stats: c.stats(),
			})
		}
		infos = append(infos, i)
	}
	return infos
}

// stats are the mover's counters, with the copies that were made behind it.
func (c *Conn) stats() MoverStats {
	s := c.m.Stats()
	s.Copied += c.copied.Load()
	if c.channel != nil {
		s.Copied += c.channel.Copied()
	}
	return s
}
