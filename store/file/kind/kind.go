// Package kind is what a document can say of a file store.
package kind

import (
	"context"
	"errors"
	"fmt"

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
	}, Open: open, Look: look}
}

func config(v model.Values) file.Config {
	return file.Config{
		Path: v.String("path"), Size: v.Size("size"), ReadOnly: v.Bool("read-only"), Sync: v.Bool("sync"),
		Direct: v.Bool("direct"), IO: v.String("io"),
	}
}

func open(_ context.Context, v model.Values) (plugin.Opened, error) {
	path := v.String("path")
	was := lookAt(path)
	s, err := file.Open(config(v))
	if err != nil {
		return plugin.Opened{}, inWords(err)
	}
	return plugin.Opened{Store: s, Undo: was.undo(), Seed: plugin.PathSeed(path), Label: "file " + path}, nil
}

func look(v model.Values) (plugin.Found, error) {
	f, err := file.Look(config(v))
	return plugin.Found{Size: f.Size, Missing: f.Missing, Same: f.Same}, inWords(err)
}

// inWords says sizes as people write them, and what can be done.
func inWords(err error) error {
	var size *file.SizeError
	if !errors.As(err, &size) {
		return err
	}
	advice := "leave the size out to serve it as it is"
	if size.Has < size.Wish {
		advice += fmt.Sprintf(", or make it larger first: truncate -s %d %s", size.Wish, size.Path)
	}
	return fmt.Errorf("%s: it has %s, not the %s that are asked for: %s", size.Path, model.Size(size.Has).InWords(), model.Size(size.Wish).InWords(), advice)
}
