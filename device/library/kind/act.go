package kind

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// act does an action.
func (u *unit) act(ctx context.Context, action string, v model.Values) (any, error) {
	result, err := u.do(ctx, action, v)
	if errors.Is(err, library.ErrNoCartridge) {
		err = missing{err.Error()}
	}
	return result, err
}

func (u *unit) do(ctx context.Context, action string, v model.Values) (any, error) {
	u.closing.RLock()
	defer u.closing.RUnlock()
	if u.closed {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(u.life, func() { cancel(errClosed) })()
	barcode := v.String("barcode")
	switch action {
	case doLs:
		all, err := u.lib.Cartridges(ctx, v.Bool("details"))
		if err != nil {
			return nil, err
		}
		return u.ls(all, v.Bool("empty")), nil
	case doLoad:
		drive := library.Any
		if v.Has("drive") {
			drive = int(v.Int("drive"))
		}
		return u.moved(ctx, []string{barcode}, func(b string) error {
			return u.lib.Carry(ctx, b, library.Place{Type: changer.Drive, Index: drive})
		})
	case doUnload, doEject:
		return u.eject(ctx, v, action == doEject)
	case doMove:
		to, err := library.ParsePlace(v.String("to"))
		if err != nil {
			return nil, err
		}
		return u.moved(ctx, []string{barcode}, func(b string) error { return u.lib.Carry(ctx, b, to) })
	case doImport:
		return u.importAll(ctx, v)
	case doExport:
		return u.moved(ctx, v.Strings("barcode"), func(b string) error { return u.lib.Export(ctx, b) })
	case doCreate:
		return u.create(ctx, v)
	case doLabel:
		becomes := v.String("becomes")
		if err := u.lib.Label(ctx, barcode, becomes); err != nil {
			return nil, err
		}
		return changedResult{[]string{becomes}}, nil
	case doLock, doUnlock:
		return each(ctx, v.Strings("barcode"), func(b string) error { return u.lib.Protect(ctx, b, action == doLock) })
	case doDelete:
		return each(ctx, v.Strings("barcode"), func(b string) error { return u.lib.Delete(ctx, b) })
	case doInspect:
		c, err := u.find(ctx, barcode, true)
		if err != nil {
			return nil, err
		}
		return shownCartridge(c), nil
	case doVerify:
		return u.verify(ctx, v.Strings("barcode"))
	case doCompact:
		return each(ctx, v.Strings("barcode"), func(b string) error {
			dir, err := u.idle(ctx, b)
			if err != nil {
				return err
			}
			return medium.Compact(ctx, dir)
		})
	}
	return nil, fmt.Errorf("a library has no action %q", action)
}

var errClosed = errors.New("the library is being closed")

// each does something with cartridges one after the other. An error says which were done.
func each(ctx context.Context, barcodes []string, do func(barcode string) error) (any, error) {
	done := []string{}
	for _, b := range barcodes {
		err := ctx.Err()
		if err == nil {
			err = do(b)
		}
		if err != nil {
			return nil, partly(b, done, err)
		}
		done = append(done, b)
	}
	return changedResult{done}, nil
}

// partly is the error of one of several cartridges.
func partly(barcode string, done []string, err error) error {
	if len(done) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w; done before it: %d of them, to %s", barcode, err, len(done), done[len(done)-1])
}

// moved moves cartridges, and says where they are then.
func (u *unit) moved(ctx context.Context, barcodes []string, do func(barcode string) error) (any, error) {
	if _, err := each(ctx, barcodes, do); err != nil {
		return nil, err
	}
	where, err := u.where(ctx, barcodes)
	return movedResult{where}, err
}

// where says where cartridges are.
func (u *unit) where(ctx context.Context, barcodes []string) ([]moved, error) {
	all, err := u.lib.Cartridges(ctx, false)
	if err != nil {
		return nil, err
	}
	some := make([]moved, 0, len(barcodes))
	for _, c := range all {
		if slices.Contains(barcodes, c.Barcode) {
			some = append(some, moved{c.Barcode, placeText(c.Where)})
		}
	}
	return some, nil
}

// find finds a cartridge of the store.
func (u *unit) find(ctx context.Context, barcode string, details bool) (library.Cartridge, error) {
	all, err := u.lib.Cartridges(ctx, details)
	if err != nil {
		return library.Cartridge{}, err
	}
	for _, c := range all {
		if c.Barcode == barcode {
			return c, nil
		}
	}
	return library.Cartridge{}, notThere("there is no cartridge %q in %s", barcode, u.store)
}

// notThere is an error about something that is not there.
func notThere(format string, args ...any) error { return missing{fmt.Sprintf(format, args...)} }

// missing is an error that wraps [plugin.ErrNotThere].
type missing struct{ text string }

func (e missing) Error() string { return e.text }
func (e missing) Unwrap() error { return plugin.ErrNotThere }

// eject takes the cartridge out of a drive.
func (u *unit) eject(ctx context.Context, v model.Values, force bool) (any, error) {
	barcode, drive := v.String("barcode"), int(v.Int("drive"))
	if v.Has("drive") == (barcode != "") {
		return nil, errors.New("either the number of a drive is wanted, or the barcode of what is in one")
	}
	if barcode == "" {
		if drive >= len(u.drives) {
			return nil, notThere("there is no drive %d: there are %d, from 0", drive, len(u.drives))
		}
		if barcode = u.drives[drive].Status().Barcode; barcode == "" {
			return nil, fmt.Errorf("the drive %d is empty", drive)
		}
	} else {
		c, err := u.find(ctx, barcode, false)
		if err != nil {
			return nil, err
		}
		if c.Where.Type != changer.Drive {
			return nil, fmt.Errorf("%s is in no drive: it is at %s", barcode, placeText(c.Where))
		}
		drive = c.Where.Index
	}
	return u.moved(ctx, []string{barcode}, func(string) error { return u.lib.Eject(ctx, drive, force) })
}

func (u *unit) importAll(ctx context.Context, v model.Values) (any, error) {
	to, err := library.ParsePlace(v.String("to"))
	some := v.Strings("barcode")
	switch {
	case err != nil:
		return nil, err
	case to.Type != changer.Storage && to.Type != changer.Mail:
		return nil, fmt.Errorf("cartridges come into slots and mail slots, and not to %s", v.String("to"))
	case len(some) > 1 && to.Index != library.Any:
		return nil, fmt.Errorf("%d cartridges do not fit into %s: write slot or mail", len(some), v.String("to"))
	}
	return u.moved(ctx, some, func(b string) error { return u.lib.Import(ctx, b, to) })
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
	if s.Type == medium.WORM && f.WORMType == 0 {
		return nil, fmt.Errorf("there are no WORM cartridges of the format %s", f.Name)
	}
	made, err := u.lib.Create(ctx, s)
	if err != nil {
		if len(made) > 0 {
			err = fmt.Errorf("%w; made before it: %d, to %s", err, len(made), made[len(made)-1])
		}
		return nil, err
	}
	where, err := u.where(ctx, made)
	return createdResult{where}, err
}
