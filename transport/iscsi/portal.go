package iscsi

import (
	"errors"
	"slices"
)

// A Portal is an address at which a node takes connections. Discovery tells of it to those who
// came by the same network and may log in to a target that it shows.
type Portal struct {
	node *Node
	// network is the [Traits] Network of the movers of its connections, addr is ADDR:PORT.
	network, addr string

	// topology.mu guards these.
	listed bool     // it is one of the portals of the topology
	group  uint16   // the tag of its portal group
	only   []string // names of the targets that it shows; nil: all
	told   []string // addresses that initiators are told of instead of its own
}

// A Showing is what a portal shows.
type Showing struct {
	// Targets are the names of the targets that it shows, whether they are there already or not; nil: all.
	Targets []string
	// Told are addresses, ADDR:PORT each, that initiators are told of instead of the portal's own, as where
	// it is translated on the way; none: its own.
	Told []string
	// Group is the tag of its portal group; 0: 1. A session has connections by portals of one group.
	Group uint16
}

// NewPortal makes a portal that shows all targets once it is added.
func (n *Node) NewPortal(network, addr string) *Portal {
	return &Portal{node: n, network: network, addr: addr, group: firstGroup}
}

// AddPortal is NewPortal and Add.
func (n *Node) AddPortal(network, addr string) *Portal {
	p := n.NewPortal(network, addr)
	p.Add()
	return p
}

// Add makes the portal known: before that nobody logs in by it, and nobody is told of it.
func (p *Portal) Add() {
	p.change(func(y *topology) {
		p.listed = true
		y.portals = append(y.portals, p)
	})
}

// Set says what the portal shows. It counts for logins and discovery from now on, and sessions that are
// there stay.
func (p *Portal) Set(s Showing) {
	p.change(func(*topology) {
		p.only, p.told, p.group = slices.Clone(s.Targets), slices.Clone(s.Told), max(firstGroup, s.Group)
	})
}

// Remove lets the portal show nothing any more. Its connections stay, unless they are not
// logged in yet.
func (p *Portal) Remove() {
	p.change(func(y *topology) {
		p.listed = false
		y.portals = slices.DeleteFunc(y.portals, func(o *Portal) bool { return o == p })
	})
}

// change changes p with all that guards it, and then the ports of the targets that it shows or has shown.
func (p *Portal) change(edit func(y *topology)) {
	n, y := p.node, &p.node.topology
	n.mu.Lock()
	defer n.mu.Unlock()
	y.mu.Lock()
	defer y.mu.Unlock()
	only, group := p.only, p.group
	edit(y)
	if err := errors.Join(y.settle(only, group), y.settle(p.only, p.group)); err != nil { // a target has had as many ports as there are identifiers
		n.log.Error("a portal does not show all of its targets", "portal", p.addr, "error", err)
	}
}

// tag is the tag of the portal's group.
func (p *Portal) tag() uint16 {
	p.node.topology.mu.RLock()
	defer p.node.topology.mu.RUnlock()
	return p.group
}

// shows reports whether the portal, if it is known, shows the target with a name. topology.mu is held.
func (p *Portal) shows(name string) bool {
	return p.listed && (p.only == nil || slices.Contains(p.only, name))
}
