package fcp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A Portal is a network on which targets have ports. One goroutine of it, the keeper, opens ports and has them closed, so that
// who changes what is shown waits for nobody.
type Portal struct {
	node    *Node
	network fc.Network
	address string
	asks    *asks // what its ports may ask for

	// zones are the targets by the names of their ports, for fabrics that ask who may see whom.
	zones atomic.Pointer[map[fc.Name]*servedTarget]

	kick    chan struct{} // there is something to look at
	keeping sync.WaitGroup
	closing sync.WaitGroup // ports
	once    sync.Once
	err     error // of Close

	state string // of the network, that the log knows; of the node's clock

	// The node's mu guards these.
	tag     int
	only    []string // names of the targets that it shows, if it does not show all
	all     bool
	started bool
	closed  bool
	failed  bool              // a port could not be opened: it is tried again
	ports   map[fc.Name]*port // that are there, and those that are closing
	told    map[fc.Name]bool  // of which the log knows that they could not be opened
}

// toldLines is how much of what a network says the log is told.
const toldLines = 4

// logoutTime is how long a port that closes waits for the answers of its initiators.
const logoutTime = 2 * time.Second

// Listen opens the network at address, on which the node's targets get ports once the portal is started. It shows all.
func Listen(ctx context.Context, provider fc.Provider, address string, n *Node, tag int) (*Portal, error) {
	network, err := provider.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	p := &Portal{
		node: n, network: network, address: address, tag: tag, all: true,
		asks: newAsks(), kick: make(chan struct{}, 1), ports: make(map[fc.Name]*port), told: make(map[fc.Name]bool),
	}
	p.zones.Store(new(map[fc.Name]*servedTarget))
	if z, ok := network.(fc.Zoned); ok {
		z.Zone(p)
	}
	n.mu.Lock()
	n.portals[p] = struct{}{}
	n.mu.Unlock()
	p.keeping.Go(p.keep)
	return p, nil
}

// Start gives the targets their ports.
func (p *Portal) Start() {
	p.node.mu.Lock()
	p.started = true
	p.node.mu.Unlock()
	p.wake()
}

// Show says which targets the portal shows, by their names, whether they are there already or not, nil: all; and its tag.
// The sessions with others end, and those with ports that have another name by another tag.
func (p *Portal) Show(targets []string, tag int) {
	p.node.mu.Lock()
	p.only, p.all, p.tag = slices.Clone(targets), targets == nil, tag
	p.node.mu.Unlock()
	p.wake()
}

// Addr is the address of the portal's network.
func (p *Portal) Addr() string { return p.address }

// Info says what is known of the portal's network.
func (p *Portal) Info() fc.NetworkInfo { return p.network.Info() }

// Close takes the ports of all targets out of the network, and closes it. Their sessions end, since without a network there are
// none: initiators are told (LOGO), and their commands are aborted. It returns when nobody is let in any more; tasks may still be ending, see [Node.Shutdown].
func (p *Portal) Close() error {
	p.once.Do(func() {
		p.node.mu.Lock()
		p.closed = true
		p.node.mu.Unlock()
		p.wake()
		p.keeping.Wait()
		p.closing.Wait()
		p.node.mu.Lock()
		delete(p.node.portals, p)
		p.node.mu.Unlock()
		p.asks.close()
		p.err = p.network.Close()
	})
	return p.err
}

// Sees implements [fc.Zoning]: whether the target at the port inside lets the port outside see it. It takes no lock.
func (p *Portal) Sees(inside, outside fc.Name) bool {
	t := (*p.zones.Load())[inside]
	return t != nil && t.lets(outside)
}

// watch tells the log of the network's state, if it is another than before. The node's clock calls it.
func (p *Portal) watch() {
	i := p.network.Info()
	if i.State == p.state {
		return
	}
	p.state = i.State
	if more := len(i.Lines) - toldLines; more > 0 {
		i.Lines = append(i.Lines[:toldLines:toldLines], fmt.Sprintf("and %d more", more))
	}
	p.node.log.Info("a network of Fibre Channel", "network", p.address, "state", i.State, "is", strings.Join(i.Lines, "; "))
}

// wake lets the keeper look again.
func (p *Portal) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// keep looks after the ports until the portal is closed.
func (p *Portal) keep() {
	for range p.kick {
		if p.arrange() {
			return
		}
	}
}

// wanted are the targets that are to have ports, by the names of these. node.mu is held.
func (p *Portal) wanted() map[fc.Name]*servedTarget {
	want := make(map[fc.Name]*servedTarget)
	if !p.started || p.closed || p.node.closing {
		return want
	}
	for name, t := range p.node.targets {
		if !p.all && !slices.Contains(p.only, name) {
			continue
		}
		port := t.port(p.tag)
		if other := want[port]; other == nil || other.order < t.order {
			want[port] = t
		}
	}
	return want
}

// arrange has those ports closed that are not wanted, opens those that are missing, and lets the network know who sees whom now. The keeper calls it.
// It reports that it need not be called again.
func (p *Portal) arrange() (last bool) {
	n := p.node
	var come []*port
	n.mu.Lock()
	want := p.wanted()
	before := *p.zones.Swap(&want)
	p.failed = false
	for name, x := range p.ports {
		if t := want[name]; !x.going && (t == nil || t.SCSI != x.target || t.Node != x.nodeName) {
			p.leave(x)
		}
	}
	for name, t := range want {
		if p.ports[name] == nil {
			x, err := p.add(name, t)
			if err != nil {
				p.fail(name, t, err)
				continue
			}
			come = append(come, x)
		}
	}
	last = p.closed
	there := slices.Collect(maps.Values(p.ports))
	n.mu.Unlock()
	if !maps.Equal(before, want) {
		if z, ok := p.network.(fc.Zoned); ok {
			z.Rezone()
		}
		for _, x := range there {
			x.reconsider()
		}
	}
	for _, x := range come {
		err := x.open(p.network)
		n.mu.Lock()
		if err != nil {
			p.drop(x)
			p.fail(x.name, want[x.name], err)
		} else {
			delete(p.told, x.name)
		}
		n.mu.Unlock()
	}
	return last
}

// add makes the port of a target, which is to be opened. node.mu is held.
func (p *Portal) add(name fc.Name, t *servedTarget) (*port, error) {
	at, err := t.SCSI.AddPort(target.PortConfig{Protocol: scsi.ProtocolFCP, Name: fmt.Sprintf("naa.%016x", uint64(name))})
	if err != nil {
		return nil, err
	}
	x := &port{node: p.node, portal: p, name: name, nodeName: t.Node, target: t.SCSI, scsi: at}
	p.ports[name] = x
	return x, nil
}

// leave has a port closed that is open. node.mu is held.
func (p *Portal) leave(x *port) {
	x.going = true
	x.target.RemovePort(x.scsi)
	p.closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), logoutTime)
		defer cancel()
		x.close(ctx)
		p.node.mu.Lock()
		delete(p.ports, x.name)
		p.node.mu.Unlock()
		p.wake()
	})
}

// drop takes out a port that could not be opened. node.mu is held.
func (p *Portal) drop(x *port) {
	x.target.RemovePort(x.scsi)
	delete(p.ports, x.name)
}

// fail notes that the port of a target cannot be had now. node.mu is held.
func (p *Portal) fail(name fc.Name, t *servedTarget, err error) {
	p.failed = true
	if !p.told[name] {
		p.told[name] = true
		p.node.log.Error("a target has no port on a network: it is tried again",
			"target", t.SCSI.Name, "network", p.address, "port", name, "error", err)
	}
}
