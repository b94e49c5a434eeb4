package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
)

// A unit is a drive that is open: the drive, and where its discs come from.
type unit struct {
	*optical.Drive
	library  library
	writable bool
	stores   plugin.Stores
	id       scsi.Identity
	volumes  volumes
	// store is that of the document, which is open for as long as the unit is there, also while another disc is in the drive: nil if it has none.
	store *plugin.Opened
	// stored is what is known of the disc that it is.
	stored volume

	// closing is held for reading while somebody acts, and for writing when the unit is closed.
	closing sync.RWMutex
	closed  bool
	// life ends when it begins to be closed: what takes long ends with it.
	life context.Context
	end  context.CancelFunc
}

// Close implements [target.LogicalUnit].
func (u *unit) Close() error {
	err := u.release()
	if u.store != nil {
		err = errors.Join(err, u.store.Close())
	}
	return err
}

// release is Close, but leaves the store of the document open.
func (u *unit) release() error {
	u.end()
	u.closing.Lock()
	u.closed = true
	u.closing.Unlock()
	return u.Drive.Close()
}

// A medium is an open disc that the drive has not taken yet.
type medium struct {
	opened plugin.Opened
	d      *optical.Disc // nil: there is none
	path   bool          // it was opened by a path: who opened it closes it
	volume volume        // what is known of a disc that was opened by its path
}

func (m medium) disc() *optical.Disc { return m.d }

// taken says that the drive of u has it.
func (m medium) taken(u *unit) {
	if m.d == nil {
		return
	}
	if m.opened.Taken != nil {
		m.opened.Taken()
	}
	u.volumes.last.Store(&m.volume)
}

// warning is what people are told of it; empty: nothing.
func (m medium) warning() string {
	if m.d == nil {
		return ""
	}
	return m.volume.warning(m.d.Writable)
}

// giveUp closes a disc that the drive has not taken. That of a store of the document is the daemon's to close.
func (m medium) giveUp() error {
	if m.d == nil || !m.path {
		return nil
	}
	return m.opened.Close()
}

// first is the disc that is in the drive at first.
func (u *unit) first(ctx context.Context, text string, arena *buffer.Arena) (medium, error) {
	if text != "" {
		m, err := u.at(ctx, text)
		if err != nil {
			return m, fmt.Errorf("disc: %w", err)
		}
		return m, nil
	}
	names := u.stores.Names()
	if len(names) == 0 {
		return medium{}, nil
	}
	o, err := u.stores.Open(ctx, names[0])
	if err != nil {
		return medium{}, err
	}
	u.store = &o
	u.stored = lookIn(ctx, o.Store, o.Label, arena)
	return u.ofStore(), nil
}

// ofStore is the disc on the store of the document, which stays open.
func (u *unit) ofStore() medium {
	m := u.of(*u.store, u.store.Label, false)
	m.volume = u.stored
	m.d.Close = func() error { return nil }
	return m
}

// again is the disc on the store of the document, if text names that, or the path that it is on: nobody can open it a second time.
func (u *unit) again(text string) (medium, bool) {
	if u.store == nil {
		return medium{}, false
	}
	if text != u.store.Label {
		path, err := u.library.find(text)
		if err != nil {
			return medium{}, false
		}
		_, place, _ := strings.Cut(u.store.Label, " ")
		if at, err := filepath.Abs(place); err != nil || place == "" || at != filepath.Clean(path) {
			return medium{}, false
		}
	}
	return u.ofStore(), true
}

// at opens the disc that text names.
func (u *unit) at(ctx context.Context, text string) (medium, error) {
	path, err := u.library.find(text)
	if err != nil {
		return medium{}, err
	}
	v, err := lookAt(path)
	if err != nil {
		return medium{}, err
	}
	writable := u.writable
	o, err := u.stores.OpenPath(ctx, path, !writable)
	if writable && (errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnlyFileSystem)) {
		o, err = u.stores.OpenPath(ctx, path, true)
	}
	if err != nil {
		return medium{}, err
	}
	m := u.of(o, path, true)
	m.volume = v
	return m, nil
}

// of is the disc on an open store.
func (u *unit) of(o plugin.Opened, label string, path bool) medium {
	return medium{opened: o, path: path, d: &optical.Disc{Store: o.Store, Label: label, Writable: u.writable && !o.Info().ReadOnly, Close: o.Close}}
}

// errSize is of another size of the store.
var errSize = errors.New("a disc keeps its size while it is in a drive: delete the unit, and create it with the other size")

// change prepares other options.
func (u *unit) change(_ context.Context, c plugin.Changing) (plugin.Changed, error) {
	if len(c.Sizes) > 0 {
		return plugin.Changed{}, errSize
	}
	return plugin.Changed{Publish: func() {
		u.SetRevision(c.New.String("revision"))
		u.SetWorkers(int(c.New.Int("workers")))
	}}, nil
}

// describe is what the drive says of itself.
func (u *unit) describe() plugin.Description {
	s, id := u.Status(), u.Identity()
	what, tray, access := "empty", "closed", "read-only"
	if s.Open {
		tray = "open"
	}
	if s.Writable {
		access = "read-write"
	}
	size := ""
	if s.Label != "" {
		what = fmt.Sprintf("%s of %v in it, %s", s.Profile, model.Size(s.Size), access)
		size = model.Size(s.Size).String()
	}
	disc := s.Label
	if disc == "" {
		disc = "empty"
	}
	facts := api.Facts{
		{Name: "size", Value: s.Size, Column: "SIZE", Text: size},
		{Name: "profile", Value: s.Profile, Column: "DISC", Text: s.Profile, Wide: true},
		{Name: "writable", Value: s.Writable, Column: "ACCESS", Text: access, Wide: true},
		{Name: "tray", Value: tray, Column: "TRAY", Text: tray, Wide: true},
		{Name: "store", Value: s.Label, Column: "STORE", Text: disc},
		{Name: "disc", Value: s.Label},
		{Name: "volume", Value: u.volumes.of(s.Label).Label},
		{Name: "prevented", Value: s.Prevented},
		{Name: "swaps", Value: s.Swaps},
		{Name: "mediumErrors", Value: s.Errors},
		{Name: "serial", Value: id.Serial},
		{Name: "naa", Value: id.NAA.String()[len("naa."):]},
	}
	if u.library.dir != "" {
		facts = append(facts, api.Fact{Name: "library", Value: u.library.dir})
	}
	summary := "optical drive, " + what
	if s.Label != "" {
		summary += ": " + s.Label
	}
	if s.Open {
		summary += ", its tray is open"
	}
	return plugin.Description{Summary: summary, Facts: facts}
}
