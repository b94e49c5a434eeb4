package virtio

import (
	"fmt"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// PortalOptions say what is behind a socket.
type PortalOptions struct {
	vhost.Options
	// Initiator is the name of the initiator behind the socket; empty: what follows from its path ([InitiatorName]).
	Initiator string
	// Queues is how many queues of requests there are, from 1 to 254. 0: as many as a front-end asks for, up to 128; one that asks us, as Cloud Hypervisor does, is told that there is one.
	Queues int
	// Targets are the names of those that are shown, whether they are there already or not; nil: all.
	Targets []string
}

// A Portal is a socket: one SCSI host for one guest at a time.
type Portal struct {
	node   *Node
	socket *vhost.Socket
	path   string

	once sync.Once
	err  error // of Close

	// The node's mu guards these.
	options PortalOptions
	started bool
	closed  bool
	shown   map[string]*showing // by the name of the target
	unseen  map[string]bool     // targets without a number, of which the log knows
	crowded bool                // a target is not seen since there was no room for its nexus
	guest   *guest              // nil: no driver is there
}

// A showing is a target as a portal shows it.
type showing struct {
	name   string
	target *servedTarget
	number uint8
	port   *target.Port
	nexus  *nexus // with the guest that is there now, or nil
}

// Listen makes the socket of a portal, which accepts nobody before its Start.
func Listen(host *vhost.Host, o PortalOptions, n *Node) (*Portal, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p := &Portal{node: n, path: o.Path, options: o, shown: make(map[string]*showing), unseen: make(map[string]bool)}
	var err error
	if p.socket, err = host.Listen(o.Options, p); err != nil {
		return nil, err
	}
	n.mu.Lock()
	closing := n.closing
	if !closing {
		n.portals[p] = struct{}{}
	}
	n.mu.Unlock()
	if closing {
		p.socket.Close()
		return nil, ErrClosed
	}
	return p, nil
}

// complete checks the options, and fills in what follows.
func (o *PortalOptions) complete() error {
	if o.Queues < 0 || o.Queues > maxQueues {
		return fmt.Errorf("virtio: %d queues of requests are not from 1 to %d", o.Queues, maxQueues)
	}
	if o.Initiator == "" {
		o.Initiator = InitiatorName(o.Path)
	}
	name, err := scsi.InitiatorName(o.Initiator)
	if err != nil {
		return fmt.Errorf("virtio: the initiator's name: %w", err)
	}
	o.Initiator = name
	o.Targets = slices.Clone(o.Targets)
	return nil
}

// Start gives the targets their ports, and lets a front-end attach.
func (p *Portal) Start() {
	var later deferred
	p.node.mu.Lock()
	p.started = true
	p.arrange(&later)
	p.node.mu.Unlock()
	later.run()
	p.socket.Start()
}

// Addr is the path of the socket.
func (p *Portal) Addr() string { return p.path }

// Set has the options of o count: what is shown at once, and who may use the socket as [vhost.Socket.Set] says; the initiator's name and the number of queues for the next life of a driver. The path stays what it is.
func (p *Portal) Set(o PortalOptions) error {
	o.Path = p.path
	if err := o.complete(); err != nil {
		return err
	}
	var later deferred
	p.node.mu.Lock()
	p.options = o
	p.arrange(&later)
	p.node.mu.Unlock()
	later.run()
	return p.socket.Set(o.Options)
}

// Close removes the socket, ends the connection of the front-end that is there and with it its driver. It returns when nobody is let in any more; tasks may still be ending, see [Node.Shutdown].
func (p *Portal) Close() error {
	p.once.Do(func() {
		p.err = p.socket.Close()
		n := p.node
		n.mu.Lock()
		p.closed = true
		delete(n.portals, p)
		for _, s := range p.shown {
			p.hide(s)
		}
		n.mu.Unlock()
	})
	return p.err
}

// wanted are the targets that the portal is to show, by name. node.mu is held.
func (p *Portal) wanted() map[string]*servedTarget {
	want := make(map[string]*servedTarget)
	if !p.started || p.closed || p.node.closing {
		return want
	}
	for name, t := range p.node.targets {
		if p.options.Targets == nil || slices.Contains(p.options.Targets, name) {
			want[name] = t
		}
	}
	return want
}

// arrange makes what is shown what is to be shown: targets get ports and numbers and lose them, and the guest gets nexuses with them and loses them. node.mu is held.
func (p *Portal) arrange(later *deferred) {
	want := p.wanted()
	numbered := p.number(want)
	for name, s := range p.shown {
		t := want[name]
		number, ok := numbered[name]
		if t != nil && ok && t.SCSI == s.target.SCSI && number == s.number {
			s.target = t
			continue
		}
		if s.nexus != nil {
			s.nexus.detach(later, false)
		}
		p.hide(s)
	}
	for name, number := range numbered {
		if p.shown[name] == nil {
			p.show(want[name], number)
		}
	}
	p.crowded = false
	for _, s := range p.shown {
		if g := p.guest; g != nil && s.nexus == nil && s.target.lets(g.initiator) {
			g.login(s, true)
		}
	}
	p.node.wake() // there may be events
}

// number gives numbers to the targets that are to be shown, and tells the log, once, of those that get none. node.mu is held.
func (p *Portal) number(want map[string]*servedTarget) map[string]uint8 {
	had := make(map[string]uint8, len(p.shown))
	for name, s := range p.shown {
		had[name] = s.number
	}
	wishes := make([]wish, 0, len(want))
	for name, t := range want {
		wishes = append(wishes, wish{name, t.Number, t.order})
	}
	numbered := assign(wishes, had)
	for name := range want {
		if _, ok := numbered[name]; !ok && !p.unseen[name] {
			p.unseen[name] = true
			p.node.log.Error("a target is not shown", "target", name, "socket", p.path, "error", errNoNumber)
		}
	}
	for name := range p.unseen {
		if _, ok := numbered[name]; ok || want[name] == nil {
			delete(p.unseen, name)
		}
	}
	return numbered
}

// highest is the highest number that a target has, 0 if there is none. node.mu is held.
func (p *Portal) highest() uint8 {
	var most uint8
	for _, s := range p.shown {
		most = max(most, s.number)
	}
	return most
}

// show gives a target its port and its number. node.mu is held.
func (p *Portal) show(t *servedTarget, number uint8) {
	name := t.SCSI.Name
	port, err := t.SCSI.AddPort(target.PortConfig{Protocol: scsi.ProtocolNone, Name: "vhost:" + p.path})
	if err != nil { // the target goes
		p.node.log.Error("a target is not shown", "target", name, "socket", p.path, "error", err)
		return
	}
	p.shown[name] = &showing{name: name, target: t, number: number, port: port}
}

// hide takes a target's port away. node.mu is held.
func (p *Portal) hide(s *showing) {
	s.target.SCSI.RemovePort(s.port)
	delete(p.shown, s.name)
}
