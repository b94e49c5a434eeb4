// Package kind is what a document can say of a store on a block device.
package kind

import (
	"context"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/block"
)

// Kind is the store "block".
func Kind() plugin.Store {
	return plugin.Store{About: plugin.About{
		Name: "block",
		Help: "A block device, by direct I/O, for this daemon alone.",
		Options: []model.Option{
			{Name: "path", Type: model.Path, Required: true, Exclusive: true, Help: "The device."},
			{Name: "read-only", Type: model.Bool, Help: "Opens the device for reading."},
			plugin.IOOption(),
		},
	}, Open: open}
}

func open(_ context.Context, v model.Values) (plugin.Opened, error) {
	path := v.String("path")
	s, err := block.Open(block.Config{Path: path, ReadOnly: v.Bool("read-only"), IO: v.String("io")})
	if err != nil {
		return plugin.Opened{}, err
	}
	return plugin.Opened{Store: s, Seed: plugin.PathSeed(path), Label: "block " + path, Describe: func() api.Facts { return api.Facts{plugin.IOFact(s)} }}, nil
}
