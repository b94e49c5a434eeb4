package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
)

// iscsiTransport is the iSCSI node of a daemon: one for all of its movers, so that a
// session is the same over each.
type iscsiTransport struct {
	node    *iscsi.Node
	targets map[string]*target.Target
}

func newISCSI(c TransportConfig) (Transport, error) {
	node, err := iscsi.NewNode(iscsi.Config{
		Log: c.Log, Arena: c.Arena,
		MaxConnections: c.Limits.Connections, MaxLogins: c.Limits.Logins,
		LoginTimeout: c.Limits.LoginTimeout, PingAfter: c.Limits.IdleTimeout,
	})
	if err != nil {
		return nil, err
	}
	discovery, err := authenticator(c.Discovery.Auth)
	if err != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		return nil, errors.Join(fmt.Errorf("discovery: %w", err), node.Shutdown(now))
	}
	if discovery != nil {
		node.RequireDiscoveryAuth(discovery)
	}
	return &iscsiTransport{node, make(map[string]*target.Target)}, nil
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
	t.targets[spec.Name] = scsi
	return t.node.AddTarget(iscsi.Target{SCSI: scsi, Alias: spec.Alias, Auth: a, Initiators: spec.Initiators})
}

// Shutdown implements [Transport].
func (t *iscsiTransport) Shutdown(ctx context.Context) error { return t.node.Shutdown(ctx) }

// Sessions implements [Transport].
func (t *iscsiTransport) Sessions() []api.Session {
	var all []api.Session
	for _, s := range t.node.Sessions() {
		a := api.Session{
			ID: fmt.Sprintf("%#04x", s.TSIH), Transport: "iscsi", Initiator: s.Initiator, Alias: s.Alias,
			Target: s.Target, User: s.User, Since: s.Since.UTC(), Connections: []api.Connection{},
		}
		for _, c := range s.Connections {
			n := c.Stats
			a.Connections = append(a.Connections, api.Connection{
				ID: int(c.CID), Network: c.Transport, Remote: c.Remote, Local: c.Local,
				PDUsIn: n.PDUsIn, PDUsOut: n.PDUsOut, Receives: n.Receives, Sends: n.Sends,
				Copied: n.Copied, Blocked: n.Blocked, Queued: n.BytesQueued,
			})
		}
		t.count(&a, s.ISID)
		all = append(all, a)
	}
	return all
}

// count adds up the counters of a session's I_T nexus, which its initiator port names.
func (t *iscsiTransport) count(s *api.Session, isid string) {
	scsi := t.targets[s.Target]
	if scsi == nil {
		return // a discovery session
	}
	port := strings.ToLower(s.Initiator) + ",i,0x" + isid
	for _, n := range scsi.Nexuses() {
		if n.Initiator.Port.String() != port {
			continue
		}
		for _, x := range n.ITLs() {
			s.Commands += x.Stats.Commands.Load()
			s.Errors += x.Stats.Errors.Load()
			s.BytesIn += x.Stats.BytesIn.Load()
			s.BytesOut += x.Stats.BytesOut.Load()
		}
	}
}

// A tcpPortal accepts iSCSI connections over TCP. One goroutine accepts, and each
// connection has one of its own; the node ends those.
type tcpPortal struct {
	node     *iscsi.Node
	listener *tcp.Listener
	buffers  *sync.Pool
	done     sync.WaitGroup
}

func listenISCSITCP(ctx context.Context, t Transport, addr string) (Portal, error) {
	node := t.(*iscsiTransport).node
	l, err := tcp.Listen(ctx, addr, tcp.Options{})
	if err != nil {
		return nil, err
	}
	node.AddPortal(l.Addr())
	return &tcpPortal{node: node, listener: l, buffers: iscsitcp.NewBuffers()}, nil
}

func (p *tcpPortal) Addr() string { return p.listener.Addr() }

func (p *tcpPortal) Start() { p.done.Go(p.accept) }

func (p *tcpPortal) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed: Accept waits out all else
		}
		m := iscsitcp.New(c, p.buffers)
		h, err := p.node.Connect(m)
		if err != nil {
			_ = c.Close() // too many, or going: the initiator will try again
			continue
		}
		go m.Run(h)
	}
}

func (p *tcpPortal) Close() error {
	err := p.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	p.done.Wait()
	return err
}
