package fcp

import (
	"fmt"

	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/network/fc"
)

// The doors of a node are what a session passes. Fibre Channel has no authentication, and a port is called what it says: so
// sessions are of a port, and of the network by which it comes, which gets more, since many ports are behind it. Each may have as
// much as its share of the node's limit is (package share), so that nobody takes all.
//
// Node.mu guards the pots; the log guards itself.
type doors struct {
	networks *share.Pot[*Portal]
	ports    *share.Pot[fc.Name] // the same sessions, by the initiator's port

	refused ratelog.Owners // logins
	debts   ratelog.Owners // sessions whose initiators owed something
}

// networkMultiple is how many times what is free a network may have of sessions.
const networkMultiple = 16

func (d *doors) init(cfg *Config) {
	d.networks = share.NewPot[*Portal](share.Rule{Size: cfg.MaxNexuses, Multiple: networkMultiple})
	d.ports = share.NewPot[fc.Name](share.Rule{Size: cfg.MaxNexuses})
}

func (d *doors) resize(nexuses int) {
	d.networks.Resize(nexuses)
	d.ports.Resize(nexuses)
}

// book counts a session of an initiator by p, or says why not. n.mu is held.
func (n *Node) book(p *Portal, initiator fc.Name) *refusal {
	d := &n.doors
	if !d.networks.Take(p, 1) {
		return crowded(d.networks, p, "network")
	}
	if !d.ports.Take(initiator, 1) {
		d.networks.Give(p, 1)
		return crowded(d.ports, initiator, "port")
	}
	return nil
}

// unbook takes a session off, of which nothing is left. n.mu is held.
func (n *Node) unbook(p *Portal, initiator fc.Name) {
	n.doors.networks.Give(p, 1)
	n.doors.ports.Give(initiator, 1)
}

// crowded says why an owner has no share left of a pot.
func crowded[K comparable](p *share.Pot[K], owner K, who string) *refusal {
	if has := p.Of(owner); has > 0 {
		return &refusal{noResources, fmt.Sprintf("limits.connections: this %s has %d FCP sessions, which is its share of %d, of which %d are taken",
			who, has, p.Size(), p.Taken())}
	}
	return &refusal{noResources, fmt.Sprintf("limits.connections: there are %d FCP sessions", p.Taken())}
}

// tell tells the log once a second of what it was not told one by one.
func (n *Node) tell() {
	n.doors.refused.Flush(n.log, "more FCP logins refused")
	n.doors.debts.Flush(n.log, "more FCP sessions ended: their initiators owed something")
}
