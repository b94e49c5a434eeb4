// Package carousel is a device type for tests: a robot without a store, and as many disks as the unit has
// stores. It is what a new device type looks like: this folder and a line in the daemon's list are all
// of it.
package carousel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	}, Stores: model.ManyStores, Units: units, Open: open}
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
	all := []plugin.Unit{{Name: "robot", LU: robot, Describe: func() plugin.Description {
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
