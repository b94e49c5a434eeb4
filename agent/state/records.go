package state

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// What units keep beside their data lies in a file for each, below units. It is a unit's own, and no
// part of a generation: going back to one does not change it. This package gives the file its place;
// what stands in it is the unit's business.
//
// When units get other names, their files do with the commit: all at once, and a crash in between is
// made up for at the next start. That is done in two steps, since names may be exchanged: each file is
// put aside under the name that it will have; then, when all are and that is noted durably in the file
// movedName, each gets its name. The journal says which, until it is done.
const (
	movedName    = "moved"
	keptSuffix   = ".kept"   // of a file that a unit keeps
	movingSuffix = ".moving" // of one that has been put aside

	maxUnit     = 512 // of the name of a unit, in bytes
	maxUnitFile = 200 // of a file's name; a longer one is a hash
)

// records are what a [Dir] knows of the files of units.
type records struct {
	mu    sync.RWMutex // while it is held, no file gets another name; it is taken after Dir.work
	moves []map[string]string
	// err is why files are not where they should be: their renaming has failed, and is tried again.
	err error
}

// unitFile is the path of a unit's file, below the state directory.
func unitFile(name string) string { return unitsDir + "/" + escaped(name) + keptSuffix }

func movingFile(name string) string { return unitsDir + "/" + escaped(name) + movingSuffix }

// escaped is a name as that of a file: two names never give the same.
func escaped(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() > maxUnitFile {
		return fmt.Sprintf("%%%%%x", sha256.Sum256([]byte(name)))
	}
	return b.String()
}

// UnitRecord is the path of the file for what the unit of this name keeps, there or not. Where units
// may get other names while they run, [Dir.Unit] is wanted.
func (d *Dir) UnitRecord(name string) string { return filepath.Join(d.path, unitFile(name)) }

// A Unit is the file of a unit, whatever name the unit gets. It needs no closing.
type Unit struct {
	d     *Dir
	name  string
	since int // how many moves there had been when it had the name
}

// Unit is the file of the unit that has the name now.
func (d *Dir) Unit(name string) *Unit {
	d.records.mu.RLock()
	defer d.records.mu.RUnlock()
	return &Unit{d, name, len(d.records.moves)}
}

// Do calls do with the path of the file, there or not. The path is right until do returns: the unit
// gets no other name meanwhile. Other calls of Do may be under way.
func (u *Unit) Do(do func(path string) error) error {
	r := &u.d.records
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.err != nil {
		return r.err
	}
	name := u.name
	for _, m := range r.moves[u.since:] {
		if now, ok := m[name]; ok {
			name = now
		}
	}
	return do(u.d.UnitRecord(name))
}

// RenameUnit is called in a transaction, before its commit: with the commit, what the unit called from
// has kept is that of to, and what a unit called to had is gone, unless that is renamed as well. One
// unit may take the name of another in the same transaction.
func (d *Dir) RenameUnit(from, to string) error {
	d.mu.Lock()
	t := d.tx
	if t == nil {
		d.mu.Unlock()
		return errors.New("no change is under way, in which a unit can be renamed")
	}
	for _, n := range t.renaming {
		if n.old == from || n.new == to {
			d.mu.Unlock()
			return fmt.Errorf("from %q to %q: %q is renamed to %q already", from, to, n.old, n.new)
		}
	}
	n := noted{old: from, new: to}
	t.renaming = append(t.renaming, n)
	d.mu.Unlock()
	return t.note(n)
}

// renameRecords does the renames that are wanted. After an error it can be called again; after none the
// journal that says so can be dropped. d.work is held.
func (d *Dir) renameRecords() error {
	if len(d.renames) == 0 {
		return nil
	}
	r := &d.records
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := d.moveRecords(); err != nil {
		r.err = fmt.Errorf("%s: units that have other names now: %w", d.file(unitsDir), err)
		return r.err
	}
	move := make(map[string]string)
	for _, n := range d.renames {
		move[n.old] = n.new
	}
	r.moves, r.err, d.renames = append(r.moves, move), nil, nil
	return nil
}

// moveRecords does both steps of renaming, or what is left of them. d.work is held.
func (d *Dir) moveRecords() error {
	there, err := d.there(movedName)
	if err == nil && !there {
		err = d.putRecordsAside()
	}
	if err == nil {
		err = d.f.syncDir("") // of movedName, wherever it comes from
	}
	if err != nil {
		return err
	}
	for _, n := range d.renames {
		if err := d.f.rename(movingFile(n.new), unitFile(n.new)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return d.f.syncDir(unitsDir)
}

// putRecordsAside is the first step of renaming. d.work is held.
func (d *Dir) putRecordsAside() error {
	for _, n := range d.renames {
		// It is not there if it was put aside before a crash, or if the unit keeps nothing.
		if err := d.f.rename(unitFile(n.old), movingFile(n.new)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, n := range d.renames {
		if slices.ContainsFunc(d.renames, func(o noted) bool { return o.old == n.new }) {
			continue
		}
		if err := d.f.remove(unitFile(n.new)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := d.f.syncDir(unitsDir); err != nil {
		return err
	}
	out, err := d.f.create(movedName)
	if err != nil {
		return err
	}
	failpoint.Here("state/units/aside")
	return out.Close() // nothing is in it
}

// there reports that there is something of this name.
func (d *Dir) there(path string) (bool, error) {
	_, _, err := d.f.read(path, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// DropUnit removes what a unit has kept, when there is no such unit any more.
func (d *Dir) DropUnit(name string) error {
	return d.dropUnits(func(file string) bool { return file == escaped(name) })
}

// SweepUnits removes what units have kept that are not among names: at the start, when all units are
// known, that is what a crash has left of units that were removed, or did not come about.
func (d *Dir) SweepUnits(names []string) error {
	keep := make(map[string]bool)
	for _, name := range names {
		keep[escaped(name)] = true
	}
	return d.dropUnits(func(file string) bool { return !keep[file] })
}

// dropUnits removes the files of units of which drop says so.
func (d *Dir) dropUnits(drop func(file string) bool) error {
	d.work.Lock()
	defer d.work.Unlock()
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	if closed {
		return ErrClosed
	}
	names, err := d.f.list(unitsDir)
	if err != nil {
		return fmt.Errorf("%s: cannot read it: %w", d.file(unitsDir), err)
	}
	var errs []error
	dropped := false
	for _, name := range names {
		file, ours := strings.CutSuffix(strings.TrimSuffix(name, newSuffix), keptSuffix)
		if !ours || !drop(file) {
			continue
		}
		if err := d.f.remove(unitsDir + "/" + name); err != nil {
			errs = append(errs, fmt.Errorf("%s: cannot remove it: %w", d.file(unitsDir+"/"+name), err))
		}
		dropped = true
	}
	if dropped {
		errs = append(errs, d.f.syncDir(unitsDir))
	}
	return errors.Join(errs...)
}
