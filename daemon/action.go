package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/server"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// acting finds a unit of the document, and its device type.
func (d *Daemon) acting(name string) (*unit, plugin.Device, error) {
	u, ok := d.units.find(name)
	if !ok {
		return nil, plugin.Device{}, &apply.NotFoundError{Key: model.Key{Kind: model.UnitObject, Name: name}}
	}
	kind, err := plugin.Find(d.reg.Devices, "device", u.spec.Device.Kind)
	return u, kind, err
}

// Actions implements [server.Operator].
func (d *Daemon) Actions(_ context.Context, name string) ([]api.Action, error) {
	_, kind, err := d.acting(name)
	if err != nil {
		return nil, err
	}
	all := make([]api.Action, 0, len(kind.Actions))
	for _, a := range kind.Actions {
		shown := api.Action{Name: a.Name, Help: a.Help, Changes: a.Changes, Arguments: []api.Argument{}}
		for _, o := range a.Arguments {
			shown.Arguments = append(shown.Arguments, api.Argument{
				Name: o.Name, Type: o.Type.String(), List: o.List, Required: o.Required, Default: o.Default, Values: o.Values, Help: o.Help,
			})
		}
		all = append(all, shown)
	}
	return all, nil
}

// Act implements [server.Operator].
func (d *Daemon) Act(ctx context.Context, r server.ActRequest) (any, error) {
	u, kind, err := d.acting(r.Unit)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(kind.Actions, func(a plugin.Action) bool { return a.Name == r.Action })
	if i < 0 {
		return nil, &apply.NotFoundError{Key: model.Key{Kind: "action", Name: r.Action}}
	}
	action := kind.Actions[i]
	args, err := model.Arguments(r.Arguments, action.Arguments)
	if err != nil {
		return nil, err
	}
	key := model.Key{Kind: model.UnitObject, Name: r.Unit}
	dev := u.device.Load()
	if dev.err != nil {
		return nil, fmt.Errorf("the unit %s is not open now: %w", r.Unit, dev.err)
	}
	at := slices.IndexFunc(dev.parts, func(p plugin.Unit) bool { return p.Act != nil })
	if at < 0 {
		return nil, fmt.Errorf("the unit %s has no actions", r.Unit)
	}
	result, err := dev.parts[at].Act(ctx, r.Action, args)
	if action.Changes {
		d.acted(key, r, err)
	}
	if errors.Is(err, plugin.ErrNotThere) {
		return nil, &apply.NotFoundError{Key: key, Message: err.Error()}
	}
	return result, err
}

// acted tells the log and those who listen of an action that changes something.
func (d *Daemon) acted(key model.Key, r server.ActRequest, err error) {
	said := fmt.Sprintf("%s: %s", r.Action, r.Author)
	if err != nil {
		d.log.Warn("an action failed", "unit", r.Unit, "action", r.Action, "author", r.Author, "error", err)
		said += ": " + err.Error()
	} else {
		d.log.Info("an action was done", "unit", r.Unit, "action", r.Action, "author", r.Author)
	}
	kind := "acted"
	if err != nil {
		kind = "failed"
	}
	d.engine.Note(apply.Event{Type: kind, Key: key, Message: said})
}
