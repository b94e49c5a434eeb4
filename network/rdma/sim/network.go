// Package sim is a provider of RDMA inside the process: devices of one [Network] reach each
// other by name, and data moves by copies between leases. It keeps the contract of
// network/rdma, is strict about what users may do, and has the faults that hardware has
// ([Faults]). It is for tests.
//
// Every started connection has one goroutine, which hands over what has come and ends with
// Handler.Closed. Works are done by it or by whoever calls Flush, as in providers on sockets.
// There is no other clock than package time's, so that all of it runs under testing/synctest.
package sim

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

const (
	// backlog is how many peers wait for Accept; more are refused.
	backlog = 128
	// linger is how long an orderly end may take.
	linger = 5 * time.Second
	// firstPort is the first of those that are given to who asks for any.
	firstPort = 49152
)

// A Network is what devices reach each other by. Its methods may be called from any goroutine.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	conns     map[*conn]struct{} // not ended
	port      int
	faults    Faults
}

// New makes a network without faults.
func New() *Network {
	return &Network{listeners: make(map[string]*listener), conns: make(map[*conn]struct{}), port: firstPort}
}

// Break sets what goes wrong from now on, on all connections; nil is nothing.
func (n *Network) Break(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
}

// Cut loses all connections: both sides learn of it at once. New ones can be made.
func (n *Network) Cut() {
	n.mu.Lock()
	all := make([]*conn, 0, len(n.conns))
	for c := range n.conns {
		all = append(all, c)
	}
	n.mu.Unlock()
	for _, c := range all {
		c.l.mu.Lock()
		c.end(errCut)
		c.l.mu.Unlock()
	}
}

var errCut = fmt.Errorf("%w: sim: the network was cut", rdma.ErrLost)

func (n *Network) fate(e Event) Fate {
	n.mu.Lock()
	f := n.faults
	n.mu.Unlock()
	if f == nil {
		return Fate{}
	}
	return f(e)
}

// Device makes a device on the network.
func (n *Network) Device() rdma.Device { return &device{net: n} }

// A device counts what is made with it, so that Close can tell what was left.
type device struct {
	net     *Network
	running sync.WaitGroup // goroutines of connections

	mu        sync.Mutex
	conns     int
	listeners int
	closed    bool
}

// use counts a connection or listener; false: the device is closed.
func (d *device) use(n *int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		*n++
	}
	return !d.closed
}

func (d *device) free(n *int) {
	d.mu.Lock()
	*n--
	d.mu.Unlock()
}

// Close ends the device. An error says that its user has left something open.
func (d *device) Close() error {
	d.mu.Lock()
	conns, listeners := d.conns, d.listeners
	d.closed = conns == 0 && listeners == 0
	d.mu.Unlock()
	if conns != 0 || listeners != 0 {
		return fmt.Errorf("sim: device closed with %d connections and %d listeners", conns, listeners)
	}
	d.running.Wait()
	return nil
}

// Listen makes a service point.
func (d *device) Listen(ctx context.Context, addr string) (rdma.Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("sim: listen: %w", err)
	}
	if p, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("sim: listen %s: bad port", addr)
	} else if p == 0 {
		port = d.net.free(host)
	}
	l := &listener{dev: d, addr: net.JoinHostPort(host, port)}
	l.changed.L = &l.mu
	if !d.use(&d.listeners) {
		return nil, fmt.Errorf("sim: listen %s: %w", addr, net.ErrClosed)
	}
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.net.listeners[l.addr] != nil {
		d.free(&d.listeners)
		return nil, fmt.Errorf("sim: listen %s: address in use", addr)
	}
	d.net.listeners[l.addr] = l
	return l, nil
}

// free finds a port that nobody has got so far.
func (n *Network) free(host string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		port := strconv.Itoa(n.port)
		if n.port++; n.port > 65535 {
			n.port = firstPort
		}
		if n.listeners[net.JoinHostPort(host, port)] == nil {
			return port
		}
	}
}

// find is the listener that addr reaches: its own, or one at all addresses.
func (n *Network) find(addr string) *listener {
	_, port, _ := net.SplitHostPort(addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range []string{addr, ":" + port, "0.0.0.0:" + port, "[::]:" + port} {
		if l := n.listeners[a]; l != nil {
			return l
		}
	}
	return nil
}

// Dial connects to a service point.
func (d *device) Dial(ctx context.Context, addr string, o rdma.Options) (rdma.Conn, []byte, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, fmt.Errorf("sim: dial: %w", err)
	}
	if len(o.Private) > rdma.MaxPrivate {
		return nil, nil, fmt.Errorf("sim: dial %s: %d bytes of private data, %d fit", addr, len(o.Private), rdma.MaxPrivate)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("sim: dial %s: %w", addr, err)
	}
	l := d.net.find(addr)
	if l == nil {
		return nil, nil, fmt.Errorf("%w: sim: dial %s: connection refused", rdma.ErrLost, addr)
	}
	r := &request{
		from: d, to: l.dev, options: o, private: append([]byte(nil), o.Private...),
		local: net.JoinHostPort(host, d.net.free(host)), remote: addr, answer: make(chan answer, 1),
	}
	if !l.put(r) {
		return nil, nil, fmt.Errorf("%w: sim: dial %s: connection refused", rdma.ErrLost, addr)
	}
	select {
	case a := <-r.answer:
		return a.take(addr)
	case <-ctx.Done():
	}
	if !r.decide() { // it has been answered at this moment
		return (<-r.answer).take(addr)
	}
	l.drop(r)
	return nil, nil, fmt.Errorf("sim: dial %s: %w", addr, ctx.Err())
}
