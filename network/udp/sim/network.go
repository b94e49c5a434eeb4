// Package sim is datagrams inside the process: hosts with addresses in one network, with faults. It keeps the contract of
// network/udp, and is strict about what users may do. It is for tests.
//
// Every lane of a socket has one goroutine, which hands over what has come. There is no other clock than package time's, so that all of it
// runs under testing/synctest.
package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/udp"
)

// A Network has hosts that reach each other. Its methods may be called from any goroutine.
type Network struct {
	mu         sync.Mutex // all of the network, its hosts and sockets
	hosts      []*Host
	faults     Faults
	narrow     Bottleneck
	links      map[link]*queue
	cuts       map[link]struct{}
	datagrams  int     // that have been sent
	way        transit // that have not arrived
	timer      *time.Timer
	closed     bool
	violations []string
}

// A link is a direction between two hosts.
type link struct{ from, to *Host }

// A queue is what waits for a bottleneck: until when it is busy.
type queue struct{ busy time.Time }

// New makes a network without faults.
func New() *Network {
	return &Network{links: make(map[link]*queue), cuts: make(map[link]struct{})}
}

// Break sets what goes wrong from now on; nil is nothing.
func (n *Network) Break(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
}

// Narrow puts a bottleneck between hosts; the zero value takes it away.
func (n *Network) Narrow(b Bottleneck) {
	n.mu.Lock()
	n.narrow = b
	n.mu.Unlock()
}

// Cut lets nothing pass between two hosts any more, in both directions, or lets it pass again. What is on its way is lost.
func (n *Network) Cut(a, b *Host, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range []link{{a, b}, {b, a}} {
		if cut {
			n.cuts[l] = struct{}{}
		} else {
			delete(n.cuts, l)
		}
	}
}

// Datagrams is how many have been sent.
func (n *Network) Datagrams() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.datagrams
}

// Close forgets what is on its way. An error says what users have done that they may not, or have left open.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed, n.way = true, nil
	if n.timer != nil {
		n.timer.Stop()
	}
	for _, h := range n.hosts {
		if len(h.sockets) > 0 {
			n.violate("%d sockets of the host %q are open", len(h.sockets), h.name)
		}
	}
	if len(n.violations) > 0 {
		return fmt.Errorf("udp/sim: %s", strings.Join(n.violations, "; "))
	}
	return nil
}

// violate notes what a user has done that it may not. n.mu is held.
func (n *Network) violate(format string, args ...any) {
	if len(n.violations) < 10 {
		n.violations = append(n.violations, fmt.Sprintf(format, args...))
	}
}

// Host makes a host with an interface of that MTU and those addresses. The name is for messages.
func (n *Network) Host(name string, mtu int, addresses ...netip.Addr) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &Host{net: n, name: name, mtu: mtu, capable: true, own: slices.Clone(addresses), had: slices.Clone(addresses)}
	n.hosts = append(n.hosts, h)
	return h
}

// find is who has an address, and whether anybody has had it. n.mu is held.
func (n *Network) find(a netip.Addr) (h *Host, known bool) {
	for _, h := range n.hosts {
		if slices.Contains(h.own, a) {
			return h, true
		}
		known = known || slices.Contains(h.had, a)
	}
	return nil, known
}

// A Host has addresses in the network; it is a [udp.Host].
type Host struct {
	net      *Network
	name     string
	mtu      int
	capable  bool // of knowing identifications
	uncut    bool // messages are not cut
	own, had []netip.Addr
	sockets  []*socket
	port     uint16 // the last one that was given away
}

// SetMTU changes the MTU. The MTU of a way is the smaller one of its ends'.
func (h *Host) SetMTU(mtu int) {
	h.net.mu.Lock()
	h.mtu = mtu
	h.net.mu.Unlock()
}

// SetCapable says whether sockets may know identifications; they may if nobody says anything.
func (h *Host) SetCapable(is bool) {
	h.net.mu.Lock()
	h.capable = is
	h.net.mu.Unlock()
}

// SetCuts says whether messages of several datagrams of IPv4 can be sent; they can if nobody says anything.
func (h *Host) SetCuts(is bool) {
	h.net.mu.Lock()
	h.uncut = !is
	h.net.mu.Unlock()
}

// Add gives the host another address, or one back.
func (h *Host) Add(a netip.Addr) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.own, h.had = append(h.own, a), append(h.had, a)
}

// Remove takes an address away. Datagrams to it are lost, and nothing can be sent from it.
func (h *Host) Remove(a netip.Addr) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.own = slices.DeleteFunc(h.own, func(x netip.Addr) bool { return x == a })
}

// MTU is that of the way from local to remote, and local itself.
func (h *Host) MTU(local, remote netip.Addr) (netip.Addr, int, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.way(local, remote)
}

// way is [Host.MTU]. h.net.mu is held.
func (h *Host) way(local, remote netip.Addr) (netip.Addr, int, error) {
	to, known := h.net.find(remote)
	if !known {
		return local, 0, fmt.Errorf("%w: %v: nobody has it", udp.ErrUnreachable, remote)
	}
	if !local.IsValid() || local.IsUnspecified() {
		i := slices.IndexFunc(h.own, func(a netip.Addr) bool { return a.Is4() == remote.Is4() && a.Zone() == remote.Zone() })
		if i < 0 {
			return local, 0, fmt.Errorf("%w: %v: the host %q has no such address", udp.ErrUnreachable, remote, h.name)
		}
		local = h.own[i]
	}
	switch {
	case !slices.Contains(h.own, local):
		return local, 0, fmt.Errorf("%w: from %v: the host %q has not got it", udp.ErrUnreachable, local, h.name)
	case local.Is4() != remote.Is4():
		return local, 0, fmt.Errorf("%w: %v from %v", udp.ErrUnreachable, remote, local)
	case to == nil:
		return local, h.mtu, nil
	}
	return local, min(h.mtu, to.mtu), nil
}
