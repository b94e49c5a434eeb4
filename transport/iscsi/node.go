package iscsi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// Config says how a node behaves. The zero value of a field means its default.
type Config struct {
	Log   *slog.Logger
	Arena *buffer.Arena
	Login login.Config // DefaultLogin if its MaxRecvDataSegmentLength is 0

	// Window is how many commands a session may have outstanding: the distance from
	// ExpCmdSN to MaxCmdSN (RFC 7143 4.2.2.1). Default 128.
	Window int
	// Solicited bounds the data-out, in bytes, that the tasks of one connection wait for
	// at a time; more commands wait their turn. Default 16 MiB.
	Solicited int64

	MaxConnections int // logged in; default 20000
	MaxLogins      int // connections not logged in yet; default 1000

	LoginTimeout time.Duration // from connection to full feature phase; default 15 s
	PingAfter    time.Duration // idle time before a NOP-In asks whether the peer is there; default 30 s
	PingTimeout  time.Duration // for its answer; default 15 s
	StallTimeout time.Duration // without progress of R2T'd data or of sending; default 60 s
}

func (c *Config) defaults() {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Arena == nil {
		c.Arena = buffer.NewArena(1 << 30)
	}
	if c.Login.MaxRecvDataSegmentLength == 0 {
		c.Login = DefaultLogin()
	}
	if !slices.ContainsFunc(c.Login.Keys, func(k login.Key) bool { return k.Name == login.RDMAExtensions }) {
		c.Login.Keys = append(slices.Clone(c.Login.Keys), login.WithoutRDMA())
	}
	c.Window = cmp.Or(c.Window, 128)
	c.Solicited = cmp.Or(c.Solicited, 16<<20)
	c.MaxConnections = cmp.Or(c.MaxConnections, 20000)
	c.MaxLogins = cmp.Or(c.MaxLogins, 1000)
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 15*time.Second)
	c.PingAfter = cmp.Or(c.PingAfter, 30*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 15*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, time.Minute)
}

// DefaultLogin is what a node wants of a login: few, large transfers.
func DefaultLogin() login.Config {
	c := login.DefaultConfig()
	c.MaxConnections = 4
	c.MaxBurstLength = 1 << 20
	c.FirstBurstLength = 256 << 10
	c.MaxOutstandingR2T = maxR2T
	c.ProtocolLevel = 2
	return c
}

// A Target is a SCSI target as iSCSI shows it.
type Target struct {
	SCSI  *target.Target // its Name is the iSCSI name
	Alias string
	// Auth makes one run of the authentication that initiators must pass; nil: none.
	Auth func() login.Authenticator
	// Initiators are the names that may log in, in normal form; empty: all.
	Initiators []string

	port *target.Port
}

func (t *Target) admits(initiator string) bool {
	return len(t.Initiators) == 0 || slices.Contains(t.Initiators, initiator)
}

// portalGroup is the one portal group: every portal leads to every target.
const portalGroup = 1

// A Node is an iSCSI target node (RFC 7143 4.1): targets, and the sessions with them,
// through any number of portals of any movers.
type Node struct {
	cfg  Config
	log  *slog.Logger
	auth func() login.Authenticator // for discovery

	tick    atomic.Int64   // seconds since the node started: the clock of time-outs
	refused ratelog.Events // logins, and connections

	mu       sync.Mutex
	targets  map[string]*Target
	portals  []portal
	conns    map[*Conn]struct{}
	pending  []*Conn // not logged in, oldest first
	sessions map[sessionKey]*Session
	byTSIH   map[uint16]*Session
	closing  bool
	changed  sync.Cond // with mu: a connection has gone

	stop chan struct{}
	done sync.WaitGroup
}

// ErrClosed reports that the node is shutting down.
var ErrClosed = errors.New("iscsi: node closed")

// NewNode makes a node and starts its clock; Shutdown ends it.
func NewNode(cfg Config) (*Node, error) {
	cfg.defaults()
	if err := cfg.Login.Check(); err != nil {
		return nil, fmt.Errorf("iscsi: %w", err)
	}
	if cfg.Login.FirstBurstLength > target.MaxPiece {
		return nil, fmt.Errorf("iscsi: FirstBurstLength=%d is above %d", cfg.Login.FirstBurstLength, target.MaxPiece)
	}
	n := &Node{
		cfg: cfg, log: cfg.Log,
		targets:  make(map[string]*Target),
		conns:    make(map[*Conn]struct{}),
		sessions: make(map[sessionKey]*Session),
		byTSIH:   make(map[uint16]*Session),
		stop:     make(chan struct{}),
	}
	n.changed.L = &n.mu
	n.done.Add(1)
	go n.clock()
	return n, nil
}

// AddTarget shows a target. Its name must be an iSCSI name in normal form.
func (n *Node) AddTarget(t Target) error {
	name, err := login.NormalizeName(t.SCSI.Name)
	if err != nil {
		return fmt.Errorf("iscsi: target %q: %w", t.SCSI.Name, err)
	}
	if name != t.SCSI.Name {
		return fmt.Errorf("iscsi: target name %q is not in normal form: %q", t.SCSI.Name, name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.targets[name] != nil {
		return fmt.Errorf("iscsi: target %q is there already", name)
	}
	t.port = &target.Port{
		Target: t.SCSI, Protocol: scsi.ProtocolISCSI, Relative: 1,
		Name: fmt.Sprintf("%s,t,0x%04x", name, portalGroup),
	}
	n.targets[name] = &t
	return nil
}

// RequireDiscoveryAuth makes discovery sessions pass auth.
func (n *Node) RequireDiscoveryAuth(auth func() login.Authenticator) { n.auth = auth }

// A portal is an address that discovery tells of, to those who come by the same network.
type portal struct{ network, addr string }

// AddPortal makes addr, ADDR:PORT, known to discovery; network is the [Traits] Network of
// its movers.
func (n *Node) AddPortal(network, addr string) {
	n.mu.Lock()
	n.portals = append(n.portals, portal{network, addr})
	n.mu.Unlock()
}

// Login is what the node wants of a login, for a mover that wants it changed.
func (n *Node) Login() login.Config { return n.cfg.Login }

// Window is how many commands a session may have outstanding.
func (n *Node) Window() int { return n.cfg.Window }

// Room says why no connection is taken now; nil: one is.
func (n *Node) Room() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.room()
}

// room is Room with n.mu held.
func (n *Node) room() error {
	switch {
	case n.closing:
		return ErrClosed
	case len(n.conns) >= n.cfg.MaxConnections+n.cfg.MaxLogins:
		return fmt.Errorf("iscsi: %d connections, no more are taken", len(n.conns))
	}
	return nil
}

// Connect makes the session's side of a new connection. An error means that there are too
// many, or that the node is closing; the caller then closes the connection.
func (n *Node) Connect(m Mover) (*Conn, error) {
	c := newConn(n, m)
	n.mu.Lock()
	if err := n.room(); err != nil {
		n.mu.Unlock()
		return nil, err
	}
	// When too many do not log in, the one that has waited longest goes: a flood of
	// silent connections cannot shut out those who mean it.
	var victim *Conn
	if len(n.pending) >= n.cfg.MaxLogins {
		victim = n.pending[0]
		n.pending = slices.Delete(n.pending, 0, 1)
	}
	n.conns[c] = struct{}{}
	n.pending = append(n.pending, c)
	n.mu.Unlock()
	if victim != nil {
		victim.m.Terminate(errors.New("too many connections that are not logged in"))
	}
	return c, nil
}

// loggedIn takes c off the list of connections that are not.
func (n *Node) loggedIn(c *Conn) {
	n.mu.Lock()
	if i := slices.Index(n.pending, c); i >= 0 {
		n.pending = slices.Delete(n.pending, i, i+1)
	}
	n.mu.Unlock()
}

func (n *Node) disconnected(c *Conn) {
	n.loggedIn(c)
	n.mu.Lock()
	delete(n.conns, c)
	n.changed.Broadcast()
	n.mu.Unlock()
}

// connections are all connections now.
func (n *Node) connections() []*Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*Conn, 0, len(n.conns))
	for c := range n.conns {
		all = append(all, c)
	}
	return all
}

// Refused tells the log of a connection that a portal has not taken.
func (n *Node) Refused(remote string, why error) {
	if why != ErrClosed {
		n.refused.Warn(n.log, "connection refused", "remote", remote, "why", why)
	}
}

func (n *Node) tellRefused() { n.refused.Flush(n.log, "more logins and connections refused") }

// clock looks at every connection once a second: one goroutine for all time-outs.
func (n *Node) clock() {
	defer n.done.Done()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-t.C:
			now := n.tick.Add(1)
			n.tellRefused()
			for _, c := range n.connections() {
				c.look(now)
			}
		}
	}
}

// Shutdown asks all initiators to log out, waits for them until ctx is done, and then ends
// what is left. The portals have stopped accepting. It returns when no connection and no
// session is there any more.
func (n *Node) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now()
	}
	for _, c := range n.connections() {
		c.askLogout(time.Until(deadline))
	}
	wake := context.AfterFunc(ctx, func() { n.mu.Lock(); n.changed.Broadcast(); n.mu.Unlock() })
	defer wake()
	n.mu.Lock()
	for len(n.conns) > 0 && ctx.Err() == nil {
		n.changed.Wait()
	}
	n.mu.Unlock()
	for _, c := range n.connections() {
		c.m.Terminate(ErrClosed)
	}
	n.mu.Lock()
	for len(n.conns) > 0 || len(n.sessions) > 0 || len(n.byTSIH) > 0 {
		n.changed.Wait()
	}
	n.mu.Unlock()
	close(n.stop)
	n.done.Wait()
	n.tellRefused()
	return nil
}
