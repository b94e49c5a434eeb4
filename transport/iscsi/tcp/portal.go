package tcp

import (
	"context"
	"sync"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// A Portal accepts connections for a node at one address.
type Portal struct {
	l       *tcp.Listener
	node    *iscsi.Node
	portal  *iscsi.Portal
	engine  tcp.Engine
	buffers *Buffers
	done    sync.WaitGroup
}

// Listen makes a portal at addr, HOST:PORT, whose connections e waits for. Start lets it
// accept.
func Listen(ctx context.Context, addr string, node *iscsi.Node, e tcp.Engine, opts tcp.Options) (*Portal, error) {
	l, err := tcp.Listen(ctx, addr, opts)
	if err != nil {
		return nil, err
	}
	l.MakeRoom, l.Turned = node.MakeRoom, node.Refused
	return &Portal{l: l, node: node, portal: node.AddPortal(network, l.Addr()), engine: e, buffers: NewBuffers()}, nil
}

// Start begins to accept. Connections end with the node's Shutdown.
func (p *Portal) Start() { p.done.Go(p.accept) }

// Addr is the address that the portal is bound to, as ADDR:PORT.
func (p *Portal) Addr() string { return p.l.Addr() }

// Show says which targets the portal shows; nil: all (iscsi.Portal.Show).
func (p *Portal) Show(targets []string) { p.portal.Show(targets) }

// Tell sets the addresses that initiators are told of (iscsi.Portal.Tell).
func (p *Portal) Tell(addresses []string) { p.portal.Tell(addresses) }

// Close stops accepting. Connections stay; see iscsi.Node.Shutdown.
func (p *Portal) Close() error {
	p.portal.Remove()
	err := p.l.Close()
	p.done.Wait()
	return err
}

func (p *Portal) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return // closed: Accept waits out all else
		}
		remote := c.RemoteAddr()
		m, err := New(c, p.engine, p.buffers)
		if err != nil { // the initiator will try again, and finds room then
			p.node.Refused(remote, err)
			if tcp.Short(err) && p.l.MakeRoom != nil {
				p.l.MakeRoom()
			}
			continue
		}
		h, err := p.portal.Connect(m)
		if err != nil { // too many, or going
			p.node.Refused(m.Traits().Remote, err)
			_ = m.Close()
			continue
		}
		m.Start(h)
	}
}
