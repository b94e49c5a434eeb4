package daemon

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
)

// srpTransport is the SRP node of a daemon.
type srpTransport struct {
	node     *srp.Node
	networks *Networks
}

func newSRP(c TransportConfig) (Transport, error) {
	node, err := srp.NewNode(srp.Config{
		Log: c.Log, Arena: c.Arena, MaxChannels: c.Limits.Connections, MaxLogins: c.Limits.Logins, LoginTimeout: c.Limits.LoginTimeout,
	})
	if err != nil {
		return nil, err
	}
	return &srpTransport{node: node, networks: c.Networks}, nil
}

// AddTarget implements [Transport].
func (t *srpTransport) AddTarget(scsi *target.Target, spec model.Target) error {
	id, err := strconv.ParseUint(spec.SRP.IDExt, 16, 64)
	if err != nil {
		return fmt.Errorf("target %s: id-ext: %w", spec.Name, err)
	}
	guid, err := strconv.ParseUint(spec.SRP.IOCGUID, 16, 64)
	if err != nil {
		return fmt.Errorf("target %s: ioc-guid: %w", spec.Name, err)
	}
	return t.node.AddTarget(srp.Target{SCSI: scsi, IDExt: id, IOCGUID: guid, Initiators: spec.SRP.Initiators})
}

// Attach implements [Transport]: what is written to Linux's add_target.
func (t *srpTransport) Attach(spec model.Target, addr string) string {
	return fmt.Sprintf("id_ext=%s,ioc_guid=%s,dest=%s", spec.SRP.IDExt, spec.SRP.IOCGUID, addr)
}

// Shutdown implements [Transport].
func (t *srpTransport) Shutdown(ctx context.Context) error { return t.node.Shutdown(ctx) }

// Sessions implements [Transport].
func (t *srpTransport) Sessions() []api.Session {
	var all []api.Session
	for _, s := range t.node.Sessions() {
		a := api.Session{
			Transport: "srp", Initiator: s.Initiator, Target: s.Target, Since: s.Since.UTC(), Connections: []api.Connection{},
			Commands: s.Totals.Commands, Errors: s.Totals.Errors, BytesIn: s.Totals.BytesIn, BytesOut: s.Totals.BytesOut,
		}
		for _, c := range s.Channels {
			n := c.Stats
			if a.ID == "" {
				a.ID = strconv.FormatInt(c.Number, 10) // of the first channel: nexuses have no numbers
			}
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

// listenSRPIWARP makes a portal of SRP over iWARP.
func listenSRPIWARP(ctx context.Context, t Transport, addr string) (Portal, error) {
	x := t.(*srpTransport)
	return srp.Listen(ctx, x.networks.IWARP, addr, x.node)
}
