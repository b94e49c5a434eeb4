// Package kind is what a document can say of a store on a block device.
package kind

import (
	"context"
	"io/fs"
	"os"

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
	}, Open: open, Look: look, Holds: holds, At: at}
}

// holds reports that a block device is at a path.
func holds(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeDevice
}

// at are the options of a device as it is.
func at(path string, readOnly bool) model.Values {
	return model.Values{"path": path, "read-only": readOnly, "io": model.Auto}
}

func config(v model.Values) block.Config {
	return block.Config{Path: v.String("path"), ReadOnly: v.Bool("read-only"), IO: v.String("io")}
}

func look(v model.Values) (plugin.Found, error) {
	f, err := block.Look(config(v))
	return plugin.Found{Size: f.Size, Same: f.Same}, err
}

func open(_ context.Context, v model.Values) (plugin.Opened, error) {
	path := v.String("path")
	s, err := block.Open(config(v))
	if err != nil {
		return plugin.Opened{}, err
	}
	o := plugin.Opened{Store: s, Label: "block " + path, Same: s.Same(), Later: s.Later(), Describe: func() api.Facts { return api.Facts{plugin.IOFact(s)} }}
	if text := s.Image().Served(path); text != "" {
		o.News = append(o.News, plugin.Notice{Warn: true, Text: text})
	}
	if id := s.Identity(); id != "" {
		o.Seed = plugin.Seed("device", id)
	} else {
		o.Seed = plugin.PathSeed(path)
		o.Caveat = plugin.PathCaveat(path, "the device has no identifier of its own")
	}
	return o, nil
}
