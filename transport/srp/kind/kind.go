// Package kind is what a document can say of SRP, and what SRP says of itself.
package kind

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp"
)

// port is that of portals: SRP has none of its own.
const port = 5555

// Kind is the transport "srp", with its portals.
func Kind() plugin.Transport {
	return plugin.Transport{
		About: plugin.About{Name: "srp", Help: "The SCSI RDMA Protocol."},
		Target: []model.Option{{Name: "srp", Type: model.Group, Options: []model.Option{
			{Name: "id-ext", Help: "16 hexadecimal digits, the first half of the identifier of the target's port; without it, what follows from the target's name."},
			{Name: "ioc-guid", Help: "The second half, as above."},
			{Name: "initiators", List: true, Empty: "leave it out to let all in, or name who may log in", Check: checkInitiator, Help: "Who may log in: 0x and the 32 digits of an initiator's port, or an address; without it all may."},
		}}},
		Check: check, New: newNode, Show: show,
		Portals: []plugin.PortalKind{plugin.Over(plugin.PortalKind{
			About: plugin.About{Name: "srp", Help: "SRP: Linux's ib_srp. SRP has no port of its own: 5555 unless another is given. What initiators must be told is in the start-up lines."},
			Port:  port, Attach: attach,
		}, listen)},
	}
}

// listen makes a portal over any provider of RDMA.
func listen(ctx context.Context, n *node, d rdma.Device, b plugin.Binding) (plugin.Portal, error) {
	p, err := srp.Listen(ctx, d, b.Address, n.Node)
	if err != nil {
		return nil, err
	}
	x := portal{p}
	x.Set(b)
	return x, nil
}

// A portal is one of the node.
type portal struct{ *srp.Portal }

// Set implements [plugin.Portal].
func (p portal) Set(b plugin.Binding) { p.Show(b.Targets) }

// node is the SRP node of a daemon.
type node struct {
	*srp.Node
	log *slog.Logger
}

func newNode(c plugin.NodeConfig) (plugin.Node, error) {
	n, err := srp.NewNode(srp.Config{
		Log: c.Log, Arena: c.Arena, MaxChannels: c.Limits.Connections, MaxLogins: c.Limits.Logins, LoginTimeout: c.Limits.LoginTimeout,
	})
	if err != nil {
		return nil, err
	}
	return &node{n, c.Log}, nil
}

// Prepare implements [plugin.Node].
func (n *node) Prepare(c plugin.NodeConfig) (func(), error) {
	return func() { n.SetLimits(c.Limits.Connections, c.Limits.Logins, c.Limits.LoginTimeout) }, nil
}

// PrepareTarget implements [plugin.Node].
func (n *node) PrepareTarget(t plugin.Target) (func(), error) {
	shown, err := shownAs(t)
	if err == nil {
		err = srp.CheckTarget(shown)
	}
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	return func() {
		if err := n.Node.TakeTarget(shown); err != nil {
			n.log.Error("a target is shown as before", "target", t.Name, "error", err)
		}
	}, nil
}

// shownAs is a target as the node shows it.
func shownAs(t plugin.Target) (srp.Target, error) {
	id := identify(t.Name, t.Values)
	ext, err := strconv.ParseUint(id.ext, 16, 64)
	if err != nil {
		return srp.Target{}, fmt.Errorf("id-ext: %w", err)
	}
	guid, err := strconv.ParseUint(id.guid, 16, 64)
	if err != nil {
		return srp.Target{}, fmt.Errorf("ioc-guid: %w", err)
	}
	return srp.Target{SCSI: t.SCSI, IDExt: ext, IOCGUID: guid, Initiators: initiators(t.Values), Away: t.Maintenance.On}, nil
}

// Refuses implements [plugin.Node].
func (n *node) Refuses(t plugin.Target) (ids []string) {
	shown, err := shownAs(t)
	if err != nil {
		return nil
	}
	for _, id := range n.Node.Refuses(t.Name, shown) {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return ids
}

// EndRefused implements [plugin.Node]: SRP has no way to ask initiators to leave, and T_LOGOUT tells them
// that their channels end.
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
		a := api.Session{
			ID: strconv.FormatInt(s.ID, 10), Transport: "srp", Initiator: s.Initiator, Target: s.Target, Since: s.Since.UTC(), Connections: []api.Connection{},
			Counts: plugin.Counts(s.Totals),
		}
		for _, c := range s.Channels {
			n := c.Stats
			a.Connections = append(a.Connections, api.Connection{
				ID: int(c.Number), Network: c.Transport, Remote: c.Remote, Local: c.Local,
				PDUsIn: n.MessagesIn, PDUsOut: n.MessagesOut, Receives: n.Receives, Sends: n.Sends,
				Copied: n.Copied, CopiedPlaced: n.CopiedPlaced, Placed: n.Placed, Blocked: n.Blocked, Queued: n.BytesQueued,
			})
		}
		all = append(all, a)
	}
	return all
}

// show says who may log in to a target, and what each portal takes.
func show(s plugin.Showing) plugin.Shown {
	who := "every initiator"
	if some := initiators(s.Target.Values); len(some) > 0 {
		who = "initiators at " + strings.Join(some, ", ")
	}
	shown := plugin.Shown{Lines: []string{" by SRP " + who}}
	if who == "every initiator" {
		shown.Open = "--srp-initiator PORT"
	}
	var all []string
	for _, at := range s.At {
		line := login(s.Target, at)
		all = append(all, line)
		shown.Lines = append(shown.Lines, "        "+line)
		shown.Notes = append(shown.Notes, api.Note{Title: "to attach " + s.Target.Name + " by SRP", Lines: []string{line}})
	}
	shown.Facts = api.Facts{{Name: "addTarget", Value: all}}
	return shown
}

// login is what is written to Linux's add_target.
func login(t model.Target, at string) string {
	id := identify(t.Name, t.Values)
	return fmt.Sprintf("id_ext=%s,ioc_guid=%s,dest=%s", id.ext, id.guid, at)
}

// attach shows how to attach a target.
func attach(a plugin.Attaching) []string {
	lines := append(a.SoftRDMA("Linux SRP"),
		"             modprobe ib_srp",
		"             echo "+login(a.Target, a.At)+" >/sys/class/infiniband_srp/srp-"+a.SoftDevice()+"-1/add_target")
	return append(lines, a.Appears()...)
}
