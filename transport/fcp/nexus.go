package fcp

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A nexus is an I_T nexus: a process login of an initiator at a target's port. It has one channel.
//
//	          LoggedOut           its last task has ended
//	logged in ─────────► lost ─────────────────────────────► over
//
// While it is lost the same initiator may log in anew, to another nexus.
type nexus struct {
	node    *Node
	id      int64 // for people
	key     nexusKey
	port    *port
	remote  *nport.Remote
	scsi    *target.Nexus
	since   time.Time
	channel *channel

	// The node's mu guards these.
	over []func()
}

// A nexusKey names an I_T nexus.
type nexusKey struct {
	initiator fc.Name
	port      *port
}

// Response codes of PRLI (FC-LS-4 "accept response codes").
const (
	executed    = 1
	noResources = 2
	precluded   = 5 // by a predetermined configuration
)

// A refusal is why a login is refused.
type refusal struct {
	response uint8
	why      string
}

// login makes a nexus of a process login of r at p, by the service parameters params of both, or says why there is none.
func (n *Node) login(p *port, r *nport.Remote, params uint32) (*nexus, *refusal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := nexusKey{initiator: r.Port, port: p}
	t := n.targets[p.target.Name]
	switch {
	case n.closing || p.going || t == nil || t.SCSI != p.target:
		return nil, n.refuse(r, &refusal{precluded, "the target is not shown any more"})
	case !t.access.admits(r.Port):
		return nil, n.refuse(r, &refusal{precluded, fmt.Sprintf("it may not use the target %s", t.SCSI.Name)})
	case t.Away:
		return nil, n.refuse(r, &refusal{precluded, fmt.Sprintf("the target %s is under maintenance", t.SCSI.Name)})
	case n.nexuses[key] != nil:
		return nil, n.refuse(r, &refusal{precluded, "another port of the same name is logged in"})
	}
	if why := n.book(p.portal, r.Port); why != nil {
		return nil, n.refuse(r, why)
	}
	x, err := p.scsi.Login(initiator(r.Port))
	if err != nil { // the target has been removed in the meantime
		n.unbook(p.portal, r.Port)
		return nil, n.refuse(r, &refusal{precluded, err.Error()})
	}
	n.numbers++
	nx := &nexus{node: n, id: n.numbers, key: key, port: p, remote: r, scsi: x, since: time.Now()}
	nx.channel = newChannel(channelConfig{
		remote: r, port: p, nexus: x, asks: p.portal.asks, arena: n.cfg.Arena, solicited: n.cfg.Solicited,
		params: params, log: n.log, owes: nx.owes, over: func() { n.forget(nx) },
	})
	n.nexuses[key] = nx
	n.all[nx] = struct{}{}
	n.log.Info("logged in by FCP", "initiator", r.Port, "target", t.SCSI.Name, "port", p.name, "network", p.portal.address)
	return nx, nil
}

// refuse tells the log of a login that is refused.
func (n *Node) refuse(r *nport.Remote, why *refusal) *refusal {
	n.doors.refused.Warn(n.log, "FCP login refused", r.Port.String(), "initiator", r.Port, "why", why.why)
	return why
}

// initiator is the initiator of a port name for the target layer. What it uses is of its port: there is nothing else to tell
// initiators apart.
func initiator(name fc.Name) target.Initiator {
	var b [8]byte
	for i := range b {
		b[i] = byte(name >> (56 - 8*i))
	}
	all := Notations(name)
	return target.Initiator{Name: all[0], Also: all[1:], Port: scsi.FCPPort(b), Owner: all[0]}
}

// end logs the initiator out, which it is told. No lock is held.
func (nx *nexus) end(cause error) { nx.remote.Logout(true, cause) }

// lost ends the nexus, whose login has ended: LoggedOut calls it, once.
func (nx *nexus) lost() {
	n := nx.node
	n.mu.Lock()
	if n.nexuses[nx.key] == nx {
		delete(n.nexuses, nx.key)
	}
	n.mu.Unlock()
	nx.channel.lose()
}

// owes tells the log that the session ends since its initiator owes something.
func (nx *nexus) owes(why error) {
	n := nx.node
	n.doors.debts.Warn(n.log, "FCP session ended: the initiator owes something", nx.key.initiator.String(),
		"initiator", nx.key.initiator, "target", nx.port.target.Name, "why", why)
}

// forget takes a nexus without tasks out of the node's books.
func (n *Node) forget(nx *nexus) {
	n.mu.Lock()
	delete(n.all, nx)
	n.unbook(nx.port.portal, nx.key.initiator)
	over := nx.over
	n.changed.Broadcast()
	n.mu.Unlock()
	for _, f := range over {
		f()
	}
}
