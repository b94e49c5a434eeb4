// Package panel is where people operate a tape library: what they do with it, and what they are told. A daemon's unit has one, and so
// has a command that works on a store with no daemon.
package panel

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// A Panel operates a library that is open. Its methods may be called by many goroutines. Each is done, durably, when it returns. An
// error about something that is not there is a [library.ErrNoCartridge].
type Panel struct {
	Library *library.Library
	Name    string // of the library
	Store   string // its directory
	Model   string // what the robot is; "" where that is not known
	// Drives is how many there are, and Drive what one says of itself; nil where no drive is served.
	Drives int
	Drive  func(i int) *Drive
}

// missing is an error about what is not there.
type missing struct{ text string }

func (e missing) Error() string { return e.text }
func (e missing) Unwrap() error { return library.ErrNoCartridge }

// List says what is where: elements that are full, or with empty all of them, drives, and the shelf. details takes a look into each
// cartridge.
func (p *Panel) List(ctx context.Context, details, empty bool) (Inventory, error) {
	all, err := p.Library.Cartridges(ctx, details)
	if err != nil {
		return Inventory{}, err
	}
	v := Inventory{Library: p.Name, Store: p.Store, Model: p.Model, Elements: []Element{}, Shelf: []Cartridge{}, Problems: p.Library.Problems()}
	at := make(map[library.Place]*Cartridge, len(all))
	for _, c := range all {
		x := shown(c)
		if c.Where == library.Shelf {
			v.Shelf = append(v.Shelf, x)
			continue
		}
		at[c.Where] = &x
	}
	count := make(map[changer.ElementType]int)
	for _, e := range p.Library.Elements() {
		if e.Type == changer.Transport {
			continue
		}
		place := library.Place{Type: e.Type, Index: count[e.Type]}
		count[e.Type]++
		if e.Type != changer.Drive {
			place.Index++
		}
		x := Element{Place: place.Text(), Address: e.Address, Full: e.Full, Cartridge: at[place], Imported: e.Imported}
		if e.Type == changer.Drive && p.Drive != nil {
			x.Drive = p.Drive(place.Index)
		}
		if e.Full || empty || e.Type == changer.Drive {
			v.Elements = append(v.Elements, x)
		}
	}
	return v, nil
}

// Inspect says what a cartridge has.
func (p *Panel) Inspect(ctx context.Context, barcode string) (Cartridge, error) {
	c, err := p.find(ctx, barcode, true)
	if err != nil {
		return Cartridge{}, err
	}
	return shown(c), nil
}

// find finds a cartridge of the store.
func (p *Panel) find(ctx context.Context, barcode string, details bool) (library.Cartridge, error) {
	all, err := p.Library.Cartridges(ctx, details)
	if err != nil {
		return library.Cartridge{}, err
	}
	i := slices.IndexFunc(all, func(c library.Cartridge) bool { return c.Barcode == barcode })
	if i < 0 {
		return library.Cartridge{}, missing{fmt.Sprintf("there is no cartridge %q in %s", barcode, p.Store)}
	}
	return all[i], nil
}

// each does something with cartridges, one after the other. An error says which were done.
func each(ctx context.Context, barcodes []string, do func(barcode string) error) (Changed, error) {
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
			return Changed{}, err
		}
		done = append(done, b)
	}
	return Changed{done}, nil
}

// moved moves cartridges, and says where they are then.
func (p *Panel) moved(ctx context.Context, barcodes []string, do func(barcode string) error) (Moved, error) {
	if _, err := each(ctx, barcodes, do); err != nil {
		return Moved{}, err
	}
	at, err := p.where(ctx, barcodes)
	return Moved{at}, err
}

func (p *Panel) where(ctx context.Context, barcodes []string) ([]At, error) {
	all, err := p.Library.Cartridges(ctx, false)
	some := []At{}
	for _, c := range all {
		if slices.Contains(barcodes, c.Barcode) {
			some = append(some, At{c.Barcode, c.Where.Text()})
		}
	}
	return some, err
}

// Load moves a cartridge into a drive, or with [library.Any] into the first that is empty.
func (p *Panel) Load(ctx context.Context, barcode string, drive int) (Moved, error) {
	return p.carry(ctx, barcode, library.Place{Type: changer.Drive, Index: drive})
}

// Move moves a cartridge of the library to another element, as [library.ParsePlace] reads it.
func (p *Panel) Move(ctx context.Context, barcode, to string) (Moved, error) {
	place, err := library.ParsePlace(to)
	if err != nil {
		return Moved{}, err
	}
	return p.carry(ctx, barcode, place)
}

func (p *Panel) carry(ctx context.Context, barcode string, to library.Place) (Moved, error) {
	return p.moved(ctx, []string{barcode}, func(b string) error { return p.Library.Carry(ctx, b, to) })
}

// Eject moves what is in a drive to the slot that it came from, or to one that is free. It is named by its barcode, or by the
// number of the drive. force: also if an initiator prevents it.
func (p *Panel) Eject(ctx context.Context, drive *int, barcode string, force bool) (Moved, error) {
	if (drive != nil) == (barcode != "") {
		return Moved{}, errors.New("either the number of a drive is wanted, or the barcode of what is in one")
	}
	if drive != nil && *drive >= p.Drives {
		return Moved{}, missing{fmt.Sprintf("there is no drive %d: there are %d, from 0", *drive, p.Drives)}
	}
	all, err := p.Library.Cartridges(ctx, false)
	if err != nil {
		return Moved{}, err
	}
	i := slices.IndexFunc(all, func(c library.Cartridge) bool {
		return drive == nil && c.Barcode == barcode || drive != nil && c.Where.Type == changer.Drive && c.Where.Index == *drive
	})
	switch {
	case i < 0 && drive != nil:
		return Moved{}, fmt.Errorf("the drive %d is empty", *drive)
	case i < 0:
		return Moved{}, missing{fmt.Sprintf("there is no cartridge %q in %s", barcode, p.Store)}
	case all[i].Where.Type != changer.Drive:
		return Moved{}, fmt.Errorf("%s is in no drive: it is at %s", barcode, all[i].Where.Text())
	}
	return p.moved(ctx, []string{all[i].Barcode}, func(string) error { return p.Library.Eject(ctx, all[i].Where.Index, force) })
}

// Import brings cartridges of the shelf into slots or mail slots.
func (p *Panel) Import(ctx context.Context, barcodes []string, to string) (Moved, error) {
	place, err := library.ParsePlace(to)
	switch {
	case err != nil:
		return Moved{}, err
	case place.Type != changer.Storage && place.Type != changer.Mail:
		return Moved{}, fmt.Errorf("cartridges come into slots and mail slots, and not to %s", to)
	case len(barcodes) > 1 && place.Index != library.Any:
		return Moved{}, fmt.Errorf("%d cartridges do not fit into %s: write slot or mail", len(barcodes), to)
	}
	return p.moved(ctx, barcodes, func(b string) error { return p.Library.Import(ctx, b, place) })
}

// Export takes cartridges out of slots and mail slots, to the shelf.
func (p *Panel) Export(ctx context.Context, barcodes []string) (Moved, error) {
	return p.moved(ctx, barcodes, func(b string) error { return p.Library.Export(ctx, b) })
}

// Create makes cartridges.
func (p *Panel) Create(ctx context.Context, specs ...library.Spec) (Created, error) {
	made, err := CreateAll(ctx, p.Library, specs)
	if err != nil {
		return Created{}, err
	}
	at, err := p.where(ctx, made)
	return Created{at}, err
}

// CreateAll makes cartridges of several kinds, and returns their barcodes; also those that it had made before an error.
func CreateAll(ctx context.Context, l *library.Library, specs []library.Spec) ([]string, error) {
	var all []string
	for _, s := range specs {
		made, err := l.Create(ctx, s)
		if all = append(all, made...); err != nil {
			if len(all) > 0 {
				err = fmt.Errorf("%w; made before it: %d, to %s", err, len(all), all[len(all)-1])
			}
			return all, err
		}
	}
	return all, nil
}

// Label gives a cartridge that is in no drive another barcode.
func (p *Panel) Label(ctx context.Context, barcode, becomes string) (Changed, error) {
	if err := p.Library.Label(ctx, barcode, becomes); err != nil {
		return Changed{}, err
	}
	return Changed{[]string{becomes}}, nil
}

// Protect moves the tab of cartridges that are in no drive: they cannot be written, or can.
func (p *Panel) Protect(ctx context.Context, barcodes []string, on bool) (Changed, error) {
	return each(ctx, barcodes, func(b string) error { return p.Library.Protect(ctx, b, on) })
}

// Delete removes cartridges of the shelf, with all that is on them.
func (p *Panel) Delete(ctx context.Context, barcodes []string) (Changed, error) {
	return each(ctx, barcodes, func(b string) error { return p.Library.Delete(ctx, b) })
}

// Compact gives back the space of what counts only in part.
func (p *Panel) Compact(ctx context.Context, barcodes []string) (Changed, error) {
	return each(ctx, barcodes, func(b string) error {
		return p.idle(ctx, b, func(dir string) error { return medium.Compact(ctx, dir) })
	})
}

// Verify reads all of cartridges, and checks it.
func (p *Panel) Verify(ctx context.Context, barcodes []string) (Checked, error) {
	all := Checked{[]Check{}}
	for _, b := range barcodes {
		err := p.idle(ctx, b, func(dir string) error {
			r, err := medium.Verify(ctx, dir, nil)
			c := Check{Barcode: b, Objects: r.Objects, Bytes: r.Bytes, Damaged: []Damage{}, More: r.More}
			for _, d := range r.Damaged {
				c.Damaged = append(c.Damaged, Damage(d))
			}
			all.Checked = append(all.Checked, c)
			return err
		})
		if err != nil {
			return Checked{}, err
		}
	}
	return all, nil
}

// idle does something with the directory of a cartridge that is in no drive.
func (p *Panel) idle(ctx context.Context, barcode string, do func(dir string) error) error {
	c, err := p.find(ctx, barcode, false)
	switch {
	case err != nil:
		return err
	case c.Where.Type == changer.Drive:
		return fmt.Errorf("%s is in %s: unload it first", barcode, c.Where.Text())
	}
	switch err = do(filepath.Join(p.Store, "cartridges", barcode)); {
	case errors.Is(err, medium.ErrLocked):
		return fmt.Errorf("%s is being used: unload it first", barcode)
	case err != nil:
		return fmt.Errorf("%s: %w", barcode, err)
	}
	return nil
}
