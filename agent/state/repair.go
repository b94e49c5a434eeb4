package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Repair makes a generation of the state directory at dir the current one, while no daemon has the
// directory: as a new generation with the same text, by author. What is damaged is put aside, under
// its name with ".damaged" after it, and stays.
//
// What an unfinished change has made is still there, and noted, for the next start.
func Repair(dir string, generation uint64, author string) (Meta, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Meta{}, err
	}
	if _, err := os.Stat(filepath.Join(dir, generationsDir)); err != nil {
		return Meta{}, fmt.Errorf("%s is not a state directory: %w", dir, err)
	}
	s, err := openSystem(dir, true)
	if err != nil {
		return Meta{}, err
	}
	d := &Dir{path: dir, keep: keepAll, f: s, end: s.close, now: time.Now}
	m, err := d.repair(generation, author)
	return m, errors.Join(err, d.Close())
}

// keepAll keeps whatever there is: how many generations are kept is the daemon's to know.
const keepAll = 1 << 30

// repair is [Repair], with the directory open.
func (d *Dir) repair(generation uint64, author string) (Meta, error) {
	d.work.Lock()
	defer d.work.Unlock()
	if err := d.index(); err != nil {
		return Meta{}, err
	}
	was, err := d.read(generation)
	if errors.Is(err, os.ErrNotExist) {
		return Meta{}, notFound(generation)
	} else if err != nil {
		return Meta{}, fmt.Errorf("%s: %w: there is no going back to it", d.file(generationsDir+"/"+fileName(generation)), err)
	}
	var aside []string
	damage := func(path string, err error) error {
		var e *DamagedError
		if errors.As(err, &e) {
			aside = append(aside, path)
			return nil
		}
		return err
	}
	last := d.all[len(d.all)-1].generation
	if err := damage(generationsDir+"/"+fileName(last), d.loadCurrent()); err != nil {
		return Meta{}, err
	}
	for _, e := range d.all[:len(d.all)-1] {
		if e.err != nil {
			aside = append(aside, generationsDir+"/"+fileName(e.generation))
		}
	}
	if err := damage(formatName, d.loadFormat()); err != nil {
		return Meta{}, err
	}
	if err := damage(journalName, d.loadJournal()); err != nil {
		return Meta{}, err
	}
	if err := d.postpone(); err != nil {
		return Meta{}, err
	}
	m, err := d.again(was, author)
	if err != nil {
		return Meta{}, err
	}
	for _, path := range aside {
		if err := d.putAside(path); err != nil {
			return m, err
		}
	}
	d.marked = false // the file of the format may have been put aside
	d.mark()
	return m, errors.Join(d.f.syncDir(generationsDir), d.f.syncDir(""))
}

// postpone writes the journal of an unfinished change again, as of the generation after the next:
// so it is still unfinished when the next is there. d.work is held.
func (d *Dir) postpone() error {
	if len(d.unfinished) == 0 {
		return nil
	}
	var all []noted
	for _, m := range slices.Backward(d.unfinished) {
		all = append(all, noted{made: m})
	}
	b := journalLine(d.highest+2, all)
	err := put(d.f, journalName, b)
	if err == nil {
		err = d.f.syncDir("")
	}
	if err != nil {
		return fmt.Errorf("%s: cannot write it: %w", d.file(journalName), err)
	}
	return nil
}

// again commits the text of a generation as the next one. d.work is held.
func (d *Dir) again(was Stored, author string) (Meta, error) {
	meta := Meta{Schema: was.Schema, Author: author, Comment: fmt.Sprint("back to generation ", was.Generation)}
	// The parent is the one before, whether or not it is good.
	m, err := complete(meta, d.highest+1, d.all[len(d.all)-1].generation, was.Text, d.now)
	if err != nil {
		return Meta{}, err
	}
	if err := d.store(Stored{Meta: m, Text: was.Text}); err != nil {
		return Meta{}, err
	}
	d.all = append(d.all, entry{generation: m.Generation, meta: m})
	return m, nil
}

// putAside gives a damaged file a name of its own.
func (d *Dir) putAside(path string) error {
	to := path + damagedSuffix
	for n := 1; n < 1000; n++ {
		if _, _, err := d.f.read(to, 0); errors.Is(err, os.ErrNotExist) {
			break
		}
		to = fmt.Sprint(path, damagedSuffix, ".", n)
	}
	if err := d.f.rename(path, to); err != nil {
		return fmt.Errorf("%s: cannot put it aside: %w", d.file(path), err)
	}
	return nil
}
