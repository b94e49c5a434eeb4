package roce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/lunette-io/lunette/internal/handed"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib/cm"
)

// A service is a service point: a port number of the communication manager at a local address. One listener has it, and two while it is handed on: then requests are
// the older one's until the other accepts for the first time.
type service struct {
	d    *Device
	key  serviceKey
	port *port
	stop func()

	mu        sync.Mutex
	listeners []*Listener // that whose turn it is first
}

type serviceKey = netip.AddrPort

// firstFree and lastFree are the numbers of services whose users want any.
const (
	firstFree = 49152
	lastFree  = 65535
)

// Listen implements rdma.Device. An address of IPv4 takes connections of IPv4 alone, 0.0.0.0 too, and one of IPv6 those of IPv6, [::] too. If the context has a
// socket that was handed on (package handed) the service point may be one that is there: see Listener.Share.
func (d *Device) Listen(ctx context.Context, addr string) (rdma.Listener, error) {
	to, err := resolve(ctx, addr)
	if err != nil {
		return nil, err
	}
	l := newListener(d)
	if handed.Socket(ctx) != nil && d.takeOver(to, l) {
		return l, nil
	}
	p, err := d.use(ctx, to.Addr())
	if err != nil {
		return nil, err
	}
	s := &service{d: d, port: p, listeners: []*Listener{l}}
	l.service = s
	if err := s.start(to); err != nil {
		p.release()
		return nil, err
	}
	return l, nil
}

// takeOver makes l the next listener of a service point that is there.
func (d *Device) takeOver(at serviceKey, l *Listener) bool {
	d.mu.RLock()
	s := d.services[at]
	d.mu.RUnlock()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) == 0 { // it has just been closed
		return false
	}
	l.service = s
	s.listeners = append(s.listeners, l)
	return true
}

// start makes the service point; port 0 is one that is free.
func (s *service) start(at netip.AddrPort) error {
	if at.Port() != 0 {
		return s.startAt(at)
	}
	for range 100 {
		n := firstFree + uint16(random32()%(lastFree-firstFree+1))
		err := s.startAt(netip.AddrPortFrom(at.Addr(), n))
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return syscall.EADDRINUSE
}

func (s *service) startAt(at netip.AddrPort) error {
	d := s.d
	d.mu.Lock()
	for other := range d.services {
		if clash(at, other) {
			d.mu.Unlock()
			return fmt.Errorf("roce: %v is listened on: %w", other, syscall.EADDRINUSE)
		}
	}
	s.key = at
	d.services[at] = s
	d.mu.Unlock()
	stop, err := d.cm.Listen(at.Addr(), at.Port(), s)
	if err != nil {
		d.forget(s)
		return err
	}
	s.stop = stop
	return nil
}

// clash reports that what comes to one service point might be for the other.
func clash(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Is4() == b.Addr().Is4() &&
		(a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

func (d *Device) forget(s *service) {
	d.mu.Lock()
	delete(d.services, s.key)
	d.mu.Unlock()
}

// Requested implements cm.Listener.
func (s *service) Requested(r *cm.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listeners) > 0 && s.listeners[0].add(r)
}

// Withdrawn implements cm.Listener.
func (s *service) Withdrawn(r *cm.Request, evicted bool) {
	s.mu.Lock()
	all := slices.Clone(s.listeners)
	s.mu.Unlock()
	for _, l := range all {
		l.withdraw(r, evicted)
	}
}

// turn makes it the turn of l.
func (s *service) turn(l *Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.listeners, l); i > 0 {
		s.listeners = append([]*Listener{l}, slices.Delete(s.listeners, i, i+1)...)
	}
}

// leave takes l off, and returns the next listener; nil: l was the last one.
func (s *service) leave(l *Listener) (next *Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.listeners, l); i >= 0 {
		s.listeners = slices.Delete(s.listeners, i, i+1)
	}
	if len(s.listeners) > 0 {
		next = s.listeners[0]
	}
	return next
}

// end ends the service point, which has no listener any more.
func (s *service) end() {
	s.stop()
	s.d.forget(s)
	s.port.release()
}

// resolve finds the address of HOST:PORT; of a host that has several, one of IPv4 if there is one.
func resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("roce: %q is no port", port)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	i := max(0, slices.IndexFunc(all, func(a netip.Addr) bool { return a.Unmap().Is4() }))
	if len(all) == 0 {
		return netip.AddrPort{}, fmt.Errorf("roce: %s has no address", host)
	}
	return netip.AddrPortFrom(all[i].Unmap(), uint16(n)), nil
}
