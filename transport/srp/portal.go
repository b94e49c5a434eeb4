package srp

import (
	"context"
	"os"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/network/rdma"
)

// A Portal accepts channels for a node at one address.
type Portal struct {
	l    rdma.Listener
	node *Node
	only atomic.Pointer[[]string] // names of the targets that it shows; nil: all
	done sync.WaitGroup
}

// Listen makes a portal at addr, HOST:PORT, of a device, which shows all targets of the node. Start
// lets it accept.
func Listen(ctx context.Context, dev rdma.Device, addr string, node *Node) (*Portal, error) {
	l, err := dev.Listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	if e, ok := l.(rdma.Evicter); ok {
		e.Evicted(node.evicted)
	}
	return &Portal{l: l, node: node}, nil
}

// Start begins to accept. Channels end with the node's Shutdown.
func (p *Portal) Start() { p.done.Go(p.accept) }

// Share implements handed.Sharer.
func (p *Portal) Share() (*os.File, error) { return rdma.Share(p.l) }

// Addr is the address that the portal is bound to, as ADDR:PORT.
func (p *Portal) Addr() string { return p.l.Addr() }

// Close stops accepting. Channels, and logins that are under way, stay; see [Node.Shutdown]. The
// node knows nothing of its portals, so that one is removed by this.
func (p *Portal) Close() error {
	err := p.l.Close()
	p.done.Wait()
	return err
}

func (p *Portal) accept() {
	for {
		r, err := p.l.Accept()
		if err != nil {
			return // closed: Accept waits out all else
		}
		if why := p.node.beginLogin(share.Address(r.Info().Remote)); why != nil {
			p.node.reject(r, 0, why)
			continue
		}
		go p.node.login(p, r) // it may wait for channels that it terminates; Shutdown waits for it
	}
}
