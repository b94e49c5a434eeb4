package roce

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/cm"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// targetDelay is how long an acknowledgement of ours may take, as peers are told.
const targetDelay = 4096 * time.Nanosecond << 15

// around is what is around the payload of a packet at the most: as Linux has it, a GRH in the place of the IP header, UDP, BTH, a header of an atomic operation, immediate and ICRC.
const around = 40 + 8 + ib.BTHLen + ib.AtomicETHLen + ib.ImmediateLen + ib.ICRCLen

// mtu is how much payload a packet may have to get from local to remote, and local itself: see udp.Host.
func (d *Device) mtu(local, remote netip.Addr) (netip.Addr, int, error) {
	local, whole, err := d.conf.Host.MTU(local, remote)
	if err != nil {
		return local, 0, fmt.Errorf("roce: %w", err)
	}
	n := ib.MTUOf(whole - around).Bytes()
	if n == 0 {
		return local, 0, fmt.Errorf("%w: %d bytes, and %d are needed at least", ErrMTU, whole, around+256)
	}
	if d.conf.MTU != 0 {
		n = min(n, d.conf.MTU)
	}
	return local, n, nil
}

// Dial implements rdma.Device.
func (d *Device) Dial(ctx context.Context, addr string, o rdma.Options) (rdma.Conn, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := checkOptions(&o, MaxPrivateRequest); err != nil {
		return nil, nil, err
	}
	to, err := resolve(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	local, mtu, err := d.mtu(anyOf(to.Addr()), to.Addr())
	if err != nil {
		return nil, nil, err
	}
	p, local, err := d.from(ctx, local)
	if err != nil {
		return nil, nil, err
	}
	path := ib.Path{Local: local, Remote: to.Addr()}
	c, private, err := d.dial(ctx, p, path, to.Port(), mtu, &o)
	var rejected *cm.RejectedError
	if errors.As(err, &rejected) && rejected.Reason == mad.InvalidMTU && len(rejected.Info) > 0 {
		if n := ib.MTU(rejected.Info[0]).Bytes(); n > 0 && n < mtu { // what the peer can do
			c, private, err = d.dial(ctx, p, path, to.Port(), n, &o)
		}
	}
	p.release()
	switch {
	case err == nil:
		return c, private, nil
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case !errors.As(err, &rejected):
		return nil, nil, fmt.Errorf("roce: %s: %w", addr, err)
	case rejected.Reason == mad.ConsumerReject:
		return nil, nil, &rdma.RejectedError{Private: rejected.Private}
	case rejected.Reason == mad.InvalidServiceID:
		return nil, nil, fmt.Errorf("roce: nobody listens at %s: %w", addr, syscall.ECONNREFUSED)
	}
	return nil, nil, fmt.Errorf("roce: %s: %w", addr, err)
}

// from finds a port to dial from. What goes to an address of loopback may come from any of them: if another program on this host has the one that the system
// chose, which is where it is listened, another is taken.
func (d *Device) from(ctx context.Context, local netip.Addr) (*port, netip.Addr, error) {
	p, err := d.use(ctx, local)
	for range 8 {
		if err == nil || !errors.Is(err, ErrPort) || !local.Is4() || !local.IsLoopback() {
			break
		}
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], random32()&0x00ffffff|127<<24)
		local = netip.AddrFrom4(b)
		p, err = d.use(ctx, local)
	}
	return p, local, err
}

// dial asks for a connection of a path, with packets of mtu bytes of payload. p is used by the caller.
func (d *Device) dial(ctx context.Context, p *port, path ib.Path, number uint16, mtu int, o *rdma.Options) (*Conn, []byte, error) {
	own, err := d.found(p.at) // for the connection
	if own == nil {
		return nil, nil, errors.Join(errClosed, err)
	}
	c, err := d.newConn(own, path)
	if err != nil {
		own.release()
		return nil, nil, err
	}
	t := cm.Terms{
		QPN: c.number, PSN: randomPSN(), MTU: mtu, Reads: min(o.Reads, 255), Serves: min(o.Serves, 255), Timeout: ackTimeout, Retries: retries, RNR: 7, Private: o.Private,
	}
	link, answer, err := d.cm.Dial(ctx, path, number, t, owner{c})
	if err != nil {
		c.abandon()
		return nil, nil, err
	}
	c.begin(answer, t.PSN, mtu, o, rdma.Info{Local: at(path.Local, link.Port()), Remote: at(path.Remote, number)})
	c.attach(link)
	link.Ready()
	c.QP.Established()
	return c, answer.Private, nil
}
