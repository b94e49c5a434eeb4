package virtio

import (
	"cmp"
	"slices"
	"time"

	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/target"
)

// A SessionInfo describes an I_T nexus for people and programs.
type SessionInfo struct {
	ID        int64  // of the node's, from 1
	Initiator string // its name
	Target    string // the SCSI target's name
	Number    int    // of the target, behind the socket
	Socket    string // its path
	Since     time.Time
	Totals    target.Totals
	// Connection is that of the front-end: all nexuses of a guest share it. The zero value: it has just ended.
	Connection vhost.Connection
}

// Sessions describes the nexuses there are, in the order of their beginning.
func (n *Node) Sessions() []SessionInfo {
	var infos []SessionInfo
	sockets := make(map[string]*vhost.Socket)
	n.mu.Lock()
	for nx := range n.all {
		if nx.going {
			continue
		}
		p := nx.guest.portal
		sockets[p.path] = p.socket
		infos = append(infos, SessionInfo{
			ID: nx.id, Initiator: nx.guest.initiator, Target: nx.target.Name, Number: int(nx.number), Socket: p.path, Since: nx.since, Totals: nx.scsi.Totals(),
		})
	}
	n.mu.Unlock()
	connections := make(map[string]vhost.Connection)
	for path, s := range sockets {
		connections[path], _ = s.Connection()
	}
	for i := range infos {
		infos[i].Connection = connections[infos[i].Socket]
	}
	slices.SortFunc(infos, func(a, b SessionInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}
