package iwarp

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// Dial implements rdma.Device.
func (d *Device) Dial(ctx context.Context, addr string, o rdma.Options) (rdma.Conn, []byte, error) {
	if err := checkOptions(&o); err != nil {
		return nil, nil, err
	}
	var dialer net.Dialer
	dialer.SetMultipathTCP(false)
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	c, err := tcp.NewConn(nc.(*net.TCPConn))
	if err != nil {
		_ = nc.Close()
		return nil, nil, fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	conn, private, err := d.connect(ctx, c, &o)
	if err != nil {
		_ = c.Close() // it may be closed already
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, ctx.Err())
		}
		return nil, nil, err
	}
	return conn, private, nil
}

// connect is the handshake of an initiator.
func (d *Device) connect(ctx context.Context, c *tcp.Conn, o *rdma.Options) (*Conn, []byte, error) {
	limit := d.conf.Handshake
	if limit == 0 {
		limit = 10 * time.Second
	}
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() }) // the read fails
	q := ask(o, &d.conf)
	err := writeFrame(c, &q)
	var a frame
	if err == nil {
		a, err = readFrame(c, true)
	}
	if !stop() && err == nil {
		err = rdma.ErrLost
	}
	if err != nil {
		return nil, nil, err
	}
	t, err := q.agree(&a, o)
	if err != nil {
		return nil, nil, err
	}
	conn, err := newConn(d, c, t, o, true)
	return conn, a.private, err
}
