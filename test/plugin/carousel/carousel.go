// Package carousel is a device type for tests: a robot without a store, and as many disks as the unit has
// stores. It is what a new device type looks like: this folder and a line in the daemon's list are all
// of it.
package carousel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
)

// Kind is the device type "carousel".
func Kind() plugin.Device {
	return plugin.Device{About: plugin.About{
		Name: "carousel", Help: "A carousel, for tests.",
		Options: append([]model.Option{
			{Name: "disks", Type: model.String, List: true, Help: "The stores that are disks, in order."},
			{Name: "slots", Type: model.Map, Help: "What is where.", Options: []model.Option{{Type: model.Group, Options: []model.Option{
				{Name: "label", Required: true, Help: "what is written on it"},
				{Name: "turns", Type: model.Int, List: true, Help: "how often it turns"},
			}}}},
		}, plugin.IdentityOptions("carousel")...),
	}, Stores: model.ManyStores, Units: units, Open: open, Actions: []plugin.Action{
		{Name: "look", Help: "Says how often it was turned."},
		{Name: "turn", Help: "Turns it.", Changes: true, Arguments: []model.Option{
			{Name: "times", Type: model.Int, Required: true, Max: 100, Help: "how often"},
			{Name: "to", Help: "the label that comes in front"},
		}},
	}}
}

// units are the robot and the disks.
func units(v model.Values) []string { return append([]string{"robot"}, v.Strings("disks")...) }

func open(ctx context.Context, p plugin.Parts) ([]plugin.Unit, error) {
	id, err := plugin.Identity(scsi.TypeChanger, plugin.NewSeed(), p.Values)
	if err != nil {
		return nil, err
	}
	slots := p.Values.Group("slots")
	robot, err := device.New(device.Config{Identity: id, Workers: 1})
	if err != nil {
		return nil, err
	}
	var turned atomic.Int64
	act := func(_ context.Context, action string, args model.Values) (any, error) {
		if label := args.String("to"); label != "" && !slices.ContainsFunc(slices.Collect(maps.Keys(slots)), func(name string) bool { return slots.Group(name).String("label") == label }) {
			return nil, fmt.Errorf("the label %q: %w", label, plugin.ErrNotThere)
		}
		if n := turned.Add(args.Int("times")); n > 10 {
			turned.Add(-args.Int("times"))
			return nil, errors.New("it would be dizzy")
		}
		return map[string]any{"turned": turned.Load()}, nil
	}
	all := []plugin.Unit{{Name: "robot", LU: robot, Act: act, Describe: func() plugin.Description {
		var labels []string
		for name := range slots {
			labels = append(labels, name+"="+slots.Group(name).String("label"))
		}
		slices.Sort(labels)
		return plugin.Description{
			Summary: fmt.Sprintf("carousel of %d slots", len(slots)),
			Facts:   api.Facts{{Name: "slots", Value: len(slots), Column: "SLOTS", Text: strings.Join(labels, " ")}},
		}
	}}}
	fail := func(err error) ([]plugin.Unit, error) {
		for _, u := range all {
			err = errors.Join(err, u.LU.Close())
		}
		return nil, err
	}
	for _, name := range p.Values.Strings("disks") {
		s, err := p.Stores.Open(ctx, name)
		if err != nil {
			return fail(err)
		}
		id, err := plugin.Identity(scsi.TypeDisk, s.Seed, p.Values)
		if err != nil {
			return fail(err)
		}
		d, err := disk.New(disk.Config{Store: s.Store, Arena: p.Arena, Identity: id})
		if err != nil {
			return fail(err)
		}
		s.Taken()
		all = append(all, plugin.Unit{Name: name, LU: d, Describe: func() plugin.Description {
			return plugin.Description{Summary: "disk on " + s.Label, Facts: api.Facts{{Name: "store", Value: s.Label, Column: "STORE", Text: s.Label}}}
		}})
	}
	return all, nil
}
