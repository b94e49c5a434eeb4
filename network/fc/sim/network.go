// Package sim is a provider of networks of Fibre Channel inside the process, for tests: of neighbours ([New]), or with a
// fabric ([NewFabric]). It keeps the contract of network/fc, is strict about what users may do, and has the faults that wires
// have ([Faults]).
//
// Every port has one goroutine, which hands over what has come in batches. There is no other clock than package time's, so
// that all of it runs under testing/synctest.
package sim

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/internal/station"
)

// Config says what a network is. The zero Config is right.
type Config struct {
	// MaxPayload is of all ports; 0: 2112.
	MaxPayload int
	// ErrorDetect and ResourceAllocation are E_D_TOV and R_A_TOV; 0: 2 s and 4 s, as FCoE has them.
	ErrorDetect, ResourceAllocation time.Duration
	// Receives is as in fc.Attachment; 0: 1 MiB.
	Receives int64
	// Learn is how long neighbours do not notice that a port is gone; 0: they do at once.
	Learn time.Duration
}

// A Network is one of neighbours, each of which sees all others; or of ports outside of a fabric. Its methods may be called from any goroutine.
type Network struct {
	config Config

	mu     sync.Mutex // all of the network and of its stations
	closed bool
	wall   *wall             // nil: there is no fabric
	cut    bool              // all links are down
	ports  []*port           // in the order in which they were attached
	ids    map[fc.Name]fc.ID // kept, as names come again
	downs  map[fc.Name]bool  // links that are cut
	faults Faults
	later  map[*time.Timer]struct{}
}

// New makes a network of neighbours, without faults.
func New() *Network { return With(Config{}) }

// With makes a network as c says.
func With(c Config) *Network {
	if c.MaxPayload == 0 {
		c.MaxPayload = fc.MaxPayload
	}
	if c.ErrorDetect == 0 {
		c.ErrorDetect = 2 * time.Second
	}
	if c.ResourceAllocation == 0 {
		c.ResourceAllocation = 4 * time.Second
	}
	if c.Receives == 0 {
		c.Receives = 1 << 20
	}
	return &Network{
		config: c, ids: make(map[fc.Name]fc.ID), downs: make(map[fc.Name]bool), later: make(map[*time.Timer]struct{}),
	}
}

// Errors that handlers get.
var (
	errCut  = fmt.Errorf("%w: sim: the link was cut", fc.ErrDown)
	errGone = errors.New("sim: the port is not there any more")
)

// Attach makes a port. Its name may be on the network once.
func (n *Network) Attach(c fc.PortConfig, h fc.Handler) (fc.Link, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("sim: attach: %w", fc.ErrClosed)
	}
	if n.named(c.Port) != nil {
		return nil, fmt.Errorf("sim: attach: there is a port %v already", c.Port)
	}
	p := &port{net: n, config: c, fates: make(map[*fc.Sequence]Fate), knows: make(map[fc.ID]*port)}
	p.Station = station.New(station.Config{Lock: &n.mu, Handler: h, Frame: p.frame, Back: func(s *fc.Sequence) { delete(p.fates, s) }, Misuse: misuse})
	n.ports = append(n.ports, p)
	if !n.isDown(p) {
		n.join(p)
	}
	return p, nil
}

// Info says what is known of the network.
func (n *Network) Info() fc.NetworkInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := fc.NetworkInfo{Provider: "sim", Address: "sim", State: "up"}
	if n.cut {
		i.State = "the links are cut"
	}
	for _, p := range n.ports {
		i.Lines = append(i.Lines, fmt.Sprintf("%v %v", p.id, p.config.Port))
	}
	return i
}

// Close ends the network; it tells of links that are open.
func (n *Network) Close() error {
	if err := n.end(); err != nil {
		return err
	}
	if n.wall != nil {
		n.wall.Station.Close(fc.ErrClosed)
	}
	return nil
}

// end ends a network without links.
func (n *Network) end() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ports) > 0 {
		return fmt.Errorf("sim: close: %d links are open", len(n.ports))
	}
	n.closed = true
	for t := range n.later {
		t.Stop()
	}
	clear(n.later)
	return nil
}

// Cut takes the links of ports down, now and until Mend; without names those of all ports.
func (n *Network) Cut(names ...fc.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = n.cut || len(names) == 0
	for _, name := range names {
		n.downs[name] = true
	}
	for _, p := range n.ports {
		if n.isDown(p) {
			n.leave(p, errCut)
		}
	}
}

// Mend lets links come up again; without names all.
func (n *Network) Mend(names ...fc.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(names) == 0 {
		n.cut = false
		clear(n.downs)
	}
	for _, name := range names {
		delete(n.downs, name)
	}
	for _, p := range n.ports {
		if !n.isDown(p) && !p.Up() {
			n.join(p)
		}
	}
}

// isDown reports that the link of a port is cut, or that it is closed. n.mu is held.
func (n *Network) isDown(p *port) bool {
	return n.cut || n.downs[p.config.Port] || !slices.Contains(n.ports, p)
}

// address is that of a name: the same each time, made of the end of the name if that is free. n.mu is held.
func (n *Network) address(name fc.Name) fc.ID {
	if id, ok := n.ids[name]; ok {
		return id
	}
	taken := func(id fc.ID) bool {
		for _, o := range n.ids {
			if o == id {
				return true
			}
		}
		return id == 0 || id == 0xffff
	}
	id := fc.ID(name & 0xffff)
	for taken(id) {
		id = (id + 1) & 0xffff
	}
	n.ids[name] = id
	return id
}

// named finds a port. n.mu is held.
func (n *Network) named(name fc.Name) *port {
	for _, p := range n.ports {
		if p.config.Port == name {
			return p
		}
	}
	return nil
}

// at finds a port that is up. n.mu is held.
func (n *Network) at(id fc.ID) *port {
	for _, p := range n.ports {
		if p.id == id && p.Up() {
			return p
		}
	}
	return nil
}

// join brings a port up; it and its neighbours find each other. n.mu is held.
func (n *Network) join(p *port) {
	if n.wall != nil {
		n.login(p)
		return
	}
	p.id = n.address(p.config.Port)
	p.SetUp(fc.Attachment{
		ID: p.id, MaxPayload: n.config.MaxPayload, ErrorDetect: n.config.ErrorDetect, ResourceAllocation: n.config.ResourceAllocation,
		Receives: n.config.Receives,
	})
	for _, o := range n.ports {
		if o != p && o.Up() {
			o.know(p)
			p.know(o)
		}
	}
}

// leave takes a port down; its neighbours learn of it. n.mu is held.
func (n *Network) leave(p *port, why error) {
	if !p.Up() {
		return
	}
	p.SetDown(why)
	p.forget()
	if n.wall != nil {
		// What it has sent before does not overtake its next login.
		n.wall.Purge(p.id)
		n.wall.fabric.Logout(p.id, why)
		return
	}
	for _, o := range n.ports {
		if o.knows[p.id] != p {
			continue
		}
		if n.config.Learn == 0 {
			o.lose(p)
			continue
		}
		delete(o.knows, p.id)
		o.unlearned(p)
	}
}

// remove takes a port out that is closed. n.mu is held.
func (n *Network) remove(p *port) {
	n.ports = slices.DeleteFunc(n.ports, func(o *port) bool { return o == p })
}

// after calls f in time, with n.mu held, unless the network is closed by then. n.mu is held.
func (n *Network) after(d time.Duration, f func()) {
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if _, ok := n.later[t]; ok {
			delete(n.later, t)
			f()
		}
	})
	n.later[t] = struct{}{}
}
