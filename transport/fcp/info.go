package fcp

import (
	"cmp"
	"slices"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/target"
)

// A SessionInfo describes an I_T nexus for people and programs.
type SessionInfo struct {
	ID            int64   // of the node's, from 1
	Initiator     fc.Name // its port
	InitiatorNode fc.Name
	Address       fc.ID  // the initiator's
	Target        string // the SCSI target's name
	Port          fc.Name
	PortAddress   fc.ID // 0: it has none now
	Provider      string
	Network       string // its address, as it was opened
	Since         time.Time
	Totals        target.Totals
	Counts        Counts
	// Stats are those of the target's port: all initiators that are logged in at it share them.
	Stats fc.Stats
}

// Counts are what the commands of an I_T nexus have come to.
type Counts struct {
	Commands, Functions int64
	Aborted             int64 // exchanges that the initiator has ended (ABTS)
	Copied              int64 // bytes of data-out that were put in their place
	Ignored             int64 // frames that came twice, late, or without having been asked for
	AskedAgain          int64 // FCP_XFER_RDYs for data-out that was lost, and what was sent again for SRR
	Unanswered          int64 // commands that have failed since their data-out did not come
	Unconfirmed         int64 // responses for which no FCP_CONF came
	Held                int64 // bytes of data-in that are held until the initiator confirms that it has them
}

// counts is what c has done so far.
func (c *channel) counts() Counts {
	return Counts{
		Commands: c.commands.Load(), Functions: c.functions.Load(), Aborted: c.aborted.Load(),
		Copied: c.copied.Load() + c.door.Copied(), Ignored: c.ignored.Load(), AskedAgain: c.askedAgain.Load(),
		Unanswered: c.unanswered.Load(), Unconfirmed: c.unconfirmed.Load(), Held: c.held.Load(),
	}
}

// Sessions describes the nexuses there are, in the order of their logins.
func (n *Node) Sessions() []SessionInfo {
	type look struct {
		*nexus
		info SessionInfo
	}
	n.mu.Lock()
	all := make([]look, 0, len(n.nexuses))
	for _, nx := range n.nexuses {
		p := nx.port
		x := look{nx, SessionInfo{
			ID: nx.id, Initiator: nx.key.initiator, InitiatorNode: nx.remote.Node, Target: p.target.Name, Port: p.name,
			Network: p.portal.address, Since: nx.since, Totals: nx.scsi.Totals(), Counts: nx.channel.counts(),
		}}
		all = append(all, x)
	}
	n.mu.Unlock()
	infos := make([]SessionInfo, 0, len(all))
	for _, x := range all {
		x.info.Address = x.remote.ID()
		x.info.Provider = x.port.portal.network.Info().Provider
		x.port.describe(&x.info)
		infos = append(infos, x.info)
	}
	slices.SortFunc(infos, func(a, b SessionInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}
