// Package srp is a target of the SCSI RDMA Protocol (SRP, INCITS 365, and SRP-2's immediate data)
// on connections of network/rdma. How it works is in docs/design/srp.md.
package srp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// Config says how a node behaves. The zero value of a field means its default.
type Config struct {
	Log   *slog.Logger
	Arena *buffer.Arena

	// Credits is how many requests a channel may have outstanding (its request limit). Default 128.
	Credits int
	// MaxIU is the longest information unit that a channel takes, in bytes: what is not needed for
	// descriptors is room for immediate data. Default 8276.
	MaxIU int
	// MaxDescriptors is how many memory descriptors a data buffer may have. Default 2048.
	MaxDescriptors int
	// MaxTransfer is how long a data buffer may be, in bytes. Default 64 MiB.
	MaxTransfer int64
	// Solicited bounds the data-out, in bytes, that the tasks of one channel fetch at a time; more
	// commands wait their turn. Default 16 MiB.
	Solicited int64
	// Reads is how many RDMA Reads a channel wants to have outstanding. Default 16.
	Reads int

	MaxChannels      int // of all nexuses; default 10000
	MaxNexusChannels int // of one; default 64
	MaxLogins        int // that are under way; default 100

	LoginTimeout time.Duration // for the end of the channels that a login terminates; default 15 s
	StallTimeout time.Duration // without progress of RDMA Reads or of sending; default 60 s
}

func (c *Config) defaults() {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Arena == nil {
		c.Arena = buffer.NewArena(1 << 30)
	}
	c.Credits = cmp.Or(c.Credits, 128)
	c.MaxIU = cmp.Or(c.MaxIU, 8276)
	c.MaxDescriptors = cmp.Or(c.MaxDescriptors, 2048)
	c.MaxTransfer = cmp.Or(c.MaxTransfer, 64<<20)
	c.Solicited = cmp.Or(c.Solicited, 16<<20)
	c.Reads = cmp.Or(c.Reads, 16)
	c.MaxChannels = cmp.Or(c.MaxChannels, 10000)
	c.MaxNexusChannels = cmp.Or(c.MaxNexusChannels, 64)
	c.MaxLogins = cmp.Or(c.MaxLogins, 100)
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 15*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, time.Minute)
}

// check refuses what no channel could work with. An initiator keeps one credit for task management.
func (c *Config) check() error {
	switch {
	case c.Credits < 2 || c.Credits > 1<<15:
		return fmt.Errorf("srp: Credits=%d is not from 2 to %d", c.Credits, 1<<15)
	case c.MaxIU < iu.LoginRequestLen || c.MaxIU > 1<<20:
		return fmt.Errorf("srp: MaxIU=%d is not from %d to %d", c.MaxIU, iu.LoginRequestLen, 1<<20)
	case c.MaxDescriptors < 1 || c.MaxDescriptors > buffer.MaxBlock/iu.DescriptorLen:
		return fmt.Errorf("srp: MaxDescriptors=%d is not from 1 to %d", c.MaxDescriptors, buffer.MaxBlock/iu.DescriptorLen)
	case c.Reads < 1:
		return fmt.Errorf("srp: Reads=%d is below 1", c.Reads)
	}
	return nil
}

// A Target is a SCSI target as SRP shows it.
type Target struct {
	SCSI *target.Target
	// IDExt and IOCGUID are the two halves of its port identifier.
	IDExt, IOCGUID uint64
	// Initiators are those that may log in, by the identifiers of their ports, 0x and 32 hexadecimal
	// digits, or by address; empty: all. Neither is an authentication.
	Initiators []string

	id     iu.PortID
	port   *target.Port
	access access
}

// relativePort is the RELATIVE TARGET PORT IDENTIFIER of every target's SRP port; iSCSI's is 1.
const relativePort = 2

// A Node is targets, and the I_T nexuses with them, through any number of portals.
type Node struct {
	cfg Config
	log *slog.Logger

	refused ratelog.Events // logins

	mu       sync.Mutex
	targets  map[iu.PortID]*Target
	nexuses  map[nexusKey]*nexus
	channels map[*channel]struct{}
	logins   int // under way
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
		targets:  make(map[iu.PortID]*Target),
		nexuses:  make(map[nexusKey]*nexus),
		channels: make(map[*channel]struct{}),
		stop:     make(chan struct{}),
	}
	n.changed.L = &n.mu
	n.done.Add(1)
	go n.clock()
	return n, nil
}

// AddTarget shows a target.
func (n *Node) AddTarget(t Target) (err error) {
	if t.access, err = parseAccess(t.Initiators); err != nil {
		return fmt.Errorf("srp: target %s: %w", t.SCSI.Name, err)
	}
	t.id = iu.MakePortID(t.IDExt, t.IOCGUID)
	n.mu.Lock()
	defer n.mu.Unlock()
	if o := n.targets[t.id]; o != nil {
		return fmt.Errorf("srp: the targets %s and %s have the same port identifier %v", o.SCSI.Name, t.SCSI.Name, t.id)
	}
	t.port = &target.Port{Target: t.SCSI, Protocol: scsi.ProtocolSRP, Relative: relativePort, Name: t.id.String()}
	n.targets[t.id] = &t
	return nil
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
			n.refused.Flush(n.log, "more SRP logins refused")
			for _, c := range n.all() {
				c.look()
			}
		}
	}
}

// all are all channels now.
func (n *Node) all() []*channel {
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
	for _, c := range n.all() {
		if c.leave(iu.LogoutNoReason, ErrClosed, true) {
			c.conn.Flush()
			leave = append(leave, c)
		}
	}
	wake := context.AfterFunc(ctx, n.wake)
	defer wake()
	for _, c := range leave {
		n.mu.Lock()
		for !c.hasSaid() && ctx.Err() == nil {
			n.changed.Wait()
		}
		n.mu.Unlock()
	}
	for _, c := range leave {
		if c.hasSaid() {
			c.conn.Close(nil)
		} else {
			c.conn.Close(ErrClosed)
		}
	}
	n.mu.Lock()
	for len(n.channels) > 0 || len(n.nexuses) > 0 || n.logins > 0 {
		n.changed.Wait()
	}
	n.mu.Unlock()
	close(n.stop)
	n.done.Wait()
	n.refused.Flush(n.log, "more SRP logins refused")
	return nil
}
