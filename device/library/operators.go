package library

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
)

// ErrNoCartridge is that there is no cartridge with a barcode where it was looked for.
var ErrNoCartridge = errors.New("no such cartridge")

// Cartridges are all cartridges of the store, in order of their barcodes; with details, what is in their files too.
func (l *Library) Cartridges(ctx context.Context, details bool) ([]Cartridge, error) {
	present, err := l.depot.present()
	if err != nil {
		return nil, err
	}
	elsewhere := make(map[string]string)
	err = l.depot.locked(ctx, func() error {
		return l.depot.claims(func(library string, barcodes map[string]bool) {
			for b := range barcodes {
				elsewhere[b] = library
			}
		})
	})
	if err != nil {
		return nil, err
	}
	all := make([]Cartridge, 0, len(present))
	l.mu.Lock()
	for b := range present {
		c := Cartridge{Barcode: b, Library: elsewhere[b]}
		if e := l.of[b]; e != nil {
			c.Where, c.Address, c.Imported, c.Format, c.Type, c.Capacity = e.place, e.address, e.imported, e.format, e.kind, e.capacity
			if e.source != 0 && e.place.Type != changer.Storage {
				c.Source = Place{Type: changer.Storage, Index: e.source}
			}
		}
		all = append(all, c)
	}
	for b, e := range l.of {
		if !present[b] {
			all = append(all, Cartridge{Barcode: b, Where: e.place, Address: e.address, Format: e.format, Type: e.kind, Capacity: e.capacity, Problem: "its directory is not in the store"})
		}
	}
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b Cartridge) int { return strings.Compare(a.Barcode, b.Barcode) })
	for i := range all {
		c := &all[i]
		if c.Problem != "" || !details && c.Format != "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.inspect(c, details)
	}
	l.forgetLabels(present)
	return all, nil
}

// A seen label is that of a cartridge on the shelf, which was read before. It never changes while the directory is the same.
type seen struct {
	dir   os.FileInfo
	label medium.Label
}

// inspect reads what the state does not have of a cartridge: all of it with details, else what its label says.
func (l *Library) inspect(c *Cartridge, details bool) {
	dir, err := os.Lstat(l.depot.cartridge(c.Barcode))
	l.mu.Lock()
	old, ok := l.labels[c.Barcode]
	l.mu.Unlock()
	label := old.label
	if details || err != nil || !ok || !os.SameFile(old.dir, dir) {
		info, e := l.media.Inspect(l.depot.cartridge(c.Barcode))
		if e != nil {
			c.Problem = e.Error()
			return
		}
		label = info.Label
		if details {
			c.Info = &info
		}
		if err == nil {
			l.mu.Lock()
			l.labels[c.Barcode] = seen{dir, label}
			l.mu.Unlock()
		}
	}
	c.Format, c.Type, c.Capacity = label.Format, label.Type, label.Capacity
}

// forgetLabels keeps the labels of those that are there alone.
func (l *Library) forgetLabels(present map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.labels, func(barcode string, _ seen) bool { return !present[barcode] })
}

// find is the element that a cartridge is in. l.mu is held.
func (l *Library) find(barcode string) (*element, error) {
	e := l.of[barcode]
	switch {
	case e == nil:
		return nil, fmt.Errorf("%s: %w in the library", barcode, ErrNoCartridge)
	case e.missing:
		return nil, fmt.Errorf("%s: %w in the store, but %v is kept for it", barcode, ErrNoCartridge, e.place)
	}
	return e, nil
}

// destination is the element that a place names. l.mu is held.
func (l *Library) destination(p Place) (*element, error) {
	if p.Index == Any && p.Type > 0 && p.Type <= changer.Drive {
		if e := l.free(p.Type); e != nil {
			return e, nil
		}
		return nil, refuse(scsi.ASCMediumDestinationFull, "no "+p.Type.String()+" is free")
	}
	if e := l.at(p); e != nil {
		return e, nil
	}
	return nil, refuse(scsi.ASCInvalidElementAddress, fmt.Sprintf("there is no %v: the library has %d slots (1 to %d), %d mail slots and %d drives (from 0)",
		p, l.shape.Slots, l.shape.Slots, l.shape.Mail, l.shape.Drives))
}

// Carry moves a cartridge of the library to another element.
func (l *Library) Carry(ctx context.Context, barcode string, to Place) error {
	held, err := l.hold(ctx, request{what: wantMove, barcode: barcode, to: to})
	if err != nil {
		return err
	}
	defer l.release(held)
	if held[0] == held[1] {
		return nil
	}
	return l.run(ctx, []*step{{from: held[0], to: held[1], cell: held[0].cell}}, false, false)
}

// Load moves a cartridge of the library into a drive.
func (l *Library) Load(ctx context.Context, barcode string, drive int) error {
	return l.Carry(ctx, barcode, Place{Type: changer.Drive, Index: drive})
}

// Eject moves what is in a drive to the slot that it came from, or to one that is free; with force also if an initiator
// prevents it.
func (l *Library) Eject(ctx context.Context, drive int, force bool) error {
	held, err := l.hold(ctx, request{what: wantEject, to: Place{Type: changer.Drive, Index: drive}})
	if err != nil {
		return err
	}
	defer l.release(held)
	return l.run(ctx, []*step{{from: held[0], to: held[1], cell: held[0].cell}}, force, false)
}

// onShelf refuses a cartridge that is not there, or is in a library. The lock of the store is held.
func (l *Library) onShelf(barcode string) error {
	if err := CheckBarcode(barcode); err != nil {
		return err
	}
	l.mu.Lock()
	e := l.of[barcode]
	l.mu.Unlock()
	if e != nil {
		return fmt.Errorf("cartridge %s is in %v, not on the shelf", barcode, e.place)
	}
	if !l.depot.exists(barcode) {
		return fmt.Errorf("%s: %w in the store", barcode, ErrNoCartridge)
	}
	switch by, err := l.depot.claimedBy(barcode); {
	case err != nil:
		return err
	case by != "":
		return fmt.Errorf("cartridge %s is in library %s: export it there first", barcode, by)
	}
	return nil
}

// Import carries a cartridge from the shelf to a slot or a mail slot.
func (l *Library) Import(ctx context.Context, barcode string, to Place) error {
	if to.Type != changer.Storage && to.Type != changer.Mail {
		return fmt.Errorf("a cartridge comes into the library by a slot or a mail slot, not by %v", to)
	}
	held, err := l.hold(ctx, request{what: wantImport, to: to})
	if err != nil {
		return err
	}
	defer l.release(held)
	var steps []*step
	err = l.depot.locked(ctx, func() (err error) {
		if steps, err = l.fromShelf(barcode, held[0]); err == nil {
			err = l.transfer(ctx, steps, false)
		}
		return err
	})
	if err != nil {
		return err
	}
	l.tellMoves(steps, false)
	return nil
}

// fromShelf is how a cartridge of the shelf comes to an element. The lock of the store is held, and the element too.
func (l *Library) fromShelf(barcode string, to *element) ([]*step, error) {
	if err := l.onShelf(barcode); err != nil {
		return nil, err
	}
	info, err := l.media.Inspect(l.depot.cartridge(barcode))
	if err != nil {
		return nil, fmt.Errorf("cartridge %s: %w", barcode, err)
	}
	return []*step{{to: to, cell: cell{barcode: barcode, kind: info.Label.Type, format: info.Label.Format, capacity: info.Label.Capacity}}}, nil
}

// Export carries a cartridge from a slot or mail slot to the shelf.
func (l *Library) Export(ctx context.Context, barcode string) error {
	held, err := l.hold(ctx, request{what: wantExport, barcode: barcode, why: "first"})
	if err != nil {
		return err
	}
	defer l.release(held)
	steps := []*step{{from: held[0], cell: held[0].cell}}
	if err := l.depot.locked(ctx, func() error { return l.transfer(ctx, steps, false) }); err != nil {
		return err
	}
	l.tellMoves(steps, false)
	return nil
}

// Protect sets the tab of a cartridge that is not in a drive: it cannot be written, or can.
func (l *Library) Protect(ctx context.Context, barcode string, on bool) error {
	// On the shelf it is kept by the lock of the store.
	held, err := l.hold(ctx, request{what: wantQuiet, barcode: barcode, why: "before its tab is moved"})
	if err != nil {
		return err
	}
	defer l.release(held)
	store, err := l.depot.lock(ctx)
	if err != nil {
		return err
	}
	defer store.unlock()
	if held == nil {
		if err := l.onShelf(barcode); err != nil {
			return err
		}
	}
	return l.media.SetWriteProtect(l.depot.cartridge(barcode), on)
}

// Delete removes a cartridge of the shelf, with all that is on it.
func (l *Library) Delete(ctx context.Context, barcode string) error {
	store, err := l.depot.lock(ctx)
	if err != nil {
		return err
	}
	defer store.unlock()
	if err := l.onShelf(barcode); err != nil {
		return err
	}
	return l.media.Delete(l.depot.cartridge(barcode))
}
