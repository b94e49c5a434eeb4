package roce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lunette-io/lunette/network/udp"
)

// A port is a socket at a local address, or at all addresses of a family: as InfiniBand's ports it is what listeners and connections are at.
// It is opened by the first who uses it, and closed a while after the last has gone: peers may repeat themselves, and are answered.
type port struct {
	d      *Device
	at     netip.Addr
	socket udp.Socket
	knows  bool        // the socket was asked for identifications of IPv4, and knows them as long as nothing has come from inside
	whole  atomic.Bool // all of the ICRC is checked
	lanes  []lane
	psn    atomic.Uint32 // of the datagrams to QP1

	// Device.mu guards these.
	uses int
	idle *time.Timer // that closes it
}

type portKey = netip.Addr

// lingers is how long a port stays open that nobody uses.
const lingers = 5 * time.Second

// errClosed: the device is closed.
var errClosed = errors.New("roce: the device is closed")

// use finds the port of a local address, or opens one. Whoever uses it releases it.
func (d *Device) use(ctx context.Context, at netip.Addr) (*port, error) {
	d.opening.Lock()
	defer d.opening.Unlock()
	if p, err := d.found(at); p != nil || err != nil {
		return p, err
	}
	p := &port{d: d, at: at, uses: 1, lanes: make([]lane, d.conf.Lanes)}
	err := p.open(ctx)
	if errors.Is(err, ErrPort) && d.clear() {
		err = p.open(ctx)
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.ports[at] = p
	d.mu.Unlock()
	if d.opened != nil {
		d.opened(p.info())
	}
	p.socket.Start(p)
	return p, nil
}

// found is the port of a local address if there is one, and one user more.
func (d *Device) found(at netip.Addr) (*port, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	p := d.portOf(at)
	if p != nil {
		p.uses++
		if p.idle != nil {
			p.idle.Stop()
			p.idle = nil
		}
	}
	return p, nil
}

// portOf is the port that has a local address, or all of its family. nil: there is none. d.mu is held.
func (d *Device) portOf(at netip.Addr) *port {
	if p := d.ports[at]; p != nil {
		return p
	}
	return d.ports[anyOf(at)]
}

// anyOf is the unspecified address of the family of an address.
func anyOf(at netip.Addr) netip.Addr {
	if at.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// open opens the socket. Whether the whole ICRC of what comes can be checked may depend on what the process may do.
func (p *port) open(ctx context.Context) error {
	c := udp.Config{
		Local: netip.AddrPortFrom(p.at, Port), Lanes: p.d.conf.Lanes, Word: 4, Mask: 0xffffff, // the destination's number in the BTH
		Longest: maxDatagram, Receives: 32 << 20, Capable: !p.d.conf.Unpaced, Identified: p.at.Is4(),
	}
	var err error
	p.socket, err = p.d.conf.Host.Open(ctx, c)
	if errors.Is(err, udp.ErrDenied) && c.Identified {
		if p.d.conf.Whole {
			return fmt.Errorf("%w: %w", ErrWhole, err)
		}
		c.Identified = false
		p.socket, err = p.d.conf.Host.Open(ctx, c)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w at %v: %w", ErrPort, p.at, err)
	}
	p.knows = c.Identified
	p.whole.Store(c.Identified || !p.at.Is4())
	return err
}

// blinded notes that a packet of IPv4 has come without its identification, though the socket was asked for that: something has come from this host, or from a guest of it
// (see [udp.Packet]). Users are told once.
func (p *port) blinded() {
	if p.whole.CompareAndSwap(true, false) && p.d.opened != nil {
		p.d.opened(p.info())
	}
}

// release ends one use.
func (p *port) release() {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.uses--; p.uses == 0 && !d.closed {
		p.idle = time.AfterFunc(lingers, p.expire)
	}
}

// expire closes the port if nobody has come to use it again.
func (p *port) expire() {
	d := p.d
	d.opening.Lock()
	defer d.opening.Unlock()
	d.mu.Lock()
	idle := p.uses == 0 && d.ports[p.at] == p
	if idle {
		delete(d.ports, p.at)
		d.count.keep(p.socket.Stats())
	}
	d.mu.Unlock()
	if idle {
		_ = p.socket.Close() // nobody is there who could be told
	}
}

// clear closes ports that nobody uses: they may be in the way of one at all addresses of their family, or it in the way of them. false: there was none. d.opening is held.
func (d *Device) clear() bool {
	var idle []*port
	d.mu.Lock()
	for at, p := range d.ports {
		if p.uses == 0 {
			if p.idle != nil { // nil: the device was closed meanwhile
				p.idle.Stop()
			}
			delete(d.ports, at)
			d.count.keep(p.socket.Stats())
			idle = append(idle, p)
		}
	}
	d.mu.Unlock()
	for _, p := range idle {
		_ = p.socket.Close() // nobody is there who could be told
	}
	return len(idle) > 0
}

// closePorts closes all sockets.
func (d *Device) closePorts() error {
	d.opening.Lock()
	defer d.opening.Unlock()
	d.mu.Lock()
	all := d.ports
	d.ports = make(map[portKey]*port)
	d.mu.Unlock()
	var errs []error
	for _, p := range all {
		if p.idle != nil {
			p.idle.Stop()
		}
		errs = append(errs, p.socket.Close())
	}
	return errors.Join(errs...)
}
