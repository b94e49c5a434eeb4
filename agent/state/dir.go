package state

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are those of a [Dir].
type Options struct {
	// Keep is how many generations are kept, the current one among them; 0: a hundred.
	Keep int
}

func (o Options) keep() int {
	if o.Keep <= 0 {
		return 100
	}
	return o.Keep
}

// A Dir keeps generations in a directory, which it has for itself until Close. The current one is
// that with the highest number. See docs/adr/0021-generations.md for the order in which it writes.
// It is safe for concurrent use.
type Dir struct {
	path string // absolute
	keep int
	f    files
	end  func() error // gives the directory back
	now  func() time.Time

	// work is held while files are written or removed: one at a time. It is taken before mu.
	work sync.Mutex
	// doubt is a generation whose commit failed and could not be taken back; 0: there is none.
	doubt uint64 // work guards it
	// journaled: a journal may be there. work guards it.
	journaled bool
	marked    bool // the format is noted; work guards it
	// renames are of records of units, and wanted by the current generation. work guards them.
	renames []noted

	mu         sync.Mutex
	closed     bool
	busy       bool // a transaction is under way
	current    Stored
	all        []entry // those that are there, the oldest first
	highest    uint64  // the highest number that was ever used
	unfinished []Made  // what is to be taken back, the last first
	warnings   []string
}

// An entry is the file of a generation.
type entry struct {
	generation uint64
	meta       Meta
	err        error // why the file is no good
}

var _ Generations = (*Dir)(nil)

// Open opens the state directory at path and locks it. It is made if it is not there, in a directory
// that is. The error about content that is not right is a [*DamagedError]; that about a directory
// that another process has, [ErrInUse].
func Open(path string, o Options) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s, err := openSystem(path, false)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, keep: o.keep(), f: s, end: s.close, now: time.Now}
	if err := d.load(); err != nil {
		_ = s.close()
		return nil, err
	}
	return d, nil
}

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
		return nil
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
	d.journaled = false
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

// file is the path of a file of the directory, for people.
func (d *Dir) file(path string) string { return filepath.Join(d.path, path) }

// Path is where the directory is.
func (d *Dir) Path() string { return d.path }

// Warnings are what the administrator should know of what was found at the start, though it keeps
// nothing from working: older generations that are damaged, and files that are not ours.
func (d *Dir) Warnings() []string { return slices.Clone(d.warnings) }

// Current implements [Generations].
func (d *Dir) Current() (Stored, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current, d.current.Generation != 0
}

// History implements [Generations]. Those that are damaged are not among them.
func (d *Dir) History() ([]Meta, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Meta, 0, len(d.all))
	for _, e := range slices.Backward(d.all) {
		if e.err == nil {
			all = append(all, e.meta)
		}
	}
	return all, nil
}

// Load implements [Generations].
func (d *Dir) Load(generation uint64) (Stored, error) {
	d.work.Lock() // no removal meanwhile
	defer d.work.Unlock()
	d.mu.Lock()
	current, closed := d.current, d.closed
	there := slices.ContainsFunc(d.all, func(e entry) bool { return e.generation == generation })
	d.mu.Unlock()
	switch {
	case closed:
		return Stored{}, ErrClosed
	case !there:
		return Stored{}, notFound(generation)
	case generation == current.Generation:
		return current, nil
	}
	s, err := d.read(generation)
	if err != nil {
		return Stored{}, fmt.Errorf("%s: %w", d.file(generationsDir+"/"+fileName(generation)), err)
	}
	return s, nil
}

// Unfinished is what a change that was not committed before a crash has made, or was about to make: it
// is to be taken back in this order, with [TakeBack], and then Cleared is called. No change begins
// before.
func (d *Dir) Unfinished() []Made {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.unfinished)
}

// Cleared notes that what was unfinished is taken back, or will not be.
func (d *Dir) Cleared() error {
	d.work.Lock()
	defer d.work.Unlock()
	d.mu.Lock()
	closed, busy := d.closed, d.busy
	d.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case busy: // then nothing is unfinished, and the journal is that of the transaction
		return nil
	}
	if err := d.dropJournal(); err != nil {
		return err
	}
	d.mu.Lock()
	d.unfinished = nil
	d.mu.Unlock()
	return nil
}

// Close gives the directory back. A transaction under way can be committed no more: a journal that it
// has is for the next start.
func (d *Dir) Close() error {
	d.work.Lock()
	defer d.work.Unlock()
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		return nil
	}
	return d.end()
}
