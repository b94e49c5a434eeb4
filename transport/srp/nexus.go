package srp

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A nexus is an I_T nexus: one or more channels that share one target.Nexus.
//
//	            its last connection has ended,           its last task
//	            nobody logs in to it any more            has ended
//	logged in ────────────────────────────────► lost ────────────────────► over
//
// While it is lost the same initiator may log in anew, to another nexus.
type nexus struct {
	node   *Node
	id     int64 // for people
	key    nexusKey
	port   iu.PortID // of the initiator
	target *servedTarget
	scsi   *target.Nexus
	since  time.Time

	connected chan struct{} // closed: no connection is left, and the target knows

	order sync.Mutex // held while a function gets its places; arrivals.mu comes after it

	// The node's mu guards these.
	channels []*channel
	ending   bool // nobody logs in to it any more
	over     []func()
}

// A nexusKey names an I_T nexus. Initiators by software iWARP send no identifier, so that their
// address tells them apart, without the port, which is another for every channel.
type nexusKey struct {
	initiator, target iu.PortID
	addr              netip.Addr
}

// newNexus logs an initiator in. What it uses is of its port and its address together: either alone may
// be that of others too. The error is target.ErrClosed. n.mu is held.
func newNexus(n *Node, key nexusKey, t *servedTarget, address string) (*nexus, error) {
	x, err := t.port.Login(target.Initiator{
		Name: key.initiator.String(), Port: scsi.SRPPort(key.initiator), Owner: key.initiator.String() + "@" + address,
		Address: key.addr,
	})
	if err != nil {
		return nil, err
	}
	return &nexus{node: n, key: key, port: key.initiator, target: t, scsi: x, since: time.Now(), connected: make(chan struct{})}, nil
}

// join makes c one of the nexus's channels. nx.node.mu is held.
func (nx *nexus) join(c *channel) {
	cfg := &nx.node.cfg
	c.nexus = nx
	c.door = nx.scsi.Channel(c, target.ChannelLimits{Solicited: cfg.Solicited, Arena: cfg.Arena})
	nx.channels = append(nx.channels, c)
}

// list is the channels now.
func (nx *nexus) list() []*channel {
	nx.node.mu.Lock()
	defer nx.node.mu.Unlock()
	return slices.Clone(nx.channels)
}

// end ends all channels, and with them the nexus. If it is not gentle nothing waits for the
// initiator to hear of it.
func (nx *nexus) end(r iu.LogoutReason, cause error, gentle bool) {
	nx.node.mu.Lock()
	nx.ending = true
	nx.node.mu.Unlock()
	for _, c := range nx.list() {
		c.link.end(r, cause, gentle)
	}
}

// left takes a channel whose connection has ended out of the nexus. Its tasks end, and with the
// last channel the nexus is lost. Only when the target knows that the same initiator may log in
// anew.
func (nx *nexus) left(c *channel) {
	n := nx.node
	n.mu.Lock()
	nx.channels = slices.DeleteFunc(nx.channels, func(o *channel) bool { return o == c })
	last := len(nx.channels) == 0
	nx.ending = nx.ending || last
	n.mu.Unlock()
	if !last {
		c.door.Lost(func() { n.forget(c, nil) })
		return
	}
	nx.scsi.Lost(func() { n.forget(c, nx) })
	n.mu.Lock()
	delete(n.nexuses, nx.key)
	close(nx.connected)
	n.changed.Broadcast()
	n.mu.Unlock()
}

// forget takes what has no task any more out of the node's books: a channel and, if it was its
// last, its nexus.
func (n *Node) forget(c *channel, nx *nexus) {
	var over []func()
	n.mu.Lock()
	delete(n.channels, c)
	n.unbook(c)
	if nx != nil {
		delete(n.all, nx)
		over = nx.over
	}
	n.changed.Broadcast()
	n.mu.Unlock()
	for _, f := range over {
		f()
	}
}
