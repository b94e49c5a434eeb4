package state

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/internal/failpoint"
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
	tx         *transaction // the one under way; nil: there is none
	current    Stored
	all        []entry // those that are there, the oldest first
	highest    uint64  // the highest number that was ever used
	unfinished []Made  // what is to be taken back, the last first
	warnings   []string

	records records
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
	closed, busy := d.closed, d.tx != nil
	d.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case busy: // then nothing is unfinished, and the journal is that of the transaction
		return nil
	}
	failpoint.Here("state/clearing")
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
	tx := d.tx
	d.mu.Unlock()
	if closed {
		return nil
	}
	if tx != nil {
		tx.end()
	}
	return d.end()
}
