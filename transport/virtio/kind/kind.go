// Package kind is what a document can say of virtio's SCSI host, and what it says of itself.
package kind

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	vhost "github.com/lunette-io/lunette/network/vhost/kind"
	"github.com/lunette-io/lunette/transport/virtio"
)

// maxNumber is the highest number of a target on a socket (virtio 1.3, 5.6.4: a byte of the address).
const maxNumber = 255

// maxQueues is how many request queues a portal may offer: vhost-user numbers queues by a byte, and two of them are for other things.
const maxQueues = 254

// Kind is the transport "virtio", with its portals.
func Kind() plugin.Transport {
	return plugin.Transport{
		About: plugin.About{Name: "virtio", Help: "Virtio's SCSI host device, for virtual machines."},
		Target: []model.Option{{Name: "virtio", Type: model.Group, Options: []model.Option{
			{Name: "number", Type: model.Int, Max: maxNumber, Help: "The number of the target on the sockets that show it, 0 to 255, which is 0 without it: targets that one socket shows have different ones."},
			{Name: "initiators", List: true, Empty: "leave it out to let all in, or name those that may have it", Normal: initiatorPattern, Help: "Which sockets' guests may have the target, by the names of their initiators (`initiator` of a portal), in which `*` is any characters and `?` is one; without it, all that are shown it."},
		}}},
		Check: check, New: newNode, Show: show,
		Portals: []plugin.PortalKind{plugin.Over(plugin.PortalKind{
			About: plugin.About{Name: "virtio", Options: []model.Option{
				{Name: "initiator", Normal: initiatorName, Change: model.Live, Help: "The name of the socket's initiator, whatever attaches: by it reservations are kept and access is given, before and after a restart. It is formed as iSCSI's are; without it, it follows from the path, as `" + virtio.InitiatorName("/run/lunette/vm1.sock") + "` from /run/lunette/vm1.sock."},
				{Name: "queues", Type: model.Int, Default: model.Auto, Words: []string{model.Auto}, Min: 1, Max: maxQueues, Change: model.Live, Help: "How many queues for requests a guest has at the most, 1 to 254; each that it uses has a thread. `auto`: as many as its monitor asks for (QEMU: one for each processor, or num_queues), up to 128; for a monitor that asks us, as Cloud Hypervisor does, it is one."},
			}, Help: "Virtio's SCSI host: a guest sees the targets that the portal shows as one adapter, virtio-scsi, and boots from it. How to attach it is in the start-up lines."},
			Tied: true, Attach: attach,
		}, listen)},
	}
}

// listen makes a portal at a socket.
func listen(_ context.Context, n *node, host *vhost.Network, b plugin.Binding) (plugin.Portal, error) {
	o, err := options(b)
	if err != nil {
		return nil, err
	}
	p, err := virtio.Listen(host.Host, o, n.Node)
	if err != nil {
		return nil, err
	}
	return portal{p, n.log}, nil
}

// options are those of a portal.
func options(b plugin.Binding) (virtio.PortalOptions, error) {
	o, err := vhost.Options(b.Address, b.Values)
	return virtio.PortalOptions{
		Options: o, Initiator: b.Values.String("initiator"), Queues: int(b.Values.Int("queues")), Targets: b.Targets,
	}, err
}

// A portal is one of the node.
type portal struct {
	*virtio.Portal
	log *slog.Logger
}

// Refuses implements [plugin.Refuser].
func (p portal) Refuses(b plugin.Binding) error {
	_, err := options(b)
	return err
}

// Set implements [plugin.Portal].
func (p portal) Set(b plugin.Binding) {
	o, err := options(b)
	if err == nil {
		err = p.Portal.Set(o)
	}
	if err != nil {
		p.log.Error("a socket is not all that the document says", "portal", b.Address, "error", err)
	}
}

// node is the virtio node of a daemon.
type node struct {
	*virtio.Node
	log *slog.Logger
}

func newNode(c plugin.NodeConfig) (plugin.Node, error) {
	n, err := virtio.NewNode(virtio.Config{Log: c.Log, Arena: c.Arena, MaxNexuses: c.Limits.Connections})
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
	if err := virtio.CheckTarget(shown); err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	return func() {
		if err := n.TakeTarget(shown); err != nil {
			n.log.Error("a target is shown as before", "target", t.Name, "error", err)
		}
	}, nil
}

// shownAs is a target as the node shows it.
func shownAs(t plugin.Target) virtio.Target {
	return virtio.Target{SCSI: t.SCSI, Number: number(t.Values), Initiators: initiators(t.Values), Away: t.Maintenance.On}
}

// number is that of a target on sockets.
func number(v model.Values) int { return int(v.Group("virtio").Int("number")) }

// Refuses implements [plugin.Node].
func (n *node) Refuses(t plugin.Target) (ids []string) {
	for _, id := range n.Node.Refuses(t.Name, shownAs(t)) {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return ids
}

// EndRefused implements [plugin.Node]: a guest cannot be asked to leave a target. It is told by an event that the target has gone.
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
