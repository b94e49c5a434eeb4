package srp

import (
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/target"
)

// A SessionInfo describes an I_T nexus for people and programs.
type SessionInfo struct {
	ID        int64  // the number of its first channel
	Initiator string // the identifier of its port
	Target    string // the SCSI target's name
	Port      string // the identifier of the target's port
	Address   string // the initiator's
	Since     time.Time
	Totals    target.Totals
	Channels  []ChannelInfo // in the order of the logins
}

// A ChannelInfo describes a channel of a nexus.
type ChannelInfo struct {
	Number        int64  // of the node's, from 1
	Transport     string // the provider: "iwarp"
	Local, Remote string
	Since         time.Time
	Immediate     bool // immediate data is agreed on

	Credits, Open, Due int // what the initiator may send, has not been answered, gets back

	Requests int64 // commands and task management
	Aborted  int64 // commands without a response
	// Stats are the connection's, with the copies that are made above it.
	Stats rdma.Stats
}

// Sessions describes the nexuses there are.
func (n *Node) Sessions() []SessionInfo {
	n.mu.Lock()
	infos := make([]SessionInfo, 0, len(n.nexuses))
	channels := make([][]*channel, 0, len(n.nexuses))
	for _, nx := range n.nexuses {
		addr := ""
		if nx.key.addr.IsValid() {
			addr = nx.key.addr.String()
		}
		infos = append(infos, SessionInfo{
			ID: nx.id, Initiator: nx.port.String(), Target: nx.target.SCSI.Name, Port: nx.target.id.String(), Address: addr,
			Since: nx.since, Totals: nx.scsi.Totals(),
		})
		channels = append(channels, append([]*channel(nil), nx.channels...))
	}
	n.mu.Unlock()
	for i := range infos {
		for _, c := range channels[i] {
			infos[i].Channels = append(infos[i].Channels, c.describe())
		}
	}
	return infos
}

// describe is what there is to say of a channel. One whose login is just being answered has no
// Stats yet.
func (c *channel) describe() ChannelInfo {
	info, conn := c.link.describe()
	x := ChannelInfo{
		Number: c.number, Transport: info.Provider, Local: info.Local, Remote: info.Remote, Since: c.since, Immediate: c.offset > 0,
	}
	c.requests.describe(&x)
	if conn != nil {
		x.Stats = conn.Stats()
		x.Stats.Copied += c.door.Copied() + c.copied.Load()
	}
	return x
}
