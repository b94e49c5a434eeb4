package iscsi

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"github.com/lunette-io/lunette/buffer"
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

	MaxConnections int // of sessions with targets; default 20000
	MaxLogins      int // connections not logged in yet; default 1000
	MaxDiscovery   int // discovery sessions; default 64

	LoginTimeout time.Duration // from connection to full feature phase; default 15 s
	PingAfter    time.Duration // idle time before a NOP-In asks whether the peer is there; default 30 s
	PingTimeout  time.Duration // for its answer; default 15 s
	// StallTimeout is how long R2T'd data, and what we send, may make no progress worth the name
	// (watch.go), and commands may wait for one that does not come; default 60 s.
	StallTimeout  time.Duration
	DiscoveryTime time.Duration // a discovery session ends then, whatever it does; default 60 s
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
	c.MaxDiscovery = cmp.Or(c.MaxDiscovery, 64)
	c.DiscoveryTime = cmp.Or(c.DiscoveryTime, time.Minute)
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
