package daemon

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/target"
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

// reservable finds the device server of a unit, if it has reservations.
func (d *Daemon) reservable(unit string) (target.Reservable, error) {
	key := model.Key{Kind: model.UnitObject, Name: unit}
	u, ok := d.units.logicalUnit(unit)
	if !ok {
		return nil, &apply.NotFoundError{Key: key}
	}
	r, ok := u.LogicalUnit().(target.Reservable)
	if !ok {
		return nil, &apply.ConflictError{Key: key, Message: fmt.Sprintf("the unit %s has no reservations now", unit)}
	}
	return r, nil
}

// Reservations implements [server.Operator].
func (d *Daemon) Reservations(_ context.Context, unit string) (api.Reservations, error) {
	r, err := d.reservable(unit)
	if err != nil {
		return api.Reservations{}, err
	}
	have := r.Reservations()
	shown := api.Reservations{
		Unit: unit, Generation: have.Generation, Type: have.Type, Persist: have.Persist, Registrations: []api.Registration{},
	}
	for _, x := range have.Registrations {
		shown.Registrations = append(shown.Registrations, api.Registration{
			Initiator: x.Initiator, Target: x.Target, Port: x.Port, User: x.User, Key: fmt.Sprintf("0x%016x", x.Key), Holder: x.Holder,
		})
	}
	return shown, nil
}

// ClearReservations implements [server.Operator].
func (d *Daemon) ClearReservations(ctx context.Context, unit string) error {
	r, err := d.reservable(unit)
	if err != nil {
		return err
	}
	cleared := make(chan error, 1)
	r.ClearReservations(func(err error) { cleared <- err })
	select {
	case err = <-cleared:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err == nil {
		d.log.Info("reservations were cleared by hand", "unit", unit)
	}
	return err
}
