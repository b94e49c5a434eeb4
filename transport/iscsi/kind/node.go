package kind

import (
	"fmt"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
)

// node is the iSCSI node of a daemon: one for all of its movers, so that a session is the same over
// each.
type node struct {
	*iscsi.Node
	secrets secrets
	// unsolicited: Data-Outs may come unasked over RDMA as well.
	unsolicited bool
}

func newNode(c plugin.NodeConfig) (plugin.Node, error) {
	find := c.Values.Group("discovery")
	discovery, err := load("discovery", find.Group("auth"))
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	v := c.Values.Group("iscsi")
	desired := iscsi.DefaultLogin()
	desired.InitialR2T, desired.ImmediateData = v.String("initial-r2t") == "yes", v.String("immediate-data") != "no"
	if burst := v.Size("first-burst"); burst > 0 {
		desired.FirstBurstLength = uint32(burst)
	}
	n, err := iscsi.NewNode(iscsi.Config{
		Log: c.Log, Arena: c.Arena, Login: desired,
		MaxConnections: c.Limits.Connections, MaxLogins: c.Limits.Logins,
		MaxDiscovery: int(find.Int("sessions")), DiscoveryTime: find.Duration("lifetime"),
		LoginTimeout: c.Limits.LoginTimeout, PingAfter: c.Limits.IdleTimeout,
	})
	if err != nil {
		return nil, err
	}
	t := &node{Node: n, unsolicited: v.String("initial-r2t") == "no"}
	if auth := t.secrets.finder(discovery, find.Bool("open")); auth != nil {
		n.RequireDiscoveryAuth(auth)
	}
	return t, t.secrets.put(discovery, func() error { return nil })
}

// SetTarget implements [plugin.Node]. The secrets are read anew.
func (n *node) SetTarget(t plugin.Target) error {
	known, err := load("target "+t.SCSI.Name, t.Values.Group("auth"))
	if err != nil {
		return fmt.Errorf("target %s: %w", t.SCSI.Name, err)
	}
	known.target = t.SCSI.Name
	shown := iscsi.Target{
		SCSI: t.SCSI, Alias: t.Alias, Auth: known.authenticator(), Initiators: listed(t.Values),
		Reset: t.Values.String("target-reset") == anybody,
	}
	err = n.secrets.put(known, func() error { return n.Node.SetTarget(shown) })
	if err != nil {
		return fmt.Errorf("target %s: %w", t.SCSI.Name, err)
	}
	return nil
}

// RemoveTarget implements [plugin.Node].
func (n *node) RemoveTarget(name string, done func()) error {
	if err := n.Node.RemoveTarget(name, done); err != nil {
		return err
	}
	n.secrets.drop("target " + name)
	return nil
}

// Sessions implements [plugin.Node].
func (n *node) Sessions() []api.Session {
	var all []api.Session
	for _, s := range n.Node.Sessions() {
		a := api.Session{
			ID: fmt.Sprintf("%#04x", s.TSIH), Transport: "iscsi", Initiator: s.Initiator, Alias: s.Alias,
			Target: s.Target, User: s.User, Since: s.Since.UTC(), Connections: []api.Connection{},
			Counts: plugin.Counts(s.Totals),
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

// check looks at what options alone do not say.
func check(c *model.Check) {
	v := c.Document.Values.Group("iscsi")
	if v.String("initial-r2t") == "yes" && v.String("immediate-data") == "no" && v.Size("first-burst") > 0 {
		c.Fail("iscsi.first-burst", "nothing comes unasked with initial-r2t: yes and immediate-data: no")
	}
	checkAuth(c, "discovery", c.Document.Values.Group("discovery"), given(c.Document.Given, "discovery").Of)
	for i, t := range c.Document.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		checkAuth(c, at, t.Values, t.Given)
		checkInitiators(c, at, t.Values)
	}
	checkFiles(c)
	checkDiscovery(c)
}

// restricts is what keeps initiators out of a target.
func restricts(target model.Values) string {
	switch {
	case len(target.Group("auth").Groups("users")) > 0:
		return "asks for CHAP"
	case len(listed(target)) > 0:
		return "lets initiators in by their iSCSI names"
	}
	return ""
}
