// Package virtio is the SCSI transport of virtio's SCSI host device (virtio 1.3, 5.6): targets and logical units for the guests of virtual machines, whose requests come by the queues of package
// vhost. Each socket is one SCSI host with up to 256 targets. docs/design/virtio.md says how it is made.
package virtio

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lunette-io/lunette/internal/share"
)

// A Node is the virtio side of a daemon: its targets, portals and sessions.
type Node struct {
	cfg Config
	log *slog.Logger

	// mu comes before the locks of the target layer and of a guest's events. Nothing of package vhost is called with it.
	mu      sync.Mutex
	targets map[string]*servedTarget // by the name of the SCSI target
	portals map[*Portal]struct{}     // that are not closed
	all     map[*nexus]struct{}      // those as well that are lost and whose tasks have not all ended
	doors   *share.Pot[*Portal]
	told    doorLogs
	numbers int64 // of nexuses
	closing bool
	changed sync.Cond // with mu: a nexus has gone

	kick chan struct{} // an event waits to be told
	stop chan struct{}
	done sync.WaitGroup
}

// ErrClosed reports that the node is shutting down.
var ErrClosed = errors.New("virtio: node closed")

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
		all:     make(map[*nexus]struct{}),
		doors:   share.NewPot[*Portal](share.Rule{Size: cfg.MaxNexuses, Multiple: portalMultiple}),
		kick:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
	}
	n.changed.L = &n.mu
	n.done.Add(1)
	go n.clock()
	return n, nil
}

// SetLimits changes MaxNexuses of Config, 0: to its default, for what comes from now on.
func (n *Node) SetLimits(nexuses int) {
	cfg := Config{MaxNexuses: nexuses, Arena: n.cfg.Arena}
	cfg.defaults()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doors.Resize(cfg.MaxNexuses)
}

// clock does what waits for nobody: it tells guests of events as they come, and looks once a second whether there is room for those that had to wait, and for nexuses that there was no room for.
func (n *Node) clock() {
	defer n.done.Done()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-n.kick:
		case <-t.C:
			n.told.tell(n.log)
			n.retry()
		}
		for _, g := range n.guests() {
			g.tell()
		}
	}
}

// wake lets the clock tell guests of events. It may be called with any lock.
func (n *Node) wake() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// guests are those that there are.
func (n *Node) guests() []*guest {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*guest
	for p := range n.portals {
		if p.guest != nil {
			all = append(all, p.guest)
		}
	}
	return all
}

// retry logs guests in at targets that there was no room for.
func (n *Node) retry() {
	n.mu.Lock()
	var later deferred
	for p := range n.portals {
		if p.crowded {
			p.arrange(&later)
		}
	}
	n.mu.Unlock()
	later.run()
}

// Shutdown ends the connections of all portals, and with them their guests' drivers: virtio has no way to ask a guest to go, and one that finds the next daemon at the socket hands it what this one has
// not answered. It returns when no nexus is there any more; what waits is the end of tasks, for which no ctx makes a difference.
func (n *Node) Shutdown(context.Context) error {
	n.mu.Lock()
	n.closing = true
	var all []*Portal
	for p := range n.portals {
		all = append(all, p)
	}
	n.mu.Unlock()
	var errs []error
	for _, p := range all {
		errs = append(errs, p.Close())
	}
	n.mu.Lock()
	for len(n.all) > 0 {
		n.changed.Wait()
	}
	clear(n.targets)
	n.mu.Unlock()
	close(n.stop)
	n.done.Wait()
	n.told.tell(n.log)
	return errors.Join(errs...)
}
