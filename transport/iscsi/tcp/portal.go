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
	buffers *sync.Pool
	done    sync.WaitGroup
}

// Listen makes a portal at addr, HOST:PORT, shows it to discovery and starts to accept. Each
// connection has one goroutine, which ends with the node's Shutdown.
func Listen(ctx context.Context, addr string, node *iscsi.Node, opts tcp.Options) (*Portal, error) {
	l, err := tcp.Listen(ctx, addr, opts)
	if err != nil {
		return nil, err
	}
	p := &Portal{l: l, node: node, buffers: NewBuffers()}
	node.AddPortal(l.Addr())
	p.done.Add(1)
	go p.accept()
	return p, nil
}

// Addr is the address that the portal is bound to, as ADDR:PORT.
func (p *Portal) Addr() string { return p.l.Addr() }

// Close stops accepting. Connections stay; see iscsi.Node.Shutdown.
func (p *Portal) Close() error {
	err := p.l.Close()
	p.done.Wait()
	return err
}

func (p *Portal) accept() {
	defer p.done.Done()
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		m := New(c, p.buffers)
		h, err := p.node.Connect(m)
		if err != nil {
			c.Close()
			continue
		}
		go m.Run(h)
	}
}
