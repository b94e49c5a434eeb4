package srp

import (
	"slices"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A nexus is an I_T nexus: one or more channels that share one target.Nexus. It is its
// target.Services; a command's are those of the channel that it came by.
type nexus struct {
	node   *Node
	key    nexusKey
	port   iu.PortID // of the initiator
	target *Target
	x      *target.Nexus
	since  time.Time

	// Guarded by node.mu.
	channels []*channel
	ended    bool

	gone chan struct{} // closed: every task has ended, the nexus is lost
}

// newNexus logs an initiator in. n.mu is held.
func newNexus(n *Node, key nexusKey, t *Target) *nexus {
	nx := &nexus{node: n, key: key, port: key.initiator, target: t, since: time.Now(), gone: make(chan struct{})}
	nx.x = t.port.Login(nx, target.Initiator{Name: nx.port.String(), Port: scsi.SRPPort(nx.port)})
	return nx
}

// list are the channels now.
func (nx *nexus) list() []*channel {
	nx.node.mu.Lock()
	defer nx.node.mu.Unlock()
	return slices.Clone(nx.channels)
}

// end ends all channels, and with them the nexus; gone tells when. Nothing waits for the
// initiator: it has said itself that it does not use them any more.
func (nx *nexus) end(cause error) {
	nx.node.mu.Lock()
	nx.ended = true
	nx.node.mu.Unlock()
	for _, c := range nx.list() {
		c.end(iu.LogoutReplaced, cause, false)
	}
}

// left takes a channel that has ended out of the nexus: its tasks end, and with the last channel
// the nexus is lost.
func (nx *nexus) left(c *channel) {
	n := nx.node
	n.mu.Lock()
	nx.channels = slices.DeleteFunc(nx.channels, func(o *channel) bool { return o == c })
	last := len(nx.channels) == 0
	if last {
		nx.ended = true
	}
	n.mu.Unlock()
	finish := func() {
		n.mu.Lock()
		delete(n.channels, c)
		if last {
			delete(n.nexuses, nx.key)
			close(nx.gone)
		}
		n.changed.Broadcast()
		n.mu.Unlock()
	}
	if last {
		nx.x.Lost(finish)
		return
	}
	nx.x.Abort(func(t *target.Task) bool { return of(t).c == c }, finish)
}

func of(t *target.Task) *task { return t.Private.(*task) }

// SendDataIn implements target.Services.
func (nx *nexus) SendDataIn(t *target.Task, off int64, data *buffer.Lease) bool {
	return of(t).c.sendDataIn(of(t), off, data)
}

// ReceiveDataOut implements target.Services.
func (nx *nexus) ReceiveDataOut(t *target.Task, off int64, into *buffer.Lease) {
	of(t).c.receiveDataOut(of(t), off, into)
}

// SendResponse implements target.Services.
func (nx *nexus) SendResponse(t *target.Task, r *target.Response) { of(t).c.sendResponse(of(t), r) }

// Keep implements target.Services.
func (nx *nexus) Keep(t *target.Task) error { return of(t).c.keep(of(t)) }

// TerminateTransfers implements target.Services.
func (nx *nexus) TerminateTransfers(t *target.Task) { of(t).c.terminate(of(t)) }

// Dropped implements target.Services.
func (nx *nexus) Dropped(t *target.Task) { of(t).c.dropped(of(t)) }
