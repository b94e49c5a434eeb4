package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// A base is an open store, without the filters of a unit.
type base struct {
	plugin.Opened
	spec model.Plugin
	same string // equal for all names of its place; empty: it has none that another could have
}

// stores are the stores of one unit. It implements [plugin.Stores].
type stores struct {
	reg    *Registry
	spec   model.Unit
	log    *slog.Logger
	record *unitRecord      // where what outlives the unit is kept; nil: nowhere
	places *heldPlaces      // what units have opened by paths
	memory *buffer.Regions  // all that data lies in
	given  map[string]*base // stores that were open before: they are not opened, and not closed by drop

	paths openPaths

	told string // what was told last of what it has lost; Daemon.watching guards it

	mu       sync.Mutex
	prepared bool             // the device has taken what was opened for it
	bases    map[string]*base // what the device has opened, or was given
	made     undo             // takes back what opening has made
	open     undo             // closes what is open, until the device has taken it
	losing   []func() error   // of each store that was opened: see plugin.Opened.Lost
	news     []plugin.Notice  // for the log, when the unit is served
}

// Names implements [plugin.Stores].
func (s *stores) Names() []string {
	var names []string
	if s.spec.Store.Kind != "" {
		names = append(names, "")
	}
	for _, n := range s.spec.Stores {
		names = append(names, n.Name)
	}
	return names
}

func (s *stores) find(name string) (model.Plugin, error) {
	if name == "" && s.spec.Store.Kind != "" {
		return s.spec.Store, nil
	}
	for _, n := range s.spec.Stores {
		if n.Name == name && name != "" {
			return n.Plugin, nil
		}
	}
	return model.Plugin{}, fmt.Errorf("there is no store %q", name)
}

// Open implements [plugin.Stores]. Filters are put on the store from the last, which is next to the
// store, to the first, which is next to the device.
func (s *stores) Open(ctx context.Context, name string) (plugin.Opened, error) {
	b, given := s.given[name]
	if !given {
		var err error
		if b, err = s.openBase(ctx, name); err != nil {
			return plugin.Opened{}, err
		}
	}
	opened, err := s.filtered(b)
	if err != nil {
		if !given {
			if b.Undo != nil {
				err = errors.Join(err, b.Undo())
			}
			err = errors.Join(err, b.Close())
		}
		return plugin.Opened{}, err
	}
	if !given {
		for _, n := range b.News {
			s.note(n)
		}
	}
	s.mu.Lock()
	if s.bases == nil {
		s.bases = make(map[string]*base)
	}
	s.bases[name] = b
	if b.Lost != nil {
		s.losing = append(s.losing, b.Lost)
	}
	s.mu.Unlock()
	opened.Taken = func() {}
	if !given {
		if taken := s.noteOpen(b.Close, b.Undo); taken != nil {
			opened.Taken = taken
		}
	}
	return opened, nil
}

// openBase opens a store.
func (s *stores) openBase(ctx context.Context, name string) (*base, error) {
	spec, err := s.find(name)
	if err != nil {
		return nil, err
	}
	kind, err := plugin.Find(s.reg.Stores, "store", spec.Kind)
	if err != nil {
		return nil, err
	}
	opened, err := kind.Open(ctx, spec.Values)
	if err != nil {
		return nil, err
	}
	s.list(opened)
	b := &base{Opened: opened, spec: spec, same: opened.Same}
	if err := s.keep(b, kind.Volatile, name); err != nil {
		if b.Undo != nil {
			err = errors.Join(err, b.Undo())
		}
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// list has a store that was just opened put memory of its own into the list of all.
func (s *stores) list(o plugin.Opened) {
	if o.List != nil {
		o.List(s.memory)
	}
}

// filtered puts the unit's filters on a store.
func (s *stores) filtered(b *base) (plugin.Opened, error) {
	opened, top := b.Opened, b.Store
	describe := []func() api.Facts{b.Describe}
	for i := len(s.spec.Filters) - 1; i >= 0; i-- {
		f, err := plugin.Find(s.reg.Filters, "filter", s.spec.Filters[i].Kind)
		if err != nil {
			return opened, err
		}
		w, err := f.Wrap(top, s.spec.Filters[i].Values)
		if err != nil {
			return opened, err
		}
		top = w.Store
		describe = append(describe, w.Describe)
	}
	opened.Store = top
	opened.Describe = func() (all api.Facts) {
		for i := len(describe) - 1; i >= 0; i-- { // of two with one name the outermost counts
			if describe[i] != nil {
				all = append(all, describe[i]()...)
			}
		}
		return all
	}
	return opened, nil
}

// note keeps something for the log until the unit is served: of a start that fails there is nothing
// to tell but the reason.
func (s *stores) note(n plugin.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = append(s.news, n)
}

// tell writes what was noted.
func (s *stores) tell() {
	s.mu.Lock()
	news := s.news
	s.news = nil
	s.mu.Unlock()
	for _, n := range news {
		n.Tell(s.log)
	}
}

// noteOpen keeps how to take back what was opened, until the device has taken it, which the result
// tells; nil: the unit is there, and its device answers for what it opens.
func (s *stores) noteOpen(closer, takeBack func() error) (taken func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prepared {
		return nil
	}
	i := len(s.open)
	s.open.add(closer)
	if takeBack != nil {
		s.made.add(takeBack)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i < len(s.open) {
			s.open[i] = func() error { return nil }
		}
	}
}

// lost says what has happened to the stores behind the daemon's back.
func (s *stores) lost() error {
	s.mu.Lock()
	all := slices.Clone(s.losing)
	s.mu.Unlock()
	all = append(all, s.paths.losing()...)
	var errs []error
	for _, lost := range all {
		errs = append(errs, lost())
	}
	return errors.Join(errs...)
}

// taken lets the device close what was opened for it.
func (s *stores) taken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared, s.open = true, nil
}

// drop closes what was opened, and takes back what was made, of a unit that did not come about. What was
// given stays.
func (s *stores) drop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.made.run(), s.open.run())
}

// unmake takes back what opening has made, before it is closed.
func (s *stores) unmake() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made.run()
}

// all are the stores that are open, by name.
func (s *stores) all() map[string]*base {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.bases)
}

// closeGiven closes what was given to a unit whose device is not open: nobody else does.
func (s *stores) closeGiven() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prepared {
		return nil
	}
	var errs []error
	for _, b := range s.given {
		errs = append(errs, b.Close())
	}
	s.given = nil
	return errors.Join(errs...)
}

// unmakeAll takes back what was opened for a device that was tried, but for what it was given.
func (s *stores) unmakeAll(given map[string]*base) error {
	errs := []error{s.unmake()}
	for name, b := range s.all() {
		if given[name] != b {
			errs = append(errs, b.Close())
		}
	}
	return errors.Join(errs...)
}
