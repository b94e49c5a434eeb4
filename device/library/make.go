package library

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// maxMade is how many cartridges are made at a time at the most.
const maxMade = 65535

// makers is how many cartridges are made at a time: most of it is to wait for the disk, which does for several what it does for one.
const makers = 32

// Create makes cartridges, and returns their barcodes. With an error it returns those that are made: they are where they should
// be, or on the shelf.
func (l *Library) Create(ctx context.Context, s Spec) ([]string, error) {
	form, err := l.spec(&s)
	if err != nil {
		return nil, err
	}
	var made []string
	var steps []*step
	err = l.depot.locked(ctx, func() (err error) {
		made, err = l.make(ctx, s, form)
		if !s.Shelf && len(made) > 0 {
			var e error
			steps, e = l.intoSlots(ctx, made, cell{kind: s.Type, format: s.Format, capacity: s.Capacity})
			err = errors.Join(err, e)
		}
		return err
	})
	l.tellMoves(steps, false)
	return made, err
}

// spec completes s, and returns what barcodes are made of.
func (l *Library) spec(s *Spec) (barcodes, error) {
	if s.Count == 0 {
		s.Count = 1
	}
	var form *personality.Format
	for i := range l.cfg.Set.Formats {
		if l.cfg.Set.Formats[i].Name == s.Format {
			form = &l.cfg.Set.Formats[i]
		}
	}
	switch {
	case form == nil:
		return barcodes{}, fmt.Errorf("there is no media format %q", s.Format)
	case s.Count < 0 || s.Count > maxMade:
		return barcodes{}, fmt.Errorf("%d cartridges cannot be made at a time: 1 to %d can", s.Count, maxMade)
	case s.Type == medium.WORM && form.WORMType == 0:
		return barcodes{}, fmt.Errorf("there are no WORM cartridges of the format %s", s.Format)
	case s.Barcode != "" && s.Count != 1:
		return barcodes{}, fmt.Errorf("a barcode is that of one cartridge: give a prefix for %d", s.Count)
	case s.Capacity < 0:
		return barcodes{}, fmt.Errorf("a cartridge cannot have %d bytes", s.Capacity)
	}
	if s.Capacity == 0 {
		s.Capacity = form.Capacity * 1_000_000
	}
	b := barcodes{one: s.Barcode, prefix: s.Prefix, suffix: form.Name, next: max(s.Start, 1)}
	if s.Type == medium.WORM && form.WORMName != "" {
		b.suffix = form.WORMName
	}
	if s.Type == medium.Cleaning && s.Prefix == "" {
		b.prefix = "CLN"
	}
	if s.Barcode == "" && b.prefix == "" {
		return barcodes{}, errors.New("barcodes need a prefix, such as LUN")
	}
	if err := CheckBarcode(b.at(b.next)); err != nil {
		return barcodes{}, err
	}
	return b, nil
}

// barcodes are what cartridges that are made are called: a prefix, a number of as many digits as make that six characters, and
// the suffix of the format.
type barcodes struct {
	one            string
	prefix, suffix string
	next           int
}

func (b *barcodes) at(n int) string {
	if b.one != "" {
		return b.one
	}
	return fmt.Sprintf("%s%0*d%s", b.prefix, max(6-len(b.prefix), 1), n, b.suffix)
}

// make makes cartridges on the shelf, some at a time. With a number to start from each has to be free; else those are taken that
// are. The lock of the store is held.
func (l *Library) make(ctx context.Context, s Spec, form barcodes) (made []string, err error) {
	present, err := l.depot.present()
	if err != nil {
		return nil, err
	}
	for len(made) < s.Count && err == nil {
		var next []string
		if next, err = l.unused(ctx, s, &form, min(s.Count-len(made), makers), present); err != nil {
			return made, err
		}
		errs := make([]error, len(next))
		var all sync.WaitGroup
		for i, b := range next {
			all.Go(func() {
				errs[i] = l.media.Create(l.depot.cartridge(b), medium.Spec{Barcode: b, Format: s.Format, Type: s.Type, Capacity: s.Capacity, Maker: "LUNETTE"})
			})
		}
		all.Wait()
		for i, b := range next {
			if errs[i] != nil {
				err = errors.Join(err, fmt.Errorf("cartridge %s cannot be made: %w", b, errs[i]))
				continue
			}
			made = append(made, b)
			l.point("library.made")
		}
	}
	return made, err
}

// unused are the next barcodes that nobody has, at most n. The lock of the store is held.
func (l *Library) unused(ctx context.Context, s Spec, form *barcodes, n int, present map[string]bool) (all []string, err error) {
	for ; len(all) < n; form.next++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := form.at(form.next)
		if err := CheckBarcode(b); err != nil {
			return nil, err
		}
		taken, err := l.taken(b, present)
		switch {
		case err != nil:
			return nil, err
		case taken == "":
			all = append(all, b)
		case form.one != "" || s.Start > 0:
			return nil, fmt.Errorf("%s: give another number to start from, or none", taken)
		}
	}
	return all, nil
}

// taken says who has a barcode already; "": nobody. The lock of the store is held.
func (l *Library) taken(barcode string, present map[string]bool) (string, error) {
	l.mu.Lock()
	e := l.of[barcode]
	l.mu.Unlock()
	if e != nil {
		return fmt.Sprintf("%v has a cartridge %s", e.place, barcode), nil
	}
	if present[barcode] || present == nil && l.depot.exists(barcode) {
		return fmt.Sprintf("the store has a cartridge %s", barcode), nil
	}
	by, err := l.depot.claimedBy(barcode) // which may be missing there
	if by != "" {
		return fmt.Sprintf("library %s has a cartridge %s", by, barcode), err
	}
	return "", err
}

// intoSlots brings cartridges of the shelf to slots that are free, in order, as far as there are any: all at once. The lock of the
// store is held.
func (l *Library) intoSlots(ctx context.Context, made []string, each cell) ([]*step, error) {
	var slots []*element
	l.mu.Lock()
	for _, e := range l.by[changer.Storage] {
		if !e.busy && e.barcode == "" && len(slots) < len(made) {
			e.busy = true
			slots = append(slots, e)
		}
	}
	l.mu.Unlock()
	defer l.release(slots)
	steps := make([]*step, len(slots))
	for i, e := range slots {
		each.barcode = made[i]
		steps[i] = &step{to: e, cell: each}
	}
	if len(steps) == 0 {
		return nil, nil
	}
	if err := l.transfer(ctx, steps, false); err != nil {
		return nil, err
	}
	return steps, nil
}

// Label gives a cartridge another barcode. It must not be in a drive.
func (l *Library) Label(ctx context.Context, barcode, becomes string) error {
	if err := errors.Join(CheckBarcode(barcode), CheckBarcode(becomes)); err != nil {
		return err
	}
	held, err := l.hold(ctx, request{what: wantQuiet, barcode: barcode, why: "before it gets another barcode"})
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
	switch taken, err := l.taken(becomes, nil); {
	case err != nil:
		return err
	case taken != "":
		return errors.New(taken)
	}
	if err := l.rename(barcode, becomes, held); err != nil {
		return err
	}
	if held != nil && l.tell != nil {
		l.tell(held[0].place.Type == changer.Mail)
	}
	return nil
}

// rename gives a cartridge another barcode, in an order that the next start can finish or undo wherever it is cut: that it begins
// is made durable first. The lock of the store is held.
func (l *Library) rename(from, to string, held []*element) error {
	old, dir := l.depot.cartridge(from), l.depot.cartridge(to)
	if err := l.journal.commit(change{Relabel: &relabel{From: from, To: to}}); err != nil {
		return err
	}
	l.point("library.relabelling")
	if err := l.media.Relabel(old, to); err != nil {
		return errors.Join(err, l.journal.commit(change{Ends: true}))
	}
	l.point("library.relabelled")
	err := os.Rename(old, dir)
	if err != nil {
		return errors.Join(err, l.media.Relabel(old, from), l.journal.commit(change{Ends: true}))
	}
	l.point("library.moved")
	if err := syncDir(filepath.Dir(dir)); err != nil {
		l.problem("that cartridge %s is %s now may not survive a loss of power: %v", from, to, err)
	}
	if held == nil {
		return l.journal.commit(change{Ends: true})
	}
	e := held[0]
	c := e.cell
	c.barcode = to
	done := change{Set: []content{c.content(e.place)}, Ends: true}
	if err := l.journal.commit(done); err != nil {
		l.problem("that cartridge %s is %s now is kept with the next change: %v", from, to, err)
		if err := l.journal.owe(done); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, from)
	e.cell, l.shown = c, nil
	l.of[to] = e
	return nil
}
