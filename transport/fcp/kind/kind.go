// Package kind is what a document can say of FCP, and what FCP says of itself.
package kind

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/transport/fcp"
)

// Kind is the transport "fcp", with its portals.
func Kind() plugin.Transport {
	return plugin.Transport{
		About: plugin.About{Name: "fcp", Help: "The Fibre Channel Protocol for SCSI."},
		Target: []model.Option{{Name: "fcp", Type: model.Group, Options: []model.Option{
			{Name: "wwnn", Normal: worldwideName, Help: "The worldwide name of the target's node, such as 10:00:02:00:00:00:00:01; without it, what follows from the target's name."},
			{Name: "wwpns", List: true, Normal: worldwideName, Help: "The worldwide names of its ports: the first at portals with `tag: 1`, which is that of portals without one, the second with `tag: 2`, and so on. Others have names that follow from that of the node."},
			{Name: "initiators", List: true, Empty: "leave it out to let all in, or name who may log in", Normal: initiatorPattern, Help: "Who may log in: worldwide names of ports, such as 20:00:00:1b:21:01:02:03, in which `*` is any digits and `?` is one; without it all may. Names are what initiators say they are: this is no authentication."},
		}}},
		Check: check, New: newNode, Show: show,
		Portals: []plugin.PortalKind{plugin.Over(plugin.PortalKind{
			About:  plugin.About{Name: "fcp", Help: "FCP, the Fibre Channel Protocol for SCSI: each target that the portal shows has a port of its own there. What hosts have to do is in the start-up lines."},
			Tied:   true,
			Attach: attach,
		}, listen)},
	}
}

// listen makes a portal over any provider of Fibre Channel.
func listen(ctx context.Context, n *node, networks fc.Provider, b plugin.Binding) (plugin.Portal, error) {
	p, err := fcp.Listen(ctx, networks, b.Address, n.Node, b.Tag)
	if err != nil {
		return nil, err
	}
	x := portal{p}
	x.Set(b)
	return x, nil
}

// A portal is one of the node.
type portal struct{ *fcp.Portal }

// Set implements [plugin.Portal].
func (p portal) Set(b plugin.Binding) { p.Show(b.Targets, b.Tag) }

// node is the FCP node of a daemon.
type node struct {
	*fcp.Node
	log *slog.Logger
}

func newNode(c plugin.NodeConfig) (plugin.Node, error) {
	n, err := fcp.NewNode(fcp.Config{Log: c.Log, Arena: c.Arena, MaxNexuses: c.Limits.Connections})
	if err != nil {
		return nil, err
	}
	return &node{n, c.Log}, nil
}

// Prepare implements [plugin.Node].
func (n *node) Prepare(c plugin.NodeConfig) (func(), error) {
	return func() { n.SetLimits(c.Limits.Connections) }, nil
}

// PrepareTarget implements [plugin.Node].
func (n *node) PrepareTarget(t plugin.Target) (func(), error) {
	shown := shownAs(t)
	if err := fcp.CheckTarget(shown); err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	return func() {
		if err := n.TakeTarget(shown); err != nil {
			n.log.Error("a target is shown as before", "target", t.Name, "error", err)
		}
	}, nil
}

// shownAs is a target as the node shows it.
func shownAs(t plugin.Target) fcp.Target {
	id := identify(t.Name, t.Values)
	return fcp.Target{SCSI: t.SCSI, Node: id.node, Ports: id.ports, Initiators: t.Values.Group("fcp").Strings("initiators"), Away: t.Maintenance.On}
}

// Refuses implements [plugin.Node].
func (n *node) Refuses(t plugin.Target) (ids []string) {
	for _, id := range n.Node.Refuses(t.Name, shownAs(t)) {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return ids
}

// EndRefused implements [plugin.Node]: FCP has no way to ask initiators to leave, and LOGO tells them
// that they have left.
func (n *node) EndRefused(t plugin.Target, _ time.Duration, done func()) {
	n.Node.EndRefused(t.Name, done)
}

// Drop implements [plugin.Node].
func (n *node) Drop(id string) error {
	if number, err := strconv.ParseInt(id, 10, 64); err != nil || !n.Node.Drop(number) {
		return fmt.Errorf("there is no session %s", id)
	}
	return nil
}

// Sessions implements [plugin.Node].
func (n *node) Sessions() []api.Session {
	var all []api.Session
	for _, s := range n.Node.Sessions() {
		x := s.Stats
		all = append(all, api.Session{
			ID: strconv.FormatInt(s.ID, 10), Transport: "fcp", Initiator: s.Initiator.String(), Target: s.Target, Since: s.Since.UTC(), Counts: plugin.Counts(s.Totals),
			Connections: []api.Connection{{
				ID: 1, Network: s.Provider, Remote: s.Address.String(), Local: fmt.Sprintf("%v %v on %s", s.PortAddress, s.Port, s.Network),
				PDUsIn: x.FramesIn, PDUsOut: x.FramesOut, Receives: x.Receives, Sends: x.Sends,
				Copied: x.Copied + s.Counts.Copied, Blocked: x.Blocked, Queued: x.BytesQueued,
			}},
		})
	}
	return all
}
