package state

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// load reads what is there, and removes what a crash has left half written.
func (d *Dir) load() error {
	d.work.Lock()
	defer d.work.Unlock()
	if err := d.index(); err != nil {
		return err
	}
	err := d.loadCurrent()
	if err == nil {
		err = d.loadFormat()
	}
	if err == nil {
		err = d.loadJournal()
	}
	if err == nil {
		d.mark()
		d.prune()
	}
	return err
}

// index finds the generations that are there, and reads their headers.
func (d *Dir) index() error {
	names, err := d.f.list(generationsDir)
	if err != nil {
		return fmt.Errorf("%s: cannot read it: %w", d.file(generationsDir), err)
	}
	slices.Sort(names)
	for _, name := range names {
		path := generationsDir + "/" + name
		if n := generationOf(name); n != 0 {
			meta, err := d.header(n)
			d.all = append(d.all, entry{n, meta, err})
			d.highest = max(d.highest, n)
			continue
		}
		if whole, ok := strings.CutSuffix(name, newSuffix); ok && generationOf(whole) != 0 {
			if err := d.f.remove(path); err != nil {
				return fmt.Errorf("%s: cannot remove it: %w", d.file(path), err)
			}
			continue
		}
		if whole, _, ok := strings.Cut(name, damagedSuffix); ok {
			d.highest = max(d.highest, generationOf(whole))
		}
		d.warnings = append(d.warnings, fmt.Sprintf("%s is not a generation: it is left alone", d.file(path)))
	}
	slices.SortFunc(d.all, func(a, b entry) int { return cmp.Compare(a.generation, b.generation) })
	for i, e := range d.all {
		if e.err != nil && i < len(d.all)-1 {
			d.warnings = append(d.warnings, fmt.Sprintf("%s: %v: there is no going back to it", d.file(generationsDir+"/"+fileName(e.generation)), e.err))
		}
	}
	_ = d.f.remove(formatName + newSuffix)
	_ = d.f.remove(journalName + newSuffix)
	return nil
}

// header reads the header of a generation.
func (d *Dir) header(generation uint64) (Meta, error) {
	b, size, err := d.f.read(generationsDir+"/"+fileName(generation), maxHeader)
	if err != nil {
		return Meta{}, err
	}
	m, _, err := decodeHeader(b, size)
	if err == nil && m.Generation != generation {
		err = wrongf("it is generation %d, by what stands in it", m.Generation)
	}
	return m, err
}

// read reads a whole generation.
func (d *Dir) read(generation uint64) (Stored, error) {
	b, size, err := d.f.read(generationsDir+"/"+fileName(generation), maxHeader+maxText+1)
	if err != nil {
		return Stored{}, err
	}
	if size > int64(len(b)) {
		return Stored{}, wrongf("it has %d bytes: no generation is as large", size)
	}
	s, err := decodeGeneration(b)
	if err == nil && s.Generation != generation {
		err = wrongf("it is generation %d, by what stands in it", s.Generation)
	}
	return s, err
}

// loadCurrent reads the generation with the highest number.
func (d *Dir) loadCurrent() error {
	if len(d.all) == 0 {
		return nil
	}
	last := &d.all[len(d.all)-1]
	s, err := d.read(last.generation)
	if err != nil {
		last.err = err
		return d.damaged(generationsDir+"/"+fileName(last.generation), err)
	}
	d.current, last.meta = s, s.Meta
	return nil
}

// loadFormat reads the file that says that this is a state directory: it has had a generation.
func (d *Dir) loadFormat() error {
	b, _, err := d.f.read(formatName, 100)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err == nil:
		err = checkMagic(b, formatMagic, dirFormat, "such a file")
	}
	if err != nil {
		return d.damaged(formatName, err)
	}
	d.marked = true
	if len(d.all) == 0 {
		return d.damaged(generationsDir, wrongf("it is empty, though there were generations"))
	}
	return nil
}

const (
	dirFormat   = 1
	formatMagic = "lunette state directory, format "
)

// mark notes that this is a state directory, once it has a generation. It is tried again at the next
// start if it fails: nothing depends on it but that a directory that lost all is not taken for a new
// one. d.work is held.
func (d *Dir) mark() {
	if !d.marked && len(d.all) > 0 {
		d.marked = put(d.f, formatName, fmt.Appendf(nil, "%s%d\n", formatMagic, dirFormat)) == nil
	}
}

// loadJournal reads what a transaction that did not end has left. d.work is held.
func (d *Dir) loadJournal() error {
	b, size, err := d.f.read(journalName, maxJournal)
	if errors.Is(err, os.ErrNotExist) {
		return d.dropMoved()
	}
	if err == nil && size > maxJournal {
		err = wrongf("it has %d bytes: no journal is as large", size)
	}
	var of uint64
	var all []noted
	if err == nil {
		of, all, err = decodeJournal(b)
	}
	if err != nil {
		return d.damaged(journalName, err)
	}
	d.journaled = true
	if of > d.highest {
		for _, n := range slices.Backward(all) {
			if n.old == "" {
				d.unfinished = append(d.unfinished, n.made)
			}
		}
	} else {
		d.renames = slices.DeleteFunc(all, func(n noted) bool { return n.old == "" })
		if err := d.renameRecords(); err != nil {
			return err
		}
	}
	if len(d.unfinished) == 0 {
		return d.dropJournal()
	}
	return nil
}

// dropJournal removes the journal durably. d.work is held.
func (d *Dir) dropJournal() error {
	if !d.journaled {
		return nil
	}
	if err := d.f.remove(journalName); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: cannot remove it: %w", d.file(journalName), err)
	}
	if err := d.f.syncDir(""); err != nil {
		return fmt.Errorf("%s: cannot remove it durably: %w", d.file(journalName), err)
	}
	if err := d.dropMoved(); err != nil {
		return err
	}
	d.journaled = false
	return nil
}

// dropMoved removes the note that files of units are put aside, durably, when the journal that says so
// is gone. d.work is held.
func (d *Dir) dropMoved() error {
	if there, err := d.there(movedName); err == nil && !there {
		return nil
	}
	if err := d.f.remove(movedName); err != nil {
		return fmt.Errorf("%s: cannot remove it: %w", d.file(movedName), err)
	}
	if err := d.f.syncDir(""); err != nil {
		return fmt.Errorf("%s: cannot remove it durably: %w", d.file(movedName), err)
	}
	return nil
}

// damaged is the error about a file, and what is wrong with it. What is wrong with the place, and not
// with the file, is no damage.
func (d *Dir) damaged(file string, err error) error {
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: %w", d.file(file), err)
	}
	e := &DamagedError{Dir: d.path, File: d.file(file), Reason: err.Error()}
	var w *wrong
	if errors.As(err, &w) {
		e.Newer = w.newer
	} else {
		e.Reason = "it cannot be read: " + e.Reason
	}
	for _, c := range slices.Backward(d.all) {
		if c.err != nil {
			continue
		}
		if _, err := d.read(c.generation); err == nil {
			e.Good = c.generation
			break
		}
	}
	return e
}
