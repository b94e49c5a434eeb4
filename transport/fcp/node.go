// Package fcp is a target of the Fibre Channel Protocol for SCSI (FCP-4) on any network of package fc. docs/design/fcp.md
// says how it is made.
package fcp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// A Node is the FCP side of a daemon: its targets, portals and sessions.
type Node struct {
	cfg Config
	log *slog.Logger

	// mu comes before the locks of the target layer, of networks and of tasks.
	mu      sync.Mutex
	targets map[string]*servedTarget // by the name of the SCSI target
	portals map[*Portal]struct{}     // that are not closed
	nexuses map[nexusKey]*nexus      // that are logged in
	all     map[*nexus]struct{}      // those whose tasks have not all ended as well
	doors   doors
	numbers int64
	closing bool
	changed sync.Cond // with mu: a nexus has gone

	stop chan struct{}
	done sync.WaitGroup
}

// ErrClosed reports that the node is shutting down.
var ErrClosed = errors.New("fcp: node closed")

// NewNode makes a node with no targets, and starts its clock; Shutdown ends it.
func NewNode(cfg Config) (*Node, error) {
	cfg.defaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, log: cfg.Log,
		targets: make(map[string]*servedTarget),
		portals: make(map[*Portal]struct{}),
		nexuses: make(map[nexusKey]*nexus),
		all:     make(map[*nexus]struct{}),
		stop:    make(chan struct{}),
	}
	n.doors.init(&n.cfg)
	n.changed.L = &n.mu
	n.done.Add(1)
	go n.clock()
	return n, nil
}

// SetLimits changes MaxNexuses of Config, 0: to its default, for who logs in from now on.
func (n *Node) SetLimits(nexuses int) {
	cfg := Config{MaxNexuses: nexuses, Arena: n.cfg.Arena}
	cfg.defaults()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doors.resize(cfg.MaxNexuses)
}

// clock does once a second what waits for nobody: it tells the log of what it was not told one by one, looks at what initiators owe and at
// networks, and portals try again what they could not do.
func (n *Node) clock() {
	defer n.done.Done()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-t.C:
			n.tell()
			n.look()
			for _, c := range n.channels() {
				c.check()
			}
		}
	}
}

// look wakes portals that have something to try again, and tells the log of networks whose state is another.
func (n *Node) look() {
	n.mu.Lock()
	all := make([]*Portal, 0, len(n.portals))
	for p := range n.portals {
		if p.failed {
			p.wake()
		}
		all = append(all, p)
	}
	n.mu.Unlock()
	for _, p := range all {
		p.watch()
	}
}

// channels are those of the nexuses that are logged in.
func (n *Node) channels() []*channel {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*channel, 0, len(n.nexuses))
	for _, nx := range n.nexuses {
		all = append(all, nx.channel)
	}
	return all
}

// Shutdown logs all initiators out, which they are told (LOGO), and aborts their commands: FCP has no way to ask an
// initiator to go. The portals are closed. It returns when no nexus is there any more; what waits is the end of tasks, for which no
// ctx makes a difference.
func (n *Node) Shutdown(context.Context) error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	n.endSessions(func(*nexus) bool { return true }, ErrClosed, nil)
	n.mu.Lock()
	for len(n.all) > 0 {
		n.changed.Wait()
	}
	clear(n.targets)
	for p := range n.portals {
		p.wake()
	}
	n.mu.Unlock()
	close(n.stop)
	n.done.Wait()
	n.tell()
	return nil
}
