package library

import (
	"errors"
	"os"
	"slices"

	"github.com/lunette-io/lunette/device/changer"
)

// settle makes the state fit the elements and the cartridges that there are, and says what it has changed. The lock of the store
// is held, and nobody else has l.
func (l *Library) settle(exists bool) error {
	if err := l.media.Sweep(l.depot.cartridges()); err != nil {
		return err
	}
	s := l.journal.state.clone()
	changed, err := l.finishRelabel(s)
	if err != nil {
		return err
	}
	present, err := l.depot.present()
	if err != nil {
		return err
	}
	dropped, err := l.dropClaimed(s)
	if err != nil {
		return err
	}
	moved := l.fit(s)
	if s.shape != l.shape || !exists || dropped || moved {
		s.shape, changed = l.shape, true
	}
	if changed {
		s.seq++
		if err := l.journal.replace(s); err != nil {
			return err
		}
	}
	for at, c := range s.cells {
		e := l.at(at)
		e.cell, e.missing = c, !present[c.barcode]
		l.of[c.barcode] = e
	}
	l.missing()
	return nil
}

// missing says which cartridges are not there. Nobody else has l, or it may be called by Rescan.
func (l *Library) missing() {
	l.mu.Lock()
	var texts []*element
	for _, e := range l.all {
		if e.missing {
			texts = append(texts, e)
		}
	}
	l.mu.Unlock()
	for _, e := range texts {
		l.problem("cartridge %s is not in the store: %v shows empty until %s is there again", e.barcode, e.place, l.depot.cartridge(e.barcode))
	}
}

// dropClaimed takes out of the state what another library has too: states that come from a backup may have that.
func (l *Library) dropClaimed(s *state) (dropped bool, err error) {
	byBarcode := make(map[string]Place, len(s.cells))
	for at, c := range s.cells {
		byBarcode[c.barcode] = at
	}
	err = l.depot.claims(func(library string, barcodes map[string]bool) {
		for barcode := range barcodes {
			if at, both := byBarcode[barcode]; both {
				l.problem("cartridge %s is in %v, but library %s of the store has it too: it stays there", barcode, at, library)
				delete(s.cells, at)
				dropped = true
			}
		}
	})
	return dropped, err
}

// fit moves cartridges of elements that are gone to free slots, and then to the shelf.
func (l *Library) fit(s *state) (moved bool) {
	free := slices.DeleteFunc(slices.Clone(l.by[changer.Storage]), func(e *element) bool { _, full := s.cells[e.place]; return full })
	for _, at := range s.places() {
		if l.at(at) != nil {
			continue
		}
		c := s.cells[at]
		delete(s.cells, at)
		moved = true
		if len(free) == 0 {
			l.problem("%v is not there any more, and no slot is free: cartridge %s goes to the shelf", at, c.barcode)
			continue
		}
		to := free[0].place
		free = free[1:]
		c.imported = false
		s.cells[to] = c
		l.problem("%v is not there any more: cartridge %s goes to %v", at, c.barcode, to)
	}
	return moved
}

// finishRelabel finishes a change of a barcode that had begun when the process ended, or undoes it.
func (l *Library) finishRelabel(s *state) (changed bool, err error) {
	r := s.relabel
	if r == nil {
		return false, nil
	}
	s.relabel = nil
	name := r.To
	if _, err := os.Lstat(l.depot.cartridge(r.From)); err == nil {
		name = r.From // it has not been renamed
	} else if !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if l.depot.exists(name) {
		if err := l.media.Relabel(l.depot.cartridge(name), name); err != nil {
			return false, err
		}
	}
	if name == r.From {
		return true, nil
	}
	for at, c := range s.cells {
		if c.barcode == r.From {
			c.barcode = r.To
			s.cells[at] = c
		}
	}
	return true, nil
}
