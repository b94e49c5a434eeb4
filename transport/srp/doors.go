package srp

import (
	"fmt"

	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// The doors of a node are what a channel passes. SRP has no authentication, and the identifier of an
// initiator's port is what it says it is: whose a login is, is decided by its address alone
// (share.Address). Channels are of a port at an address, and of the address, which gets more: behind one
// may be many hosts. Each may have as much as its share of the node's limits is (package share), so that
// nobody takes all.
//
// Node.mu guards the pots; the logs guard themselves.
type doors struct {
	logins   *share.Pot[string] // under way
	channels *share.Pot[string] // by address; those whose tasks have not all ended included
	ports    *share.Pot[port]   // the same channels, by port

	refused, debts ratelog.Owners // logins; channels that were ended since they owed something
}

// A place is what a channel has of its node's doors.
type place struct {
	address string // the owner of a login
	port    port
	taken   bool // of doors.channels and ports. Node.mu guards it
}

// A port is an initiator's, at its address.
type port struct {
	id      iu.PortID
	address string
}

// addressMultiple is how many times what is free an address may have of channels.
const addressMultiple = 16

func (d *doors) init(cfg *Config) {
	d.logins = share.NewPot[string](share.Rule{Size: cfg.MaxLogins})
	d.channels = share.NewPot[string](share.Rule{Size: cfg.MaxChannels, Multiple: addressMultiple})
	d.ports = share.NewPot[port](share.Rule{Size: cfg.MaxChannels})
}

// crowded says why an address has no share left of a pot.
func crowded[K comparable](p *share.Pot[K], owner K, who, limit, what string) *rejection {
	if has := p.Of(owner); has > 0 {
		return &rejection{iu.RejectResources, fmt.Sprintf("%s: this "+who+" has %d %s, which is its share of %d, of which %d are taken",
			limit, has, what, p.Size(), p.Taken())}
	}
	return &rejection{iu.RejectResources, fmt.Sprintf("%s: there are %d %s", limit, p.Taken(), what)}
}

// book counts c as one of the channels of its address, or says why not. n.mu is held.
func (n *Node) book(c *channel) *rejection {
	d, at := &n.doors, &c.place
	if !d.channels.Take(at.address, 1) {
		return crowded(d.channels, at.address, "address", "limits.connections", "SRP channels")
	}
	if !d.ports.Take(at.port, 1) {
		d.channels.Give(at.address, 1)
		return crowded(d.ports, at.port, "port", "limits.connections", "SRP channels")
	}
	at.taken = true
	return nil
}

// unbook takes c, of which nothing is left, off. n.mu is held.
func (n *Node) unbook(c *channel) {
	if c.place.taken {
		c.place.taken = false
		n.doors.channels.Give(c.place.address, 1)
		n.doors.ports.Give(c.place.port, 1)
	}
}

// evicted tells the log of a peer that a portal has closed before it asked for a channel.
func (n *Node) evicted(remote string) {
	n.doors.refused.Warn(n.log, "SRP login refused", share.Address(remote), "remote", remote,
		"why", "it had asked for nothing yet, and its address has most of those: closed to make room")
}

// tell tells the log once a second of what it was not told one by one.
func (n *Node) tell() {
	n.doors.refused.Flush(n.log, "more SRP logins refused")
	n.doors.debts.Flush(n.log, "more SRP channels ended that owed something")
}
