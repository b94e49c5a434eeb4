package verbs

import (
	"context"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/network/rdma"
)

// A dialing is a connection that is being asked for.
type dialing struct {
	events chan event

	mu sync.Mutex
	to *conn // guarded by mu: who gets the events now
}

// happened implements subject. Nothing is lost: fewer events than there is room for come before there is a connection.
func (g *dialing) happened(e event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.to != nil {
		g.to.happened(e)
		return
	}
	select {
	case g.events <- e:
	default:
	}
}

// pass lets c have what has happened, and what will.
func (g *dialing) pass(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.to = c
	for len(g.events) > 0 {
		c.happened(<-g.events)
	}
}

// Dial implements rdma.Device.
func (d *Device) Dial(ctx context.Context, addr string, o rdma.Options) (rdma.Conn, []byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	if err := checkOptions(&o); err != nil {
		return nil, nil, err
	}
	to, err := addrPort(ctx, addr, false)
	if err != nil {
		return nil, nil, err
	}
	g := &dialing{events: make(chan event, 8)}
	id, token, err := d.identify(g)
	if err != nil {
		return nil, nil, err
	}
	gone := func(err error) (rdma.Conn, []byte, error) {
		id.destroy()
		d.forget(token)
		return nil, nil, err
	}
	if err = id.resolve(to); err == nil {
		_, err = g.wait(ctx, resolved)
	}
	if err == nil {
		err = id.route()
	}
	if err == nil {
		_, err = g.wait(ctx, routed)
	}
	if err != nil {
		return gone(fmt.Errorf("verbs: %s: %w", to, err))
	}
	c, err := d.connect(id, token, o)
	if err != nil {
		return gone(err)
	}
	reads, serves := min(o.Reads, c.card.can.reads), min(o.Serves, c.card.can.serves)
	err = id.ask(greeting{o.Private, reads, serves})
	var answer event
	if err == nil {
		answer, err = g.wait(ctx, established)
	}
	if err != nil {
		c.Close(err)
		return nil, nil, fmt.Errorf("verbs: %s: %w", to, err)
	}
	c.agree(min(reads, answer.serves))
	c.happened(answer)
	g.pass(c)
	return c, answer.private, nil
}

// wait waits for an event of a kind.
func (g *dialing) wait(ctx context.Context, kind eventKind) (event, error) {
	for {
		select {
		case <-ctx.Done():
			return event{}, context.Cause(ctx)
		case e := <-g.events:
			switch e.kind {
			case kind:
				return e, nil
			case rejected:
				return e, &rdma.RejectedError{Private: e.private}
			case unreachable, removed, disconnected:
				return e, fmt.Errorf("nobody answers there (status %d)", e.status)
			}
		}
	}
}
