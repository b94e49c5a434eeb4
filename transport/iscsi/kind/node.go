package kind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

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
	log     *slog.Logger
	secrets secrets
	// unsolicited: Data-Outs may come unasked over RDMA as well.
	unsolicited bool
}

func newNode(c plugin.NodeConfig) (plugin.Node, error) {
	v := c.Values.Group("iscsi")
	desired := iscsi.DefaultLogin()
	desired.InitialR2T, desired.ImmediateData = v.String("initial-r2t") == "yes", v.String("immediate-data") != "no"
	if burst := v.Size("first-burst"); burst > 0 {
		desired.FirstBurstLength = uint32(burst)
	}
	find := c.Values.Group("discovery")
	n, err := iscsi.NewNode(iscsi.Config{
		Log: c.Log, Arena: c.Arena, Login: desired,
		MaxConnections: c.Limits.Connections, MaxLogins: c.Limits.Logins,
		MaxDiscovery: int(find.Int("sessions")), DiscoveryTime: find.Duration("lifetime"),
		LoginTimeout: c.Limits.LoginTimeout, PingAfter: c.Limits.IdleTimeout,
	})
	if err != nil {
		return nil, err
	}
	t := &node{Node: n, log: c.Log, unsolicited: v.String("initial-r2t") == "no"}
	publish, err := t.Prepare(c)
	if err != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		return nil, errors.Join(err, n.Shutdown(now))
	}
	publish()
	return t, nil
}

// Prepare implements [plugin.Node].
func (n *node) Prepare(c plugin.NodeConfig) (func(), error) {
	n.secrets.begin(c.Targets)
	find := c.Values.Group("discovery")
	discovery, err := load(discoveryOwner, find.Group("auth"), c.Users)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if err := n.secrets.check(discovery); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	return func() {
		n.secrets.set(discovery)
		n.RequireDiscoveryAuth(n.secrets.finder(discovery, find.Bool("open")))
	}, nil
}

// PrepareTarget implements [plugin.Node].
func (n *node) PrepareTarget(t plugin.Target) (func(), error) {
	fail := func(err error) (func(), error) { return nil, fmt.Errorf("target %s: %w", t.Name, err) }
	known, err := load(targetOwner(t.Name), t.Values.Group("auth"), t.Users)
	if err != nil {
		return fail(err)
	}
	known.target = t.Name
	if err := n.secrets.check(known); err != nil {
		return fail(err)
	}
	shown := shownAs(t)
	shown.Auth = known.authenticator()
	return func() {
		if err := n.Node.SetTarget(shown); err != nil {
			n.log.Error("a target is shown as before", "target", t.Name, "error", err)
			return
		}
		n.secrets.set(known)
	}, nil
}

// shownAs is a target as the node shows it, without its secrets.
func shownAs(t plugin.Target) iscsi.Target {
	return iscsi.Target{
		SCSI: t.SCSI, Alias: t.Alias, Initiators: listed(t.Values),
		Reset: t.Values.String("target-reset") == anybody,
	}
}

// RemoveTarget implements [plugin.Node].
func (n *node) RemoveTarget(name string, done func()) error {
	if err := n.Node.RemoveTarget(name, done); err != nil {
		return err
	}
	n.secrets.drop(targetOwner(name))
	return nil
}

// Refuses implements [plugin.Node].
func (n *node) Refuses(plugin.Target) []string { return nil }

// EndRefused implements [plugin.Node].
func (n *node) EndRefused(_ plugin.Target, _ time.Duration, done func()) { done() }

// Drop implements [plugin.Node].
func (n *node) Drop(id string) error { return fmt.Errorf("there is no session %s", id) }

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
	discovery := c.Document.Values.Group("discovery")
	checkAuth(c, "discovery", discovery, given(c.Document.Given, "discovery").Of)
	if len(discovery.Group("auth").Groups("users")) > 0 && !slices.ContainsFunc(c.Document.Portals, isISCSI) {
		c.Note("discovery.auth.users", noEffect, "there is no portal of iSCSI")
	}
	for i, t := range c.Document.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		checkAuth(c, at, t.Values, t.Given)
		checkInitiators(c, at, t.Values)
		if len(c.Portals("iscsi", t.Name))+len(c.Portals("iser", t.Name)) == 0 {
			for _, key := range restricting(t.Values) {
				c.Note(at+"."+key, noEffect, "no portal shows the target by iSCSI")
			}
		}
		for j, x := range listed(t.Values) {
			noteOddInitiator(c, fmt.Sprintf("%s.initiators[%d]", at, j), x.Name)
		}
	}
	checkFiles(c)
	checkDiscovery(c)
}

// noEffect is of what iSCSI would ask initiators for that do not come by it.
const noEffect = "this has no effect, since %s: add one, such as iscsi+tcp://ADDRESS"

func isISCSI(p model.Portal) bool { return p.Transport() == "iscsi" || p.Transport() == "iser" }

// restricting are the options of a target that keep initiators out.
func restricting(target model.Values) (keys []string) {
	if len(target.Group("auth").Groups("users")) > 0 {
		keys = append(keys, "auth.users")
	}
	if len(listed(target)) > 0 {
		keys = append(keys, "initiators")
	}
	return keys
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
