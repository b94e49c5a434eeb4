package library

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/internal/failpoint"
)

// loads is how many cartridges are loaded at a time when a library is opened.
const loads = 16

// A Library is the elements of a library, open. It implements [changer.Inventory].
type Library struct {
	cfg     Config
	log     *slog.Logger
	media   Media
	depot   *depot
	lock    *lock // of the library
	journal *journal
	point   func(string) // tests: called at each place where a crash would leave something behind

	onMove func(Move)          // set before anything moves
	tell   func(imported bool) // the same

	mu       sync.Mutex
	closed   bool                // guarded by mu
	all      []*element          // by address, without the transport; the slice never changes
	of       map[string]*element // by barcode; those that are missing are in it; guarded by mu
	prevent  bool                // guarded by mu
	freed    chan struct{}       // closed, and made anew, when an element is not busy any more; guarded by mu
	shown    []changer.Element   // what Elements returns; nil: something has changed; guarded by mu
	problems []string            // guarded by mu
	labels   map[string]seen     // of cartridges on the shelf, by barcode; guarded by mu

	transport uint16 // address of the transport
	before    int    // how many of all have lower addresses
	shape     Shape
	by        [changer.Drive + 1][]*element // by type and index; the slices never change
}

// An element is one of a library. Library.mu guards all but what never changes.
type element struct {
	place   Place  // never changes
	address uint16 // never changes
	drive   Drive  // of a drive; never changes
	name    *changer.Identifier
	cell
	missing bool // the directory of the cartridge is not there: the element shows empty
	busy    bool // something is done with it
	open    bool // of a mail slot: its door
	access  bool // as it was shown
}

// full reports that there is a cartridge in it.
func (e *element) full() bool { return e.barcode != "" && !e.missing }

// Open opens a library, and loads into drives what its state has in them.
func Open(ctx context.Context, cfg Config) (*Library, error) {
	l := &Library{cfg: cfg, log: cfg.Log, media: cfg.Media, freed: make(chan struct{}), of: make(map[string]*element), labels: make(map[string]seen), point: failpoint.Here}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.media == nil {
		l.media = files{}
	}
	if err := checkName(cfg.Name); err != nil {
		return nil, err
	}
	if err := l.arrange(); err != nil {
		return nil, err
	}
	l.depot = &depot{dir: cfg.Store, own: cfg.Name}
	if err := l.begin(ctx); err != nil {
		if l.lock != nil {
			l.lock.unlock()
		}
		if l.journal != nil {
			l.journal.close()
		}
		return nil, err
	}
	return l, nil
}

// arrange makes the elements, and refuses addresses that do not fit.
func (l *Library) arrange() error {
	cfg := &l.cfg
	a := cfg.Addresses
	if a == (personality.Addresses{}) {
		a = cfg.Model.Addresses
	}
	if len(cfg.DriveNames) != len(cfg.Drives) {
		return fmt.Errorf("%d drives have %d names", len(cfg.Drives), len(cfg.DriveNames))
	}
	l.transport = a.Transport
	l.shape = Shape{Slots: cfg.Slots, Mail: cfg.Mail, Drives: len(cfg.Drives)}
	ranges := []struct {
		kind         changer.ElementType
		first, count int
		most         int
	}{
		{changer.Transport, int(a.Transport), 1, 0},
		{changer.Storage, int(a.Storage), cfg.Slots, cfg.Model.MaxSlots},
		{changer.Mail, int(a.Mail), cfg.Mail, cfg.Model.MaxMail},
		{changer.Drive, int(a.Drive), len(cfg.Drives), cfg.Model.MaxDrives},
	}
	for i, r := range ranges {
		last := r.first + r.count - 1
		switch {
		case r.count < 0 || r.most > 0 && r.count > r.most:
			return fmt.Errorf("a %s has %d elements of the type %v at the most, not %d", cfg.Model.Name, r.most, r.kind, r.count)
		case last > maxIndex:
			return fmt.Errorf("the addresses of %d elements of the type %v begin at %d, and end above %d: let them begin lower", r.count, r.kind, r.first, maxIndex)
		}
		for _, o := range ranges[:i] {
			if r.count > 0 && o.count > 0 && r.first < o.first+o.count && o.first <= last {
				return fmt.Errorf("the addresses of elements of the types %v (%d to %d) and %v (%d to %d) overlap: give one of them another first address",
					o.kind, o.first, o.first+o.count-1, r.kind, r.first, last)
			}
		}
		if r.kind == changer.Transport {
			continue
		}
		for n := range r.count {
			e := &element{place: Place{Type: r.kind, Index: n + 1}, address: uint16(r.first + n)}
			if r.kind == changer.Drive {
				e.place.Index, e.drive, e.name = n, cfg.Drives[n], &cfg.DriveNames[n]
			}
			l.by[r.kind] = append(l.by[r.kind], e)
			l.all = append(l.all, e)
		}
	}
	slices.SortFunc(l.all, func(a, b *element) int { return int(a.address) - int(b.address) })
	for _, e := range l.all {
		if e.address < l.transport {
			l.before++
		}
	}
	return nil
}

// at is the element at a place; nil if there is none.
func (l *Library) at(p Place) *element {
	i := p.Index
	if p.Type != changer.Drive {
		i--
	}
	if p.Type > changer.Drive || i < 0 || i >= len(l.by[p.Type]) {
		return nil
	}
	return l.by[p.Type][i]
}

// begin locks the library, reads its state, makes it fit what there is, and loads the drives. Nobody else has l.
func (l *Library) begin(ctx context.Context) error {
	if err := l.depot.prepare(); err != nil {
		return err
	}
	mine, ok, err := tryLock(l.depot.lockOf(l.cfg.Name))
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("library %s in %s: %w: another process serves it, or works on it", l.cfg.Name, l.cfg.Store, ErrInUse)
	}
	l.lock = mine
	j, exists, err := loadJournal(l.depot.state(l.cfg.Name), l.cfg.Name)
	if err != nil {
		return err
	}
	l.journal = j
	j.point = func(place string) { l.point(place) }
	if err := l.depot.locked(ctx, func() error { return l.settle(exists) }); err != nil {
		return err
	}
	return l.loadAll(ctx)
}

// loadAll loads into drives what the state has in them. What cannot be loaded goes back to a slot: no drive has what it does
// not show.
func (l *Library) loadAll(ctx context.Context) error {
	var all sync.WaitGroup
	slots := make(chan struct{}, loads)
	failed := make([]error, len(l.by[changer.Drive]))
	for i, e := range l.by[changer.Drive] {
		if !e.full() {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			failed[i] = l.load(ctx, e, e.barcode)
			<-slots
		})
	}
	all.Wait()
	for i, err := range failed {
		if err == nil {
			continue
		}
		e := l.by[changer.Drive][i]
		if ctx.Err() != nil {
			l.empty()
			return ctx.Err()
		}
		to := l.home(e)
		where := Shelf
		if to != nil {
			where = to.place
		}
		l.problem("cartridge %s cannot be loaded into %v, and goes to the %v: %v", e.barcode, e.place, where, err)
		if err := l.put(e, to); err != nil {
			l.empty()
			return err
		}
	}
	return nil
}

// load opens a cartridge and gives it to the drive of e.
func (l *Library) load(ctx context.Context, e *element, barcode string) error {
	t, err := l.media.Open(l.depot.cartridge(barcode))
	if err != nil {
		return err
	}
	if err := e.drive.Load(ctx, t); err != nil {
		return errors.Join(err, t.Close())
	}
	return nil
}

// put moves what is in e to another element, or to the shelf (nil), in the state alone. Nobody else has l.
func (l *Library) put(e, to *element) error {
	c := e.cell
	set := []content{{At: e.place}}
	if to != nil {
		c.imported = false
		set = append(set, c.content(to.place))
	}
	if err := l.journal.commit(change{Set: set}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, c.barcode)
	e.cell = cell{}
	if to != nil {
		to.cell, to.missing = c, false
		l.of[c.barcode] = to
	}
	l.shown = nil
	return nil
}

// home is where what is in e goes: the slot that it came from, or one that is free; nil: there is none. Nobody else has l, or
// l.mu is held.
func (l *Library) home(e *element) *element {
	if s := l.at(Place{Type: changer.Storage, Index: e.source}); s != nil && !s.full() && !s.busy {
		return s
	}
	return l.free(changer.Storage)
}

// free is an element of a type that has no cartridge, and with which nothing is done; one that is missing does not keep its place
// if there is another. nil: there is none. Nobody else has l, or l.mu is held.
func (l *Library) free(t changer.ElementType) *element {
	var last *element
	for _, e := range l.by[t] {
		switch {
		case e.busy || e.full():
		case e.barcode == "":
			return e
		case last == nil:
			last = e
		}
	}
	return last
}

// empty takes the cartridges out of all drives, and closes them.
func (l *Library) empty() {
	for _, e := range l.by[changer.Drive] {
		t, err := e.drive.Unload(context.Background(), true)
		if t != nil {
			err = errors.Join(err, t.Close())
		}
		if err != nil {
			l.log.Error("a cartridge was not taken out of a drive in order", "library", l.cfg.Name, "drive", e.place.Index, "error", err)
		}
	}
}

// Close waits for what is moving, and gives the cartridges in drives back. In the state they stay there.
func (l *Library) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	for slices.ContainsFunc(l.all, func(e *element) bool { return e.busy }) {
		freed := l.freed
		l.mu.Unlock()
		<-freed
		l.mu.Lock()
	}
	l.mu.Unlock()
	l.empty()
	l.journal.close()
	l.lock.unlock()
	return nil
}

// problem notes what somebody should know.
func (l *Library) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.log.Warn(text, "library", l.cfg.Name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.problems, text) && len(l.problems) < 1000 {
		l.problems = append(l.problems, text)
	}
}

// Problems are what was found wrong when the library was opened, or scanned, in sentences.
func (l *Library) Problems() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.problems)
}

// OnMove lets f be called after each move, by the goroutine that has made it. It is called before anything moves.
func (l *Library) OnMove(f func(Move)) { l.onMove = f }

// Tell lets changed be called when operators have changed the inventory: see [changer.Changer.Changed]. It is called before
// anything moves.
func (l *Library) Tell(changed func(imported bool)) { l.tell = changed }

// files are the functions of package medium.
type files struct{}

func (files) Create(dir string, spec medium.Spec) error { return medium.Create(dir, spec) }
func (files) Inspect(dir string) (medium.Info, error)   { return medium.Inspect(dir) }
func (files) SetWriteProtect(dir string, on bool) error { return medium.SetWriteProtect(dir, on) }
func (files) Relabel(dir, barcode string) error         { return medium.Relabel(dir, barcode) }
func (files) Delete(dir string) error                   { return medium.Delete(dir) }
func (files) Sweep(parent string) error                 { return medium.Sweep(parent) }
func (files) Open(dir string) (medium.Tape, error) {
	c, err := medium.Open(dir, medium.Options{})
	if err != nil {
		return nil, err
	}
	return c, nil
}
