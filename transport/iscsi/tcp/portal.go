package tcp

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

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
	return &Portal{l: l, node: node, portal: node.NewPortal(network, l.Addr()), engine: e, buffers: NewBuffers()}, nil
}

// Start begins to accept, and to be one that discovery tells of. Connections end with the node's Shutdown.
func (p *Portal) Start() {
	p.portal.Add()
	p.done.Go(p.accept)
}

// Share implements handed.Sharer.
func (p *Portal) Share() (*os.File, error) { return p.l.Share() }

// Addr is the address that the portal is bound to, as ADDR:PORT.
func (p *Portal) Addr() string { return p.l.Addr() }

// Set says what the portal shows (iscsi.Portal.Set).
func (p *Portal) Set(s iscsi.Showing) { p.portal.Set(s) }

// Close stops accepting. Connections stay; see iscsi.Node.Shutdown.
func (p *Portal) Close() error {
	p.portal.Remove()
	err := p.l.Close()
	p.done.Wait()
	return err
}

// connect makes the session's side of a connection. While there is no room it tries again for a moment, and
// nobody else is accepted: those that had to make room were only told to end, and a flood that comes
// faster than they end shall not have others turned away.
func (p *Portal) connect(m *Mover) (iscsi.Handler, error) {
	for try := 0; ; try++ {
		h, err := p.portal.Connect(m)
		switch {
		case err == nil:
			return h, nil
		case errors.Is(err, iscsi.ErrClosed) || try == roomTries:
			return nil, err
		}
		time.Sleep(roomPause)
	}
}

// How often, and after which pause, connect tries again.
const (
	roomTries = 20
	roomPause = 5 * time.Millisecond
)

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
		h, err := p.connect(m)
		if err != nil { // too many, or going
			p.node.Refused(m.Traits().Remote, err)
			_ = m.Close()
			continue
		}
		m.Start(h)
	}
}
