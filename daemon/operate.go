package daemon

import (
	"context"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
)

// DropSession implements [server.Operator].
func (d *Daemon) DropSession(_ context.Context, transport, id string) error {
	for _, n := range d.nodes.load() {
		for _, s := range n.Sessions() {
			if s.Transport == transport && s.ID == id {
				if n.Drop(id) == nil {
					d.log.Info("a session was ended by hand", "transport", transport, "session", id, "initiator", s.Initiator, "target", s.Target)
					return nil
				}
			}
		}
	}
	return &apply.NotFoundError{Key: model.Key{Kind: "session", Name: transport + "/" + id}}
}
