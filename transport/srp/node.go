// Package srp is a target of the SCSI RDMA Protocol (SRP, INCITS 365, and SRP-2's immediate data)
// on connections of network/rdma. How it works is in docs/design/srp.md.
package srp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A Node is targets, and the I_T nexuses with them, through any number of portals.
type Node struct {
	cfg Config
	log *slog.Logger

	// mu comes before the locks of the target layer and of channels.
	mu       sync.Mutex
	targets  map[iu.PortID]*servedTarget
	names    map[string]*servedTarget // the same by name, and those whose identifier another has
	timeout  time.Duration            // of logins
	nexuses  map[nexusKey]*nexus      // that have a connection
	all      map[*nexus]struct{}      // those whose tasks have not all ended as well
	channels map[*channel]struct{}    // the same
	doors    doors
	numbers  int64
	closing  bool
	changed  sync.Cond // with mu: a channel, nexus or login has gone

	stop chan struct{}
	done sync.WaitGroup
}

// ErrClosed reports that the node is shutting down.
var ErrClosed = errors.New("srp: node closed")

// NewNode makes a node and starts its clock; Shutdown ends it.
func NewNode(cfg Config) (*Node, error) {
	cfg.defaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, log: cfg.Log,
		targets:  make(map[iu.PortID]*servedTarget),
		names:    make(map[string]*servedTarget),
		timeout:  cfg.LoginTimeout,
		nexuses:  make(map[nexusKey]*nexus),
		all:      make(map[*nexus]struct{}),
		channels: make(map[*channel]struct{}),
		stop:     make(chan struct{}),
	}
	n.doors.init(&n.cfg)
	n.changed.L = &n.mu
	n.done.Add(1)
	go n.clock()
	return n, nil
}

// SetLimits changes those limits of Config, 0: to their defaults, for what comes from now on.
func (n *Node) SetLimits(channels, logins int, loginTimeout time.Duration) {
	cfg := Config{MaxChannels: channels, MaxLogins: logins, LoginTimeout: loginTimeout, Arena: n.cfg.Arena}
	cfg.defaults()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doors.logins.Resize(cfg.MaxLogins)
	n.doors.channels.Resize(cfg.MaxChannels)
	n.doors.ports.Resize(cfg.MaxChannels)
	n.timeout = cfg.LoginTimeout
}

// clock looks at every channel once a second: one goroutine for all time-outs.
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
			for _, c := range n.list() {
				c.watch.check(c)
			}
		}
	}
}

// list is all channels now.
func (n *Node) list() []*channel {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*channel, 0, len(n.channels))
	for c := range n.channels {
		all = append(all, c)
	}
	return all
}

// wake lets Shutdown look again.
func (n *Node) wake() {
	n.mu.Lock()
	n.changed.Broadcast()
	n.mu.Unlock()
}

// Shutdown tells all initiators that their channels end, and ends them. Commands that are under
// way are aborted: SRP has no way to ask an initiator to go. The portals have stopped accepting.
// Channels whose initiators have not taken the last word when ctx is done are broken off. It
// returns when no channel and no nexus is there any more.
func (n *Node) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	var leave []*channel
	for _, c := range n.list() {
		if c.link.leave(iu.LogoutNoReason, ErrClosed, true) {
			c.link.conn.Flush()
			leave = append(leave, c)
		}
	}
	wake := context.AfterFunc(ctx, n.wake)
	defer wake()
	for _, c := range leave {
		n.mu.Lock()
		for !c.link.isLogoutDone() && ctx.Err() == nil {
			n.changed.Wait()
		}
		n.mu.Unlock()
	}
	for _, c := range leave {
		if c.link.isLogoutDone() {
			c.link.conn.Close(nil)
		} else {
			c.link.conn.Close(ErrClosed)
		}
	}
	n.mu.Lock()
	for len(n.channels) > 0 || len(n.nexuses) > 0 || len(n.all) > 0 || n.doors.logins.Taken() > 0 {
		n.changed.Wait()
	}
	n.mu.Unlock()
	n.mu.Lock()
	for _, t := range n.names {
		n.dropTarget(t)
	}
	n.mu.Unlock()
	close(n.stop)
	n.done.Wait()
	n.tell()
	return nil
}
