// Package kind is what a document can say of a file store.
package kind

import (
	"context"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/file"
)

// Kind is the store "file".
func Kind() plugin.Store {
	return plugin.Store{About: plugin.About{
		Name: "file",
		Help: "A file, sparse or not. One process at a time serves it. Data goes through the page cache, unless `direct` is set. Writes are durable after SYNCHRONIZE CACHE or with FUA, with `direct` as well.",
		Options: []model.Option{
			{Name: "path", Type: model.Path, Required: true, Exclusive: true, Help: "The file."},
			{Name: "size", Type: model.Bytes, Multiple: 512, Min: 512, Help: "Makes a file that is missing or empty, sparse, with this size; another file must have it. Without it the file is taken as it is."},
			{Name: "read-only", Type: model.Bool, Help: "Opens the file for reading. Any number of daemons may."},
			{Name: "sync", Type: model.Bool, Help: "Makes every write durable before it is acknowledged."},
			{Name: "direct", Type: model.Bool, Help: "Goes past the page cache, straight to the disk: for files larger than memory on fast disks, and where initiators have caches of their own. The size is a multiple of the disk's block."},
			plugin.IOOption(),
		},
	}, Open: open}
}

func open(_ context.Context, v model.Values) (plugin.Opened, error) {
	path := v.String("path")
	was := look(path)
	s, err := file.Open(file.Config{
		Path: path, Size: v.Size("size"), ReadOnly: v.Bool("read-only"), Sync: v.Bool("sync"),
		Direct: v.Bool("direct"), IO: v.String("io"),
	})
	if err != nil {
		return plugin.Opened{}, err
	}
	return plugin.Opened{Store: s, Undo: was.undo(), Seed: plugin.PathSeed(path), Label: "file " + path, Describe: func() api.Facts { return api.Facts{plugin.IOFact(s)} }}, nil
}
