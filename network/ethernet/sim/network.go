// Package sim is raw Ethernet inside the process: a hub with interfaces of several hosts, with faults. It keeps the contract of
// network/ethernet, and is strict about what users may do. It is for tests.
//
// Every wire has one goroutine, which hands over what has come. There is no other clock than package time's, so that all of it
// runs under testing/synctest.
package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
)

// A Network is a hub: what one interface sends comes to all others. Its methods may be called from any goroutine.
type Network struct {
	mu         sync.Mutex // all of the network, its hosts, interfaces and wires
	interfaces []*Interface
	faults     Faults
	frames     int // that have been sent
	timers     map[*time.Timer]struct{}
	violations []string
}

// New makes a network without faults.
func New() *Network { return &Network{timers: make(map[*time.Timer]struct{})} }

// Break sets what goes wrong from now on; nil is nothing.
func (n *Network) Break(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
}

// Frames is how many frames have been sent.
func (n *Network) Frames() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.frames
}

// Close forgets what is delayed. An error says what users have done that they may not, or have left open.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for t := range n.timers {
		t.Stop()
		delete(n.timers, t)
	}
	for _, i := range n.interfaces {
		if len(i.wires) > 0 {
			n.violate("%d wires on %s of the host %q are open", len(i.wires), i.state.Name, i.host.name)
		}
	}
	if len(n.violations) > 0 {
		return fmt.Errorf("ethernet/sim: %s", strings.Join(n.violations, "; "))
	}
	return nil
}

// violate notes what a user has done that it may not. n.mu is held.
func (n *Network) violate(format string, args ...any) {
	if len(n.violations) < 10 {
		n.violations = append(n.violations, fmt.Sprintf(format, args...))
	}
}

// Host makes a host without interfaces. The name is for messages.
func (n *Network) Host(name string) *Host { return &Host{net: n, name: name} }

// A Host has interfaces on the network; it is an [ethernet.Host].
type Host struct {
	net  *Network
	name string
}

// Add makes an interface that is up, or brings one of the name back, as it is said now. "eth0.100" is the interface for VLAN 100 of eth0.
func (h *Host) Add(name string, mac ethernet.MAC, mtu int) *Interface {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	i := h.find(name)
	if i == nil {
		i = &Interface{net: h.net, host: h}
		if parent, vlan, ok := strings.Cut(name, "."); ok && h.find(parent) != nil {
			v, _ := strconv.ParseUint(vlan, 10, 12)
			i.vlan = uint16(v)
		}
		h.net.interfaces = append(h.net.interfaces, i)
	}
	i.set(ethernet.State{Name: name, MAC: mac, MTU: mtu, Up: true})
	return i
}

// find is the interface of the name, or nil. h.net.mu is held.
func (h *Host) find(name string) *Interface {
	for _, i := range h.net.interfaces {
		if i.host == h && i.state.Name == name {
			return i
		}
	}
	return nil
}

// Open opens an interface.
func (h *Host) Open(c ethernet.Config) (ethernet.Wire, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	vlan := c.VLAN
	i := h.find(c.Interface)
	if vlan != 0 {
		if own := h.find(c.Interface + "." + strconv.Itoa(int(vlan))); own != nil && !own.state.Gone {
			i, vlan = own, 0
		}
	}
	if i == nil || i.state.Gone {
		return nil, fmt.Errorf("%w: %s", ethernet.ErrNoInterface, c.Interface)
	}
	if vlan == 0 {
		vlan = i.vlan
	}
	w := &wire{net: h.net, at: i, vlan: vlan, config: c, told: i.state, room: max(int(c.Receives), 1<<16)}
	w.config.Types = slices.Clone(c.Types)
	w.wake.L = &h.net.mu
	i.wires = append(i.wires, w)
	return w, nil
}

// An Interface is one of a host.
type Interface struct {
	net     *Network
	host    *Host
	vlan    uint16 // of an interface for a VLAN
	state   ethernet.State
	wires   []*wire
	takes   int // frames that a Send takes at most; 0: all
	blocked bool
}

// set changes the state, and lets the wires tell of it. i.net.mu is held.
func (i *Interface) set(s ethernet.State) {
	i.state = s
	for _, w := range i.wires {
		w.wake.Broadcast()
	}
}

// change changes the state by f.
func (i *Interface) change(f func(s *ethernet.State)) {
	i.net.mu.Lock()
	defer i.net.mu.Unlock()
	s := i.state
	f(&s)
	i.set(s)
}

// SetUp takes the link down, or up.
func (i *Interface) SetUp(up bool) { i.change(func(s *ethernet.State) { s.Up = up && !s.Gone }) }

// SetMTU changes the MTU.
func (i *Interface) SetMTU(mtu int) { i.change(func(s *ethernet.State) { s.MTU = mtu }) }

// SetMAC changes the MAC.
func (i *Interface) SetMAC(m ethernet.MAC) { i.change(func(s *ethernet.State) { s.MAC = m }) }

// Remove takes the interface out of the host; [Host.Add] brings it back.
func (i *Interface) Remove() { i.change(func(s *ethernet.State) { s.Up, s.Gone = false, true }) }

// Takes lets Send take at most n frames at a time, after which Writable is called; 0: all of them.
func (i *Interface) Takes(n int) {
	i.net.mu.Lock()
	i.takes = n
	i.net.mu.Unlock()
}

// Block lets Send take nothing, until it is called with false, when Writable is called.
func (i *Interface) Block(blocked bool) {
	i.net.mu.Lock()
	i.blocked = blocked
	for _, w := range i.wires {
		w.wake.Broadcast()
	}
	i.net.mu.Unlock()
}
