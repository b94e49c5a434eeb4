package kind

import (
	"fmt"
	"strconv"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/vhost"
)

// Sessions implements [plugin.Node]: one for each target that a guest's driver has, all of a socket by the same connection.
func (n *node) Sessions() []api.Session {
	var all []api.Session
	for _, s := range n.Node.Sessions() {
		a := api.Session{
			ID: strconv.FormatInt(s.ID, 10), Transport: "virtio", Initiator: s.Initiator, Target: s.Target, Since: s.Since.UTC(), Counts: plugin.Counts(s.Totals),
			Connections: []api.Connection{},
		}
		if !s.Connection.Since.IsZero() { // it has not ended just now
			a.Connections = append(a.Connections, connection(s.Socket, s.Connection))
		}
		all = append(all, a)
	}
	return all
}

// connection is a front-end that is attached, with what its queues have come to.
func connection(socket string, c vhost.Connection) api.Connection {
	a := api.Connection{
		ID: 1, Network: "vhost", Remote: fmt.Sprintf("pid %d uid %d", c.PID, c.UID), Local: socket, Mapped: c.Memory,
	}
	for _, q := range c.Queues {
		copied, lent, chains := int64(q.CopiedIn+q.CopiedOut), int64(q.LentIn+q.LentOut), int64(q.Chains)
		a.PDUsIn += chains
		a.PDUsOut += chains - int64(q.Inflight)
		a.Receives += int64(q.Kicks)
		a.Sends += int64(q.Calls)
		a.Copied += copied
		a.Lent += lent
		if q.Running {
			a.Queues = append(a.Queues, api.Queue{
				ID: q.Index, Size: q.Size, Packed: q.Packed, Open: q.Inflight, Oldest: q.Oldest.Seconds(), Requests: chains,
				Wakes: int64(q.Kicks), Polled: int64(q.Polled), Calls: int64(q.Calls), Copied: copied, Lent: lent,
			})
		}
	}
	return a
}
