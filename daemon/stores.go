package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// stores are the stores of one unit. It implements [plugin.Stores].
type stores struct {
	reg  *Registry
	spec model.Unit
	log  *slog.Logger

	mu       sync.Mutex
	prepared bool            // the device has taken what was opened for it
	made     undo            // takes back what opening has made
	open     undo            // closes what is open, until the device has taken it
	losing   []func() error  // of each store that was opened: see plugin.Opened.Lost
	news     []plugin.Notice // for the log, when the unit is served
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
	spec, err := s.find(name)
	if err != nil {
		return plugin.Opened{}, err
	}
	kind, err := plugin.Find(s.reg.Stores, "store", spec.Kind)
	if err != nil {
		return plugin.Opened{}, err
	}
	opened, err := kind.Open(ctx, spec.Values)
	if err != nil {
		return plugin.Opened{}, err
	}
	top := opened.Store
	describe := []func() api.Facts{opened.Describe}
	fail := func(err error) (plugin.Opened, error) {
		if opened.Undo != nil {
			err = errors.Join(err, opened.Undo())
		}
		return plugin.Opened{}, errors.Join(err, top.Close())
	}
	for i := len(s.spec.Filters) - 1; i >= 0; i-- {
		f, err := plugin.Find(s.reg.Filters, "filter", s.spec.Filters[i].Kind)
		if err != nil {
			return fail(err)
		}
		w, err := f.Wrap(top, s.spec.Filters[i].Values)
		if err != nil {
			return fail(err)
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
	for _, n := range opened.News {
		s.note(n)
	}
	if opened.Lost != nil {
		s.mu.Lock()
		s.losing = append(s.losing, opened.Lost)
		s.mu.Unlock()
	}
	if opened.Taken = s.noteOpen(top.Close, opened.Undo); opened.Taken == nil {
		opened.Taken = func() {}
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
	var errs []error
	for _, lost := range all {
		errs = append(errs, lost())
	}
	return errors.Join(errs...)
}

// taken lets the device close what was opened for it, and returns what takes back what opening
// has made: that comes before the closing.
func (s *stores) taken() undo {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared, s.open = true, nil
	return s.made
}

// drop closes what was opened, and takes back what was made, of a unit that did not come about.
func (s *stores) drop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.made.run(), s.open.run())
}
