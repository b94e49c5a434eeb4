package kind

import (
	"context"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/library/panel"
	"github.com/lunette-io/lunette/device/tape/medium"
)

var errClosed = errors.New("the library is being closed")

// missing is an error about something that is not there, for the API.
type missing struct{ text string }

func (e missing) Error() string { return e.text }
func (e missing) Unwrap() error { return plugin.ErrNotThere }

// act does an action.
func (u *unit) act(ctx context.Context, action string, v model.Values) (any, error) {
	u.closing.RLock()
	defer u.closing.RUnlock()
	if u.closed {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(u.life, func() { cancel(errClosed) })()
	result, err := u.do(ctx, action, v)
	if errors.Is(err, library.ErrNoCartridge) {
		err = missing{err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// do does an action at the panel.
func (u *unit) do(ctx context.Context, action string, v model.Values) (any, error) {
	p, barcode, some := u.panel(), v.String("barcode"), v.Strings("barcode")
	switch action {
	case doLs:
		return p.List(ctx, v.Bool("details"), v.Bool("empty"))
	case doInspect:
		return p.Inspect(ctx, barcode)
	case doLoad:
		drive := library.Any
		if v.Has("drive") {
			drive = int(v.Int("drive"))
		}
		return p.Load(ctx, barcode, drive)
	case doUnload, doEject:
		var drive *int
		if v.Has("drive") {
			drive = new(int(v.Int("drive")))
		}
		return p.Eject(ctx, drive, barcode, action == doEject)
	case doMove:
		return p.Move(ctx, barcode, v.String("to"))
	case doImport:
		return p.Import(ctx, some, v.String("to"))
	case doExport:
		return p.Export(ctx, some)
	case doCreate:
		return u.create(ctx, v)
	case doLabel:
		return p.Label(ctx, barcode, v.String("becomes"))
	case doLock, doUnlock:
		return p.Protect(ctx, some, action == doLock)
	case doDelete:
		return p.Delete(ctx, some)
	case doVerify:
		return p.Verify(ctx, some)
	case doCompact:
		return p.Compact(ctx, some)
	}
	return nil, fmt.Errorf("a library has no action %q", action)
}

// panel is where the library is operated.
func (u *unit) panel() *panel.Panel {
	return &panel.Panel{Library: u.lib, Name: u.name, Store: u.store, Model: u.model.Name, Drives: len(u.drives), Drive: u.shown}
}

// shown is a drive for people.
func (u *unit) shown(i int) *panel.Drive {
	s := u.drives[i].Status()
	return &panel.Drive{
		Vendor: u.about[i].Vendor, Product: u.about[i].Product, Serial: u.about[i].Serial, Activity: s.Activity, Prevented: s.Prevented, Problem: s.Problem,
		Partition: s.Partition, Object: s.Position.Object, File: s.Position.File, Written: s.Written, Read: s.Read, Alerts: append([]int{}, s.Alerts...),
	}
}

func (u *unit) create(ctx context.Context, v model.Values) (any, error) {
	f, err := u.set.Format(v.String("format"))
	if err != nil {
		return nil, err
	}
	s := library.Spec{
		Count: int(v.Int("count")), Format: f.Name, Type: typeOf(v.String("type")), Capacity: v.Size("capacity"),
		Prefix: v.String("prefix"), Start: int(v.Int("start")), Barcode: v.String("barcode"), Shelf: v.Bool("shelf"),
	}
	if s.Type == medium.Data && v.String("format") == f.WORMName {
		s.Type = medium.WORM
	}
	return u.panel().Create(ctx, s)
}

func typeOf(text string) medium.Type {
	switch text {
	case "cleaning":
		return medium.Cleaning
	case "worm":
		return medium.WORM
	}
	return medium.Data
}
