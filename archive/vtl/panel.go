package vtl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
)

// A Panel is where somebody operates a library with no daemon: it has the actions that the unit of a daemon has.
type Panel struct {
	library *library.Library
	name    string
	store   string
}

// Args are what actions are told.
type Args struct {
	Barcode  string   // of actions with one cartridge
	Barcodes []string // of actions with several
	Drive    *int     // nil: none is named
	To       string   // a place
	Becomes  string   // a barcode
	Force    bool
	Empty    bool
	Details  bool
	Stock    Stock
}

// Close gives the library back.
func (p *Panel) Close() error { return p.library.Close() }

// Act does something; what it comes to is put into result, which may be nil.
func (p *Panel) Act(ctx context.Context, action string, a Args, result any) error {
	v, err := p.act(ctx, action, a)
	if err != nil || result == nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

func (p *Panel) act(ctx context.Context, action string, a Args) (any, error) {
	switch action {
	case "ls":
		return p.ls(ctx, a)
	case "inspect":
		c, err := p.find(ctx, a.Barcode, true)
		return shown(c), err
	case "create":
		return p.create(ctx, a.Stock)
	case "load":
		drive := library.Any
		if a.Drive != nil {
			drive = *a.Drive
		}
		to := library.Place{Type: changer.Drive, Index: drive}
		return p.moved(ctx, []string{a.Barcode}, func(b string) error { return p.library.Carry(ctx, b, to) })
	case "unload", "eject":
		return p.unload(ctx, a)
	case "move", "import":
		return p.move(ctx, action, a)
	case "export":
		return p.moved(ctx, a.Barcodes, func(b string) error { return p.library.Export(ctx, b) })
	case "label":
		return Changed{[]string{a.Becomes}}, p.library.Label(ctx, a.Barcode, a.Becomes)
	case "lock", "unlock":
		return p.each(ctx, a.Barcodes, func(b string) error { return p.library.Protect(ctx, b, action == "lock") })
	case "delete":
		return p.each(ctx, a.Barcodes, func(b string) error { return p.library.Delete(ctx, b) })
	case "verify":
		return p.verify(ctx, a.Barcodes)
	case "compact":
		return p.each(ctx, a.Barcodes, func(b string) error { return p.compact(ctx, b) })
	}
	return nil, fmt.Errorf("a library has no action %q", action)
}

func (p *Panel) ls(ctx context.Context, a Args) (any, error) {
	all, err := p.library.Cartridges(ctx, a.Details)
	if err != nil {
		return nil, err
	}
	v := inventory(p.library, all, a.Empty)
	v.Library, v.Store = p.name, p.store
	return v, nil
}

// find finds a cartridge of the store.
func (p *Panel) find(ctx context.Context, barcode string, details bool) (library.Cartridge, error) {
	all, err := p.library.Cartridges(ctx, details)
	if err != nil {
		return library.Cartridge{}, err
	}
	i := slices.IndexFunc(all, func(c library.Cartridge) bool { return c.Barcode == barcode })
	if i < 0 {
		return library.Cartridge{}, fmt.Errorf("there is no cartridge %q in %s", barcode, p.store)
	}
	return all[i], nil
}

// each does something with cartridges, one after the other. An error says what was done before it.
func (p *Panel) each(ctx context.Context, barcodes []string, do func(string) error) (any, error) {
	done := []string{}
	for _, b := range barcodes {
		err := ctx.Err()
		if err == nil {
			err = do(b)
		}
		if err != nil && len(done) > 0 {
			err = fmt.Errorf("%s: %w; done before it: %d of them, to %s", b, err, len(done), done[len(done)-1])
		}
		if err != nil {
			return nil, err
		}
		done = append(done, b)
	}
	return Changed{done}, nil
}

// moved moves cartridges, and says where they are then.
func (p *Panel) moved(ctx context.Context, barcodes []string, do func(string) error) (any, error) {
	if _, err := p.each(ctx, barcodes, do); err != nil {
		return nil, err
	}
	at, err := p.where(ctx, barcodes)
	return Moved{at}, err
}

func (p *Panel) where(ctx context.Context, barcodes []string) ([]At, error) {
	all, err := p.library.Cartridges(ctx, false)
	some := []At{}
	for _, c := range all {
		if slices.Contains(barcodes, c.Barcode) {
			some = append(some, At{c.Barcode, placeText(c.Where)})
		}
	}
	return some, err
}

func (p *Panel) create(ctx context.Context, s Stock) (any, error) {
	set, err := set(s.Personalities)
	if err != nil {
		return nil, err
	}
	specs, err := s.specs(set)
	if err != nil {
		return nil, err
	}
	made, err := makeAll(ctx, p.library, specs)
	if err != nil {
		return nil, err
	}
	at, err := p.where(ctx, made)
	return Created{at}, err
}

// unload takes a cartridge out of a drive.
func (p *Panel) unload(ctx context.Context, a Args) (any, error) {
	all, err := p.library.Cartridges(ctx, false)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(c library.Cartridge) bool {
		return c.Where.Type == changer.Drive && (a.Drive != nil && c.Where.Index == *a.Drive || a.Barcode != "" && c.Barcode == a.Barcode)
	})
	switch {
	case i >= 0:
	case a.Drive != nil:
		return nil, fmt.Errorf("there is no cartridge in drive %d", *a.Drive)
	default:
		return nil, fmt.Errorf("%s is in no drive", a.Barcode)
	}
	return p.moved(ctx, []string{all[i].Barcode}, func(string) error { return p.library.Eject(ctx, all[i].Where.Index, a.Force) })
}

// move carries cartridges of the library, or those of the shelf into it.
func (p *Panel) move(ctx context.Context, action string, a Args) (any, error) {
	to, err := library.ParsePlace(a.To)
	switch {
	case err != nil:
		return nil, err
	case action == "move":
		return p.moved(ctx, []string{a.Barcode}, func(b string) error { return p.library.Carry(ctx, b, to) })
	case to.Type != changer.Storage && to.Type != changer.Mail:
		return nil, fmt.Errorf("cartridges come into slots and mail slots, and not to %s", a.To)
	case len(a.Barcodes) > 1 && to.Index != library.Any:
		return nil, fmt.Errorf("%d cartridges do not fit into %s: write slot or mail", len(a.Barcodes), a.To)
	}
	return p.moved(ctx, a.Barcodes, func(b string) error { return p.library.Import(ctx, b, to) })
}

// idle is the directory of a cartridge that is in no drive.
func (p *Panel) idle(ctx context.Context, barcode string) (string, error) {
	c, err := p.find(ctx, barcode, false)
	if err == nil && c.Where.Type == changer.Drive {
		err = fmt.Errorf("%s is in %s: unload it first", barcode, placeText(c.Where))
	}
	return filepath.Join(p.store, "cartridges", barcode), err
}

// verify reads all of cartridges.
func (p *Panel) verify(ctx context.Context, barcodes []string) (any, error) {
	r := Checked{[]Check{}}
	for _, b := range barcodes {
		dir, err := p.idle(ctx, b)
		if err != nil {
			return nil, err
		}
		c, err := archive.Verify(ctx, dir, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b, err)
		}
		r.Checked = append(r.Checked, Check{b, c})
	}
	return r, nil
}

func (p *Panel) compact(ctx context.Context, barcode string) error {
	dir, err := p.idle(ctx, barcode)
	if err != nil {
		return err
	}
	return archive.Compact(ctx, dir)
}

// makeAll makes cartridges, and returns their barcodes; also those that it had made before an error.
func makeAll(ctx context.Context, l *library.Library, specs []library.Spec) ([]string, error) {
	var all []string
	for _, s := range specs {
		made, err := l.Create(ctx, s)
		if all = append(all, made...); err != nil {
			if len(all) > 0 {
				err = errors.Join(err, fmt.Errorf("%d cartridges were made before it, to %s", len(all), all[len(all)-1]))
			}
			return all, err
		}
	}
	return all, nil
}
