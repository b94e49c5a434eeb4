package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/optical"
)

// Names of actions.
const (
	doLoad  = "load"
	doEject = "eject"
	doLs    = "ls"
)

// errReadOnlyFileSystem is what the system says of a file that nobody can write.
var errReadOnlyFileSystem error = unix.EROFS

// actions are what people can do with a drive.
func actions() []plugin.Action {
	force := model.Option{Name: "force", Type: model.Bool, Help: "Also while initiators prevent that the disc is taken out."}
	return []plugin.Action{
		{Name: doLoad, Help: "Puts a disc in the drive, in the place of the one that is there, and closes the tray. The document stays as it is: after a restart the drive has the disc that it names.", Changes: true, Arguments: []model.Option{
			{Name: "medium", Type: model.String, Required: true, Help: "The whole path of an image, or the name of one in the library, where `.iso` may be left out. The disc on the unit's own store has the path of that, or, without one, the name that `lunette units` shows."}, force,
		}},
		{Name: doEject, Help: "Opens the tray and takes the disc out. What initiators have written is durable then. If one of them prevents it, it is asked to let the disc go, and nothing else happens.", Changes: true, Arguments: []model.Option{force}},
		{Name: doLs, Help: "Lists the images of the library, and says which one is in the drive. Of 10,000 names at the most: `incomplete` says that there are more."},
	}
}

// missing is an error about something that is not there, for the API.
type missing struct{ error }

func (e missing) Unwrap() []error { return []error{e.error, plugin.ErrNotThere} }

// act does an action.
func (u *unit) act(ctx context.Context, action string, v model.Values) (any, error) {
	u.closing.RLock()
	defer u.closing.RUnlock()
	if u.closed {
		return nil, optical.ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(u.life, func() { cancel(optical.ErrClosed) })()
	switch action {
	case doLoad:
		return u.load(ctx, v.String("medium"), v.Bool("force"))
	case doEject:
		return u.eject(ctx, v.Bool("force"))
	case doLs:
		return u.list(maxListed)
	}
	return nil, fmt.Errorf("a drive has no action %q", action)
}

// A result is what the drive has after an action.
type result struct {
	Disc     string `json:"disc"` // "" for none
	Profile  string `json:"profile,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Writable bool   `json:"writable"`
	Tray     string `json:"tray"`              // open, closed
	Volume   string `json:"volume,omitempty"`  // its name, which hosts show
	Warning  string `json:"warning,omitempty"` // of the disc that was put in
}

func (u *unit) now() result {
	s := u.Status()
	r := result{Disc: s.Label, Profile: s.Profile, Size: s.Size, Writable: s.Writable, Tray: "closed", Volume: u.volumes.of(s.Label).Label}
	if s.Open {
		r.Tray = "open"
	}
	return r
}

// load puts a disc in the drive.
func (u *unit) load(ctx context.Context, text string, force bool) (any, error) {
	m, own := u.again(text)
	var err error
	if !own {
		m, err = u.at(ctx, text)
	}
	switch path, _ := u.library.find(text); {
	case err != nil && path != "" && path == u.Status().Label && exists(path):
		// It cannot be opened again since it is in the drive, where it can be written: the tray is closed.
		if err = u.Shut(ctx); err == nil {
			return u.now(), nil
		}
	case err == nil:
		if err = u.Load(ctx, m.d, force); err != nil {
			err = errors.Join(err, m.giveUp())
		} else {
			m.taken(u)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing{err}
	case err != nil:
		return nil, err
	}
	r := u.now()
	r.Warning = m.warning()
	return r, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// eject takes the disc out.
func (u *unit) eject(ctx context.Context, force bool) (any, error) {
	err := u.Eject(ctx, force)
	switch {
	case errors.Is(err, optical.ErrEmpty):
		return nil, missing{err}
	case err != nil:
		return nil, err
	}
	return u.now(), nil
}

// A listed image is one with whether it is in the drive.
type listed struct {
	image
	Loaded bool `json:"loaded"`
}

// shown reports that the file is an image by what it holds, or by its name: one to be written may be empty.
func (i image) shown() bool {
	switch strings.ToLower(filepath.Ext(i.Name)) {
	case suffix, ".img", ".udf":
		return true
	}
	v, err := lookAt(i.path)
	return err == nil && v.Disc
}

// A listing is the library.
type listing struct {
	Library string   `json:"library"`
	Images  []listed `json:"images"`
	// Incomplete: it has more names than are looked at.
	Incomplete bool `json:"incomplete,omitempty"`
}

// list lists the library, of which no more names than most are looked at.
func (u *unit) list(most int) (any, error) {
	all, more, err := u.library.images(most)
	if err != nil {
		return nil, err
	}
	in := u.Status().Label
	images := make([]listed, 0, len(all))
	for _, i := range all {
		if !i.shown() {
			continue
		}
		images = append(images, listed{i, i.path == in})
	}
	return listing{Library: u.library.dir, Images: images, Incomplete: more}, nil
}
