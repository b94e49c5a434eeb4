// Package kind is what a document can say of a file store.
package kind

import (
	"context"
	"errors"
	"fmt"
	"os"

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
			{Name: "size", Type: model.Bytes, Multiple: 512, Min: 512, Change: model.Growing, Help: "Makes a file that is missing or empty, sparse, with this size; another file must have it. Without it the file is taken as it is. A change of it while the unit is served makes the file longer, or shorter."},
			{Name: "read-only", Type: model.Bool, Help: "Opens the file for reading. Any number of daemons may."},
			{Name: "sync", Type: model.Bool, Help: "Makes every write durable before it is acknowledged."},
			{Name: "direct", Type: model.Bool, Help: "Goes past the page cache, straight to the disk: for files larger than memory on fast disks, and where initiators have caches of their own. The size is a multiple of the disk's block."},
			{Name: "format", Type: model.String, Default: model.Auto, Values: []string{model.Auto, "raw"}, Help: "`raw` serves the file's bytes whatever they are. `auto` refuses a file that looks like an image of another format (qcow2, VMDK, VHD, VHDX, VDI, QED, Parallels, DMG, raw sectors of a CD, a compressed file that is called so, and more), unless it was served before."},
			plugin.IOOption(),
		},
	}, Open: open, Look: look, Holds: holds, At: at}
}

// holds reports that a regular file is at a path.
func holds(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// at are the options of a file as it is.
func at(path string, readOnly bool) model.Values {
	return model.Values{"path": path, "read-only": readOnly, "io": model.Auto, "format": model.Auto}
}

func config(v model.Values) file.Config {
	return file.Config{
		Path: v.String("path"), Size: v.Size("size"), ReadOnly: v.Bool("read-only"), Sync: v.Bool("sync"),
		Direct: v.Bool("direct"), IO: v.String("io"), Raw: v.String("format") == "raw",
	}
}

func open(_ context.Context, v model.Values) (plugin.Opened, error) {
	path := v.String("path")
	was := lookAt(path)
	s, err := file.Open(config(v))
	if err != nil {
		return plugin.Opened{}, inWords(err)
	}
	restore := was.undo()
	if restore == nil {
		restore = func() error { return nil }
	}
	id, err := s.Identify()
	if err != nil {
		return plugin.Opened{}, errors.Join(err, restore(), s.Close())
	}
	o := plugin.Opened{
		Store: s, Label: "file " + path, New: was.missing || was.empty,
		Forget: id.Forget, Reservations: s.Reservations(), Lost: s.Lost, Same: s.Same(), File: path, Later: s.Later(),
		Remove:   s.Remove,
		Undo:     func() error { return errors.Join(id.Undo(), restore()) },
		Describe: func() api.Facts { return api.Facts{plugin.IOFact(s)} },
	}
	name(&o, path, id)
	return o, nil
}

// name says who the file is, and what there is to tell of that.
func name(o *plugin.Opened, path string, id file.Identity) {
	tell := func(warn bool, format string, args ...any) {
		o.News = append(o.News, plugin.Notice{Warn: warn, Text: fmt.Sprintf(format, args...)})
	}
	if id.ID == "" {
		o.Seed = plugin.PathSeed(path)
		o.Caveat = plugin.PathCaveat(path, "the file has no identity and can be given none ("+id.Why.Error()+")")
	} else {
		o.Seed = seed(id)
	}
	switch {
	case o.New:
		tell(true, "%s was made: it is empty, and a new disk", path)
	case id.Made:
		tell(false, "%s had no identity and was given one, which stays with it: hosts that knew it by another name find a new disk", path)
	}
	if id.Dropped != "" {
		tell(true, "%s was of another disk, which is no more: it was removed", id.Dropped)
	}
}

func look(v model.Values) (plugin.Found, error) {
	f, err := file.Look(config(v))
	found := plugin.Found{Size: f.Size, Missing: f.Missing, Same: f.Same}
	if f.Identity.ID != "" {
		found.Seed, found.Forget = seed(f.Identity), f.Identity.Forget
	}
	switch {
	case f.Missing:
		found.Makes = append(found.Makes, plugin.Made{Path: v.String("path")})
	case f.Empty:
		found.Makes = append(found.Makes, plugin.Made{Path: v.String("path"), Grown: true})
	}
	if f.Beside != "" {
		found.Makes = append(found.Makes, plugin.Made{Path: f.Beside})
	}
	return found, inWords(err)
}

// seed tells the file from all others.
func seed(id file.Identity) string { return plugin.Seed("identity", id.ID) }

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
