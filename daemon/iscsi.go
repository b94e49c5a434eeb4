package daemon

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
)

// iscsiTransport is the iSCSI node of a daemon: one for all of its movers, so that a
// session is the same over each.
type iscsiTransport struct {
	node     *iscsi.Node
	networks *Networks
	// unsolicited: Data-Outs may come unasked over RDMA as well.
	unsolicited bool
}

func newISCSI(c TransportConfig) (Transport, error) {
	discovery, err := authenticator(c.Discovery.Auth)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	wishes, err := iscsiLogin(c.ISCSI)
	if err != nil {
		return nil, err
	}
	node, err := iscsi.NewNode(iscsi.Config{
		Log: c.Log, Arena: c.Arena, Login: wishes,
		MaxConnections: c.Limits.Connections, MaxLogins: c.Limits.Logins,
		LoginTimeout: c.Limits.LoginTimeout, PingAfter: c.Limits.IdleTimeout,
	})
	if err != nil {
		return nil, err
	}
	if discovery != nil {
		node.RequireDiscoveryAuth(discovery)
	}
	return &iscsiTransport{node: node, networks: c.Networks, unsolicited: c.ISCSI.InitialR2T == "no"}, nil
}

// iscsiLogin is what a login wants, as the document says.
func iscsiLogin(i model.ISCSI) (login.Config, error) {
	w := iscsi.DefaultLogin()
	w.InitialR2T, w.ImmediateData = i.InitialR2T == "yes", i.ImmediateData != "no"
	burst, err := i.FirstBurstBytes()
	if burst > 0 {
		w.FirstBurstLength = uint32(burst)
	}
	return w, err
}

// authenticator loads the secrets of a; nil if a asks for none.
func authenticator(a model.Auth) (func() login.Authenticator, error) {
	if len(a.Users) == 0 {
		return nil, nil
	}
	account := func(u model.User) (auth.Account, error) {
		secret, err := auth.LoadSecret(u.SecretFile)
		return auth.Account{User: u.Name, Secret: secret}, err
	}
	var cfg auth.Config
	for _, u := range a.Users {
		x, err := account(u)
		if err != nil {
			return nil, err
		}
		cfg.Accounts = append(cfg.Accounts, x)
	}
	if a.Mutual != nil {
		x, err := account(*a.Mutual)
		if err != nil {
			return nil, err
		}
		cfg.Target = &x
	}
	chap, err := auth.NewCHAP(cfg)
	if err != nil {
		return nil, err
	}
	return func() login.Authenticator { return chap.Begin() }, nil
}

// AddTarget implements [Transport].
func (t *iscsiTransport) AddTarget(scsi *target.Target, spec model.Target) error {
	a, err := authenticator(spec.Auth)
	if err != nil {
		return fmt.Errorf("target %s: %w", spec.Name, err)
	}
	return t.node.AddTarget(iscsi.Target{SCSI: scsi, Alias: spec.Alias, Auth: a, Initiators: spec.Initiators})
}

// Shutdown implements [Transport].
func (t *iscsiTransport) Shutdown(ctx context.Context) error { return t.node.Shutdown(ctx) }

// Attach implements [Transport]: names are all that it takes.
func (t *iscsiTransport) Attach(model.Target, string) string { return "" }

// Sessions implements [Transport].
func (t *iscsiTransport) Sessions() []api.Session {
	var all []api.Session
	for _, s := range t.node.Sessions() {
		a := api.Session{
			ID: fmt.Sprintf("%#04x", s.TSIH), Transport: "iscsi", Initiator: s.Initiator, Alias: s.Alias,
			Target: s.Target, User: s.User, Since: s.Since.UTC(), Connections: []api.Connection{},
			Commands: s.Totals.Commands, Errors: s.Totals.Errors, BytesIn: s.Totals.BytesIn, BytesOut: s.Totals.BytesOut,
		}
		for _, c := range s.Connections {
			n := c.Stats
			if c.Transport == iser.Name {
				a.Transport = iser.Name
			}
			a.Connections = append(a.Connections, api.Connection{
				ID: int(c.CID), Network: c.Network, Remote: c.Remote, Local: c.Local,
				PDUsIn: n.PDUsIn, PDUsOut: n.PDUsOut, Receives: n.Receives, Sends: n.Sends,
				Copied: n.Copied, CopiedPlaced: n.CopiedPlaced, Placed: n.Placed, Blocked: n.Blocked, Queued: n.BytesQueued,
			})
		}
		all = append(all, a)
	}
	return all
}

// listenISCSITCP makes a portal of connections that the transport's engine waits for.
func listenISCSITCP(ctx context.Context, t Transport, addr string) (Portal, error) {
	x := t.(*iscsiTransport)
	return iscsitcp.Listen(ctx, addr, x.node, x.networks.Engine, x.networks.Sockets)
}

// listenISERIWARP makes a portal of iSER over iWARP.
func listenISERIWARP(ctx context.Context, t Transport, addr string) (Portal, error) {
	x := t.(*iscsiTransport)
	return iser.Listen(ctx, x.networks.IWARP, addr, x.node, iser.Options{Network: "iwarp", Unsolicited: x.unsolicited})
}
