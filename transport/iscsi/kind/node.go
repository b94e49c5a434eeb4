package kind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// node is the iSCSI node of a daemon: one for all of its movers, so that a session is the same over
// each.
type node struct {
	*iscsi.Node
	log     *slog.Logger
	secrets secrets
	// unsolicited: Data-Outs may come unasked over RDMA as well.
	unsolicited atomic.Bool
}

func newNode(c plugin.NodeConfig) (plugin.Node, error) {
	desired, unsolicited := wishes(c.Values)
	n, err := iscsi.NewNode(iscsi.Config{Log: c.Log, Arena: c.Arena, Login: desired, Limits: limits(c)})
	if err != nil {
		return nil, err
	}
	t := &node{Node: n, log: c.Log}
	t.unsolicited.Store(unsolicited)
	publish, err := t.Prepare(c)
	if err != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel() // nobody has come yet
		return nil, errors.Join(err, n.Shutdown(now))
	}
	publish()
	return t, nil
}

// wishes are what logins shall come to, and whether Data-Outs may come unasked over RDMA as well.
func wishes(v model.Values) (desired login.Config, unsolicited bool) {
	v = v.Group("iscsi")
	desired = iscsi.DefaultLogin()
	desired.InitialR2T, desired.ImmediateData = v.String("initial-r2t") == "yes", v.String("immediate-data") != "no"
	if burst := v.Size("first-burst"); burst > 0 {
		desired.FirstBurstLength = uint32(burst)
	}
	return desired, v.String("initial-r2t") == "no"
}

// limits are those of the document.
func limits(c plugin.NodeConfig) iscsi.Limits {
	find := c.Values.Group("discovery")
	return iscsi.Limits{
		MaxConnections: c.Limits.Connections, MaxLogins: c.Limits.Logins, MaxDiscovery: int(find.Int("sessions")),
		LoginTimeout: c.Limits.LoginTimeout, PingAfter: c.Limits.IdleTimeout, DiscoveryTime: find.Duration("lifetime"),
	}
}

// Prepare implements [plugin.Node].
func (n *node) Prepare(c plugin.NodeConfig) (func(), error) {
	n.secrets.begin(c.Targets)
	find := c.Values.Group("discovery")
	discovery, err := load(discoveryOwner, find.Group("auth"))
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if err := n.secrets.check(discovery); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	desired, unsolicited := wishes(c.Values)
	if err := iscsi.CheckLogin(desired); err != nil {
		return nil, err
	}
	return func() {
		n.secrets.set(discovery)
		n.RequireDiscoveryAuth(n.secrets.finder(discovery, find.Bool("open")))
		n.unsolicited.Store(unsolicited)
		n.SetLogin(desired)
		n.SetLimits(limits(c))
	}, nil
}

// PrepareTarget implements [plugin.Node].
func (n *node) PrepareTarget(t plugin.Target) (func(), error) {
	fail := func(err error) (func(), error) { return nil, fmt.Errorf("target %s: %w", t.Name, err) }
	known, err := load(targetOwner(t.Name), t.Values.Group("auth"))
	if err != nil {
		return fail(err)
	}
	known.target = t.Name
	if err := n.secrets.check(known); err != nil {
		return fail(err)
	}
	known = n.secrets.like(known)
	shown := shownAs(t)
	shown.Auth, shown.Proof = known.authenticator(), known.chap
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
		Away:  t.Maintenance.On, Redirect: t.Maintenance.Redirect,
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

// refuses says of the sessions with the target of t's name which could not log in if it were as t says.
func refuses(t plugin.Target) func(s *iscsi.SessionIdentity) bool {
	shown, known := shownAs(t), t.Values.Group("auth").Groups("users")
	return func(s *iscsi.SessionIdentity) bool {
		return s.Target == t.Name && !s.Discovery && (shown.Away || !shown.Admits(s.Initiator, s.User) ||
			len(known) > 0 && !slices.ContainsFunc(known, func(u model.Values) bool { return u.String("user") == s.User }))
	}
}

// Refuses implements [plugin.Node].
func (n *node) Refuses(t plugin.Target) (ids []string) {
	for _, s := range n.Identities(refuses(t)) {
		ids = append(ids, sessionID(s.TSIH))
	}
	return ids
}

// EndRefused implements [plugin.Node].
func (n *node) EndRefused(t plugin.Target, after time.Duration, done func()) {
	n.EndSessions(refuses(t), errRefused, after, done)
}

// Drop implements [plugin.Node].
func (n *node) Drop(id string) error {
	if n.EndSessions(func(s *iscsi.SessionIdentity) bool { return sessionID(s.TSIH) == id }, errDropped, 0, nil) == 0 {
		return fmt.Errorf("there is no session %s", id)
	}
	return nil
}

var (
	errRefused = errors.New("the target does not let the initiator in any more")
	errDropped = errors.New("the session was ended by hand")
)

// sessionID is how people name a session.
func sessionID(tsih uint16) string { return fmt.Sprintf("%#04x", tsih) }

// Sessions implements [plugin.Node].
func (n *node) Sessions() []api.Session {
	var all []api.Session
	for _, s := range n.Node.Sessions() {
		a := api.Session{
			ID: sessionID(s.TSIH), Transport: "iscsi", Initiator: s.Initiator, Alias: s.Alias,
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
