package iscsi

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lunette-io/lunette/buffer"
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

	Limits

	PingTimeout time.Duration // for the answer to a NOP-In; default 15 s
	// StallTimeout is how long R2T'd data, and what we send, may make no progress worth the name
	// (watch.go), and commands may wait for one that does not come; default 60 s.
	StallTimeout time.Duration
}

// Limits are those bounds of a node that can be changed while it serves ([Node.SetLimits]). The zero value of
// a field means its default.
type Limits struct {
	MaxConnections int // of sessions with targets; default 20000
	MaxLogins      int // connections not logged in yet; default 1000
	MaxDiscovery   int // discovery sessions; default 64

	LoginTimeout  time.Duration // from connection to full feature phase; default 15 s
	PingAfter     time.Duration // idle time before a NOP-In asks whether the peer is there; default 30 s
	DiscoveryTime time.Duration // a discovery session ends then, whatever it does; default 60 s
}

func (l *Limits) defaults() {
	l.MaxConnections = cmp.Or(l.MaxConnections, 20000)
	l.MaxLogins = cmp.Or(l.MaxLogins, 1000)
	l.MaxDiscovery = cmp.Or(l.MaxDiscovery, 64)
	l.LoginTimeout = cmp.Or(l.LoginTimeout, 15*time.Second)
	l.PingAfter = cmp.Or(l.PingAfter, 30*time.Second)
	l.DiscoveryTime = cmp.Or(l.DiscoveryTime, time.Minute)
}

// SetLimits bounds what comes from now on: connections that are there stay, but for half logins and
// discovery sessions beyond their number. The times count for all connections.
func (n *Node) SetLimits(l Limits) {
	l.defaults()
	n.mu.Lock()
	n.limits.Store(&l)
	half, discovery := n.resize(&l)
	n.mu.Unlock()
	for _, c := range half {
		n.evictHalf(c, "limits.logins")
	}
	for _, c := range discovery {
		n.evictDiscovery(c)
	}
}

// CheckLogin reports what a node cannot want of logins.
func CheckLogin(c login.Config) error {
	if err := c.Check(); err != nil {
		return fmt.Errorf("iscsi: %w", err)
	}
	if c.FirstBurstLength > target.MaxPiece {
		return fmt.Errorf("iscsi: FirstBurstLength=%d is above %d", c.FirstBurstLength, target.MaxPiece)
	}
	return nil
}

// SetLogin says what the node wants of logins from now on: what CheckLogin has found right.
func (n *Node) SetLogin(c login.Config) {
	c.Keys = withoutRDMA(c.Keys)
	n.wishes.Store(&c)
}

// withoutRDMA adds that there is no RDMA where nothing is said of it.
func withoutRDMA(keys []login.Key) []login.Key {
	if slices.ContainsFunc(keys, func(k login.Key) bool { return k.Name == login.RDMAExtensions }) {
		return keys
	}
	return append(slices.Clone(keys), login.WithoutRDMA())
}

func (c *Config) defaults() {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Arena == nil {
		c.Arena = buffer.NewArena(1 << 30)
	}
	if c.Login.MaxRecvDataSegmentLength == 0 {
		c.Login = DefaultLogin()
	}
	c.Login.Keys = withoutRDMA(c.Login.Keys)
	c.Window = cmp.Or(c.Window, 128)
	c.Solicited = cmp.Or(c.Solicited, 16<<20)
	c.Limits.defaults()
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
